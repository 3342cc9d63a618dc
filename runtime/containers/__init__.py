"""Containers beside rooms: what may be asked of them, and what runs them."""
