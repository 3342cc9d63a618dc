"""Bulkhead: a runtime for AI agents with one supervised process per agent session."""

__version__ = "0.1.0"
