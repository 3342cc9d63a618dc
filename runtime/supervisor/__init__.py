"""Who decides when a worker lives and ends."""
