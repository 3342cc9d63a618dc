"""Webhooks that go out, and what became of each of their deliveries."""
