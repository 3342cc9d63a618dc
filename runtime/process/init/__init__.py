"""The process above the front, and what the two have for each other."""
