"""Tell the front what was refused: the first at once, and from then on at most once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from runtime.errors import ChannelClosed
from runtime.wire import control
from runtime.wire.text import utf8_text
from runtime.worker.refused.account import Account

TELL_S: Final = 1.0


class Teller:
    """Between an account and the pipe.  Runs in: the worker's event loop.

    Args:
        send: Hands a message to the front; raises ChannelClosed when the front is gone.
    """

    def __init__(self, account: Account, send: Callable[[Any], None]) -> None:
        self._account, self._send = account, send
        self._loop = asyncio.get_running_loop()
        self._not_before = 0.0
        account.told = self._told

    def send(self, message: Any) -> None:
        """Hand a message on; what was refused goes before a last word."""
        if isinstance(message, control.Failed | control.Ended):
            self.tell()
        self._send(message)

    def tell(self) -> None:
        """Tell what was not told yet."""
        found, counts = self._account.take()
        if not counts:
            return
        self._not_before = self._loop.time() + TELL_S
        try:
            self._send(control.Refused([(one.rule, utf8_text(one.what)) for one in found], counts))
        except ChannelClosed:
            pass  # the front is gone, and with it whoever wanted to know

    def _told(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._later)
        except RuntimeError:
            pass  # the loop is closed: the session is over

    def _later(self) -> None:
        self._loop.call_at(max(self._not_before, self._loop.time()), self.tell)
