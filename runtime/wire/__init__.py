"""Bytes and their meaning; no input or output."""
