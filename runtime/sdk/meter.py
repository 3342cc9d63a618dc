"""What this process did, in counts: turns answered, messages received, tokens of models.

A worker is one session, so the counts of its process are those of the session.  The worker tells them to the
front; a program that runs outside of a worker counts and tells nobody.
"""

from __future__ import annotations

from collections.abc import Callable


class Meter:
    """Counts that only grow.

    Attributes:
        changed: Called after each change; must not block.
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self.changed: Callable[[], None] | None = None

    def add(
        self, *, turns: int = 0, messages: int = 0, tokens_in: int = 0, tokens_out: int = 0, model: str = ""
    ) -> None:
        """Count something; what is negative is not counted.

        Args:
            model: Whose tokens they are; they are counted for it as well.
        """
        more = {"turns": turns, "messages": messages, "tokens_in": tokens_in, "tokens_out": tokens_out}
        if model:
            more |= {f"tokens_in:{model}": tokens_in, f"tokens_out:{model}": tokens_out}
        for name, count in more.items():
            if count > 0:
                self._counts[name] = self._counts.get(name, 0) + count
        if self.changed is not None:
            self.changed()

    def counts(self) -> dict[str, int]:
        """All of them that are not zero."""
        return dict(self._counts)

    def reset(self) -> None:
        """Begin at nothing, as a worker does when it becomes a session."""
        self._counts.clear()


meter = Meter()
