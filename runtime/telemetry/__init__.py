"""Traces of calls from whoever made them to the last tool, metrics by OTLP, and what both are called."""
