"""Secrets of a room: kept sealed, and asked of a participant by another."""
