"""Databases of a room: files of SQLite that participants name, and ask in SQL."""
