"""What comes to a session over its pipe instead of a network: its room, and the model behind it."""
