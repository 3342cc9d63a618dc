"""The family ``database``: tables of the room as the releases ask for them."""
