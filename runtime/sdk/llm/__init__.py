"""Language models: the adapter that agents hold, and the models behind it."""
