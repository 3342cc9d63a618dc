"""What an operator asks of the server by signals."""
