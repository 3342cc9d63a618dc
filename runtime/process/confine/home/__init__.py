"""The folders that sessions have for themselves."""
