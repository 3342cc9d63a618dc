"""Whether ports of a container answer: 2xx to their paths, or a connection where they have none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from runtime.clock import Clock
from runtime.services.life.reach import Port
from runtime.services.life.telling import PortSeen

_OFTEN_S: Final = 0.02
_LESS_S: Final = 0.1
_SELDOM_S: Final = 0.5
_NEW_FOR_S: Final = 60.0
_PART: Final = 0.1
"""Of its age: whoever entered the room waits for that much longer than it takes to answer."""
_LIVE_S: Final = 5.0
_ANSWER_S: Final = 5.0
_MAX_LINE_BYTES: Final = 8192


async def watch(
    ports: Sequence[Port],
    reached: Mapping[int, int],
    seen: Sequence[PortSeen],
    *,
    clock: Clock,
    is_live: Callable[[], None],
) -> None:
    """Look until all answer, then whether those with liveness go on; without any, return.

    Args:
        reached: Where this machine reaches each.
        seen: What is told of each; written.
        is_live: Called once.
    """
    # Calling in where nobody listens yet would only fail.
    waiting = {port.number for port in ports if port.liveness or port.endpoints}
    was_live, began = False, clock.now()
    while True:
        for port, one in zip(ports, seen, strict=True):
            if port.number in waiting or (was_live and port.liveness):
                at = reached.get(port.number)  # one that ended at once leads nowhere
                error = await answers(at, port.liveness) if at else "nothing leads there"
                one.checked_at, one.error = clock.wall(), error or None
                if port.liveness:
                    one.status = "not_ready" if error else "ready"
                if not error:
                    waiting.discard(port.number)
        if not was_live and not waiting:
            was_live = True
            is_live()
        if was_live and not any(port.liveness for port in ports):
            return
        await asyncio.sleep(_LIVE_S if was_live else _period_s(clock.now() - began))


def _period_s(age_s: float) -> float:
    return _SELDOM_S if age_s >= _NEW_FOR_S else min(_LESS_S, max(_OFTEN_S, _PART * age_s))


async def answers(port: int, path: str) -> str:
    """Ask once: empty when it is ready, else why not."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_MAX_LINE_BYTES)
            try:
                if not path:
                    return ""
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
                )
                line = (await reader.readline()).split()
            finally:
                writer.close()
    except TimeoutError:
        return f"no answer in {_ANSWER_S:g} s"
    except (OSError, ValueError) as error:
        return str(error)
    if len(line) > 1 and line[0].startswith(b"HTTP/") and line[1].startswith(b"2"):
        return ""
    return f"answered {line[1].decode('ascii', 'replace')}" if len(line) > 1 else "answered no HTTP"
