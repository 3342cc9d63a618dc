"""Memories of a room: what agents noted, as entities and the relationships between them."""
