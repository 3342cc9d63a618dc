"""Metrics over hours: the figures of each minute and of each hour, in a file."""
