"""One operating-system process at a time; no policy."""
