"""Containers of an engine that speaks Docker's API."""
