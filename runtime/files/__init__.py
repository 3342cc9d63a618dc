"""Files that must be whole, private, or bearable: how they are written, and how those of others are read."""
