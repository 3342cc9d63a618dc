"""A node's right to run a front's sessions: until a moment on the node's own clock.  Pure.

It begins when the node sends a beat, and is granted when a front says that it heard that very beat.  Nothing
else moves it: not that a connection is open, nor that something could be sent.
"""

from __future__ import annotations

import msgspec


class Lease(msgspec.Struct):
    """One front's.

    Attributes:
        until: The moment at which the sessions must be gone; none was granted yet before the first one.
    """

    until: float = 0.0

    def heard(self, sent: float, length_s: float) -> None:
        """The front heard the beat that was sent then; one that comes late changes nothing."""
        self.until = max(self.until, sent + length_s)

    def is_over(self, now: float) -> bool:
        """Whether the sessions have to end."""
        return now >= self.until
