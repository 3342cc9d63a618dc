"""What sessions reach over their pipe: their room, wherever it is, and the model behind one that is here."""
