"""What sessions without a network reach over their pipe: their room, here or elsewhere, and the model."""
