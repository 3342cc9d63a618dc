"""What an operator does with one session: look where its time goes, hold it still."""
