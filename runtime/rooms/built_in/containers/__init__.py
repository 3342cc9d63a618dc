"""Containers as participants ask for them, in the words of all releases."""
