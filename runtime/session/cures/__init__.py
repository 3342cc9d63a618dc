"""What to do about what happened: for ends of sessions, exceptions, what is missing.  Pure."""
