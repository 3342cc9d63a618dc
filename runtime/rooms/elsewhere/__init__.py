"""Rooms of other servers: where they are, and the way in."""
