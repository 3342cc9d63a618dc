"""A listening socket that always has an answer: 503 for whoever comes when there are no open files left.

asyncio takes a connection that cannot be accepted for something to try again in a second, and says so with a
traceback for each of a thousand tries.  Here the last descriptors are not given to connections, so that those
who are connected are answered, and who comes then is told so; if there is none at all, a spare one is let go
for as long as that takes.
"""

from __future__ import annotations

import errno
import json
import socket
import time
from contextlib import suppress
from typing import Any, Final

from runtime.logs import get_logger
from runtime.process import descriptors

RETRY_S: Final = 5
TELL_S: Final = 60.0
_NONE_LEFT: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_MOST_AT_ONCE: Final = 64
_TAKEN_BYTES: Final = 65536
_log = get_logger("front")


def busy_answer() -> bytes:
    """The whole HTTP answer."""
    problem = {
        "type": "urn:bulkhead:problem:no_resources",
        "title": "What a session needs is not there",
        "status": 503,
        "detail": "The server has no open files left for another connection. Ask again in a moment.",
    }
    body = json.dumps(problem).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\n"
        "Content-Type: application/problem+json\r\n"
        "Cache-Control: no-store\r\n"
        f"Retry-After: {RETRY_S}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body


_BUSY: Final = busy_answer()


class AcceptingSocket(socket.socket):
    """A bound, listening, non-blocking stream socket, for an event loop's server."""

    def __init__(self, fd: int) -> None:
        super().__init__(fileno=fd)
        self._spare = descriptors.Spare()
        self._refused = 0
        self._told_at = -TELL_S

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection that there is a descriptor for; the others are answered here.

        Raises:
            BlockingIOError: There is none now.
            OSError: The system cannot even take one to refuse it: to be tried again later.
        """
        for _ in range(_MOST_AT_ONCE):
            try:
                found, address = super().accept()
            except OSError as error:
                if error.errno not in _NONE_LEFT:
                    raise
                with self._spare.lent():
                    found, _ = super().accept()
                    self._refuse(found)
                continue
            if not descriptors.is_last(found.fileno()):
                return found, address
            self._refuse(found)
        raise BlockingIOError  # there may be more; the event loop comes back after everybody else's turn

    def close(self) -> None:
        self._spare.close()
        super().close()

    def _refuse(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.recv(_TAKEN_BYTES)  # what is unread at the end would take the answer with it
            connection.send(_BUSY)
            connection.shutdown(socket.SHUT_WR)
        self._refused += 1
        now = time.monotonic()
        if now - self._told_at >= TELL_S:
            self._told_at = now
            _log.error(
                "front.connections_refused",
                count=self._refused,
                detail=f"no open files are left of {descriptors.limit()}",
                cure="Raise the limit of open files (ulimit -n, LimitNOFILE=), or close connections.",
            )
            self._refused = 0
