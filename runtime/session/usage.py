"""What sessions used: added up per session, endpoint, identity and room.  Pure.

Processor time, memory and bytes are what the system counted.  Turns, messages and model tokens are what the
worker says of itself: they are taken as claims, in whole numbers from 0 to a bound, and never go back.

A session has a record of its own as long as the server keeps it; after that it is part of a sum per day,
endpoint, identity and room, so that totals reach further back than single sessions.  Days, and rooms within a
day, are bounded: rooms are named by callers, so above the bound they are added up as one.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

MAX_MODELS: Final = 12
MODEL_CHARS: Final = 80
OTHER_MODELS: Final = "(other models)"
CLAIMS: Final = ("turns", "messages", "tokens_in", "tokens_out")
MAX_CLAIM: Final = 10**12
MAX_DAYS: Final = 60
MAX_DAY_ROWS: Final = 200
OTHER_ROOMS: Final = "(other rooms)"
GIB: Final = 1 << 30
_DAY_S: Final = 86400.0

By = Literal["session", "endpoint", "identity", "room", "day"]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """One sum.

    Attributes:
        peak_bytes: The highest peak of any session in it.
        memory_byte_s: Memory integrated over time.
        log_bytes: What the sessions wrote to their logs.
        relay_bytes: What went through the front for relayed room connections, both ways.
        models: Of each model, the tokens in and out; a part of all tokens.
    """

    sessions: int = 0
    restarts: int = 0
    turns: int = 0
    messages: int = 0
    cpu_s: float = 0.0
    memory_byte_s: float = 0.0
    peak_bytes: int = 0
    log_bytes: int = 0
    relay_bytes: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    models: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)

    def plus(self, other: Usage) -> Usage:
        """Both together."""
        counts = [name for name in self.__struct_fields__ if name != "models"]
        summed: dict[str, Any] = {name: getattr(self, name) + getattr(other, name) for name in counts}
        summed["models"] = _together(self.models, other.models)
        summed["peak_bytes"] = max(self.peak_bytes, other.peak_bytes)
        return Usage(**summed)

    def plain(self) -> dict[str, Any]:
        """As the API shows it."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__}
        shown["cpu_s"] = round(self.cpu_s, 3)
        shown["memory_gib_s"] = round(shown.pop("memory_byte_s") / GIB, 3)
        return shown


def _together(
    one: Mapping[str, tuple[int, int]], other: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[int, int]]:
    """Both tables; models are named by agents, so above a bound they are added up as one."""
    summed = dict(one)
    for model, (tokens_in, tokens_out) in other.items():
        name = model if model in summed or len(summed) < MAX_MODELS else OTHER_MODELS
        before = summed.get(name, (0, 0))
        summed[name] = (before[0] + tokens_in, before[1] + tokens_out)
    return summed


