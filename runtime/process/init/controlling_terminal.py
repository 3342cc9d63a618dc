"""Whether a terminal controls this process, and whether it went away.

SIGHUP means two things: "load again", which an operator sends, and "your terminal is gone", which the kernel
or a shell sends.  The second comes when there is no controlling terminal any more although there was one.
"""

from __future__ import annotations

import os
import signal


class ControllingTerminal:
    """The terminal as it was when this was made."""

    def __init__(self) -> None:
        # `nohup` asks that the end of the terminal be none of our business.
        self._counts = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and _is_there()

    def is_gone(self) -> bool:
        """It was there, and is not any more."""
        return self._counts and not _is_there()


def _is_there() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return False
    return True
