"""Services that are deployed here: what is kept of them, and when they run."""