def models_of(claims: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Of claims, the tokens of each model in and out."""
    names = {name.partition(":")[2]: None for name in claims if ":" in name}
    return {one: (claims.get(f"tokens_in:{one}", 0), claims.get(f"tokens_out:{one}", 0)) for one in names}


def said(claims: Mapping[str, int]) -> Usage:
    """Claims as a sum."""
    return Usage(**{name: claims.get(name, 0) for name in CLAIMS}, models=models_of(claims))


def claimed(known: Mapping[str, int], values: Mapping[str, Any]) -> dict[str, int]:
    """The claims of a worker after it said `values`; whatever is no count, or goes back, is ignored."""
    taken = dict(known)
    for name in (*CLAIMS, *_of_models(taken, values)):
        value = values.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            taken[name] = max(taken.get(name, 0), min(value, MAX_CLAIM))
    return taken


def _of_models(known: Mapping[str, int], values: Mapping[str, Any]) -> list[str]:
    """Names of claims about a model's tokens, of as many models as there is room for."""
    models = {name.partition(":")[2]: None for name in known if ":" in name}
    names = []
    for name in values:
        kind, found, model = name.partition(":") if isinstance(name, str) else ("", "", "")
        if not found or kind not in ("tokens_in", "tokens_out") or not 0 < len(model) <= MODEL_CHARS:
            continue
        if model in models or len(models) < MAX_MODELS:
            models[model] = None
            names.append(name)
    return names


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """A sum, and of what.

    Attributes:
        session_id: Empty for the sum of a day.
        at: When the last of it ended, or now; seconds since the epoch.
    """

    endpoint: str
    identity: str
    room: str
    usage: Usage
    session_id: str = ""
    at: float = 0.0


class DayRow(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions of one day, endpoint, identity and room that have no record of their own any more."""

    day: str
    endpoint: str
    identity: str
    room: str
    usage: Usage

    @property
    def key(self) -> tuple[str, str, str, str]:
        return (self.day, self.endpoint, self.identity, self.room)


class UsageBook:
    """The sums of days.

    Args:
        max_days: The oldest day goes first.
        max_day_rows: Rows of a day with a room of their own.
    """

    def __init__(self, *, max_days: int = MAX_DAYS, max_day_rows: int = MAX_DAY_ROWS) -> None:
        self._max_days, self._max_day_rows = max_days, max_day_rows
        self._rows: OrderedDict[tuple[str, str, str, str], DayRow] = OrderedDict()
        self._day_rows: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._rows)

    def restore(self, rows: Iterable[DayRow]) -> None:
        """Take in what an earlier run wrote down."""
        for row in rows:
            self._put(row)
        self._forget_days()

    def add(self, row: UsageRow) -> DayRow:
        """A session is forgotten: add it to its day; the row as it is now."""
        day = datetime.fromtimestamp(row.at, UTC).date().isoformat()
        key = (day, row.endpoint, row.identity, row.room)
        if key not in self._rows and self._day_rows[day] >= self._max_day_rows:
            key = (day, row.endpoint, row.identity, OTHER_ROOMS)
        known = self._rows.get(key)
        usage = row.usage if known is None else known.usage.plus(row.usage)
        made = DayRow(day=key[0], endpoint=key[1], identity=key[2], room=key[3], usage=usage)
        self._put(made)
        self._forget_days()
        return made

    def rows(self, since: float) -> list[UsageRow]:
        """The days that were not over at `since`; seconds since the epoch."""
        found = []
        for row in self._rows.values():
            end = datetime.fromisoformat(row.day).replace(tzinfo=UTC).timestamp() + _DAY_S
            if end > since:
                found.append(
                    UsageRow(
                        endpoint=row.endpoint,
                        identity=row.identity,
                        room=row.room,
                        usage=row.usage,
                        at=end,
                    )
                )
        return found

    def _put(self, row: DayRow) -> None:
        if row.key not in self._rows:
            self._day_rows[row.day] += 1
        self._rows[row.key] = row

    def _forget_days(self) -> None:
        while len(self._day_rows) > self._max_days:
            oldest = min(self._day_rows)
            del self._day_rows[oldest]
            for key in [key for key in self._rows if key[0] == oldest]:
                del self._rows[key]


def report(rows: Iterable[UsageRow], by: By) -> list[tuple[str, Usage]]:
    """Sums by one of the names, what used the most processor time first, of days the last one first.

    Sums of days have no session.
    """
    sums: dict[str, Usage] = {}
    for row in rows:
        name = {
            "session": row.session_id,
            "endpoint": row.endpoint,
            "identity": row.identity,
            "room": row.room,
            # A sum of a day is told to be of its end.
            "day": datetime.fromtimestamp(max(0.0, row.at - 1), UTC).date().isoformat(),
        }[by]
        if name or by != "session":
            sums[name] = sums.get(name, Usage()).plus(row.usage)
    if by == "day":
        return sorted(sums.items(), reverse=True)
    return sorted(sums.items(), key=lambda item: (-item[1].cpu_s, item[0]))


def total(rows: Iterable[UsageRow]) -> Usage:
    """Everything together."""
    summed = Usage()
    for row in rows:
        summed = summed.plus(row.usage)
    return summed
