"""Sessions on several machines: nodes run them, an engine carries messages, a front keeps the books."""
