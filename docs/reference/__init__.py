"""The pages of the reference, each written by a function from the code itself."""
