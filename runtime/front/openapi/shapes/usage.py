"""What sessions used, metrics over hours, which inputs are parked, which settings are in force."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import UNSET, Meta, UnsetType

from runtime.front.openapi.shapes.shape import SessionName, Shape, Time
from runtime.session.usage import By
from runtime.telemetry.history.recorder import MOST_HOURS

_SINCE: Final = (
    r"^( *[0-9]+(\.[0-9]+)? *([mM][sS]|[sSmMhHdD])? *"
    r"|20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?$"
)
"""A part of what is read, for who writes by the description."""
Line = Annotated[
    list[float | None],
    Meta(description="A value for each step; null where no server ran, or nothing was measured"),
]
Lines = Annotated[dict[str, Line], Meta(description="A line for each label; what has none is all zeros")]


class Used(Shape, frozen=True, kw_only=True):
    """A sum over sessions."""

    sessions: int
    restarts: int
    turns: int
    messages: int
    cpu_s: float
    memory_gib_s: float
    peak_bytes: Annotated[int, Meta(description="The highest peak of any one session")]
    log_bytes: int
    relay_bytes: int
    tokens_in: int
    tokens_out: int
    models: Annotated[
        dict[str, tuple[int, int]], Meta(description="Tokens in and out of each model, where it is known")
    ]
    cost_usd: Annotated[float, Meta(description="Of the models that have a price, without discounts")]
    unpriced_tokens: Annotated[int, Meta(description="Tokens of which nobody knows what they cost")]


class UsedBy(Used, frozen=True, kw_only=True):
    """A sum, and the one name of what it is a sum over."""

    session: str | UnsetType = UNSET
    endpoint: str | UnsetType = UNSET
    identity: str | UnsetType = UNSET
    room: str | UnsetType = UNSET
    day: Annotated[str | UnsetType, Meta(description="In UTC; a session's is that of its end")] = UNSET


class UsageReport(Shape, frozen=True, kw_only=True):
    """Rows, and their sum."""

    by: By
    since: Time | None
    rows: list[UsedBy]
    total: Used
    prices_as_of: Annotated[str, Meta(description="When the list prices that are shipped were read")]
    unpriced: Annotated[list[str], Meta(description="Models without a price: name one by usage.prices")]


class UsageQuery(Shape, frozen=True, kw_only=True):
    """What is added up."""

    by: Annotated[By, Meta(description="What to add up by")] = "identity"
    since: Annotated[
        str,
        Meta(
            description="Only what ended since: 1h (ago), or an RFC 3339 time",
            examples=["1h"],
            extra_json_schema={"pattern": _SINCE},
        ),
    ] = ""


class HistoryQuery(Shape, frozen=True, kw_only=True):
    """How far back."""

    hours: Annotated[
        int,
        Meta(
            ge=1,
            le=MOST_HOURS,
            description="Up to 3 by the minute, up to 24 by five minutes, else by the hour",
        ),
    ] = 24


class MetricsHistory(Shape, frozen=True, kw_only=True):
    """The figures of some hours, in equal steps; gauges as their mean, counters as what they rose by."""

    since: Time
    step_s: int
    at_ms: Annotated[list[int], Meta(description="When each step began, since the epoch")]
    sessions: Line
    sessions_most: Annotated[Line, Meta(description="The most at once")]
    queued_most: Annotated[Line, Meta(description="The most that waited for their turn to start")]
    lag_ms_most: Annotated[Line, Meta(description="How late the server's event loop was at most")]
    cpu: Annotated[Lines, Meta(description="Cores, by endpoint")]
    memory_bytes: Annotated[Lines, Meta(description="Resident, by endpoint")]
    webhooks: Annotated[Lines, Meta(description="By outcome")]
    answer_s: Annotated[Lines, Meta(description="p50, p95 and p99 of the time to the answer of a webhook")]
    start_s: Annotated[Lines, Meta(description="p50, p95 and p99 of the time from placement to ready")]
    starts: Line
    ends: Annotated[Lines, Meta(description="By exit reason")]
    crashes: Annotated[Lines, Meta(description="By exit reason")]
    restarts: Line
    turns: Line
    tokens_in: Line
    tokens_out: Line
    failing: Annotated[str, Meta(description="Why older figures are missing; empty when none are")]


class ParkedInput(Shape, frozen=True, kw_only=True):
    """An input that killed its sessions and is not run any more."""

    hash: str
    endpoint: str
    room: str
    deaths: int
    session: SessionName
    message: str
    parked_at: Time
    cure: str


class Quarantine(Shape, frozen=True, kw_only=True):
    """What is parked."""

    inputs: list[ParkedInput]


class ReleasedInput(Shape, frozen=True, kw_only=True):
    """The input that may run again."""

    released: ParkedInput


class Setting(Shape, frozen=True, kw_only=True):
    """A setting in force."""

    name: str
    env: str
    value: bool | int | float | str
    source: str
    help: str
    secret: Annotated[bool, Meta(description="Its value is hidden")]


class SettingsInForce(Shape, frozen=True, kw_only=True):
    """Every setting; of secrets no more than that they are set."""

    settings: list[Setting]


class Snapshot(Shape, frozen=True, kw_only=True):
    """Copies of a server's databases."""

    folder: Annotated[
        str, Meta(description="Where they are, on the server's machine; to be removed when read")
    ]
