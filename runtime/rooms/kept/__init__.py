"""What rooms keep when nobody has them open: their folders, and the notes with which they were made."""
