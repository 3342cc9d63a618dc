"""What is in every room before anybody brings anything: schemas of documents, and a toolkit of its files."""
