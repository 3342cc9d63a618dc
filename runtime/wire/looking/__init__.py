"""What an operator asks of one process: where its time goes, and a debugger."""
