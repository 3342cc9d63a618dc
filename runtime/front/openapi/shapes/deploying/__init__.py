"""Services that are kept: all of them, what is sent to become one, and what each was."""
