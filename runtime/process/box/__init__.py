"""What lies in the memory that a worker shares with the front, a module each."""
