"""What answers a model request: the seam, and the built-in offline model."""
