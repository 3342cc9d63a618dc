"""What is known of the program that calls a host: its line, and the modules beside it."""
