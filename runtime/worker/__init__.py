"""What runs after the fork."""
