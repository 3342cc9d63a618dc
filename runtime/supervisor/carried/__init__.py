"""What a session reaches over its pipe instead of over a network: its room, and its model."""
