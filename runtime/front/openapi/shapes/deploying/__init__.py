"""Services as they change: what was sent, and what they were."""
