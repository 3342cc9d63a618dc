"""Where a session spends its time: who looks, and from where."""
