"""The program of a bundle, from its first line to the end of its process."""
