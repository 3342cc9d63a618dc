"""Servers of the Model Context Protocol whose tools rooms offer."""
