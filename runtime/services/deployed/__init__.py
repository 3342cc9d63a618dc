"""Bundles that are sent to a server, and kept as services."""
