"""Processes in place of containers, where there is no engine."""
