"""Which bundle serves which path: those that are found, and those that were sent here."""
