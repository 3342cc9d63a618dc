"""Input that came before the request that starts its command, as it does from clients of some releases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from runtime.clock import Clock
from runtime.errors import InvalidRequest, RoomFull

KEPT_S: Final = 10.0
MAX_BYTES: Final = 1 << 18
_MAX_SIZE: Final = 10_000
_MAX_ENTRIES: Final = 256
_ENTRY_BYTES: Final = 256


class Input(msgspec.Struct, frozen=True):
    """One piece: bytes, an end, a size, or a kill, by its channel."""

    channel: int
    data: bytes = b""
    width: int = 80
    height: int = 24

    @classmethod
    def of(cls, header: Mapping[str, Any], data: bytes) -> Input:
        """Read what a client sent.  Raises InvalidRequest."""
        channel = header.get("channel")
        if not isinstance(channel, int):
            raise InvalidRequest("input needs 'channel', a number")
        sizes = []
        for key, usual in (("width", 80), ("height", 24)):
            value = header.get(key)
            if value is not None and not (isinstance(value, int) and 0 < value <= _MAX_SIZE):
                raise InvalidRequest(f"{key!r} of a terminal is a number from 1 to {_MAX_SIZE}")
            sizes.append(usual if value is None else value)
        return cls(channel, data, *sizes)


class _Waiting(msgspec.Struct):
    since: float
    inputs: list[Input] = msgspec.field(default_factory=list)
    bytes: int = 0


class EarlyInput:
    """What waits for its command: for some seconds, and no more of it than a bound, of one participant."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[tuple[str, str], _Waiting] = {}

    def keep(self, key: tuple[str, str], given: Input) -> None:
        """Keep one more piece.

        Raises:
            RoomFull: The participant has too much waiting.
        """
        now = self._clock.now()
        for other in [one for one, waiting in self._waiting.items() if now - waiting.since > KEPT_S]:
            del self._waiting[other]
        mine = [waiting for (owner, _), waiting in self._waiting.items() if owner == key[0]]
        size = len(given.data) + _ENTRY_BYTES
        if sum(one.bytes for one in mine) + size > MAX_BYTES or len(mine) >= _MAX_ENTRIES:
            raise RoomFull("too much input waits for commands that were not started")
        waiting = self._waiting.setdefault(key, _Waiting(now))
        waiting.inputs.append(given)
        waiting.bytes += size

    def take(self, key: tuple[str, str]) -> list[Input]:
        """What waits for a command that starts now."""
        waiting = self._waiting.pop(key, None)
        return [] if waiting is None else waiting.inputs

    def forget(self, owner: str) -> None:
        """A participant has gone."""
        for key in [one for one in self._waiting if one[0] == owner]:
            del self._waiting[key]
