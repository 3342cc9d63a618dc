"""Tables with typed columns, kept in one SQLite file of the room.  Knows no dialect and no grant."""
