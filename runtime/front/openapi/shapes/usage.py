"""What sessions used, which inputs are parked, which settings are in force."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import UNSET, Meta, UnsetType

from runtime.front.openapi.shapes.shape import SessionName, Shape, Time
from runtime.session.usage import By

_SINCE: Final = (
    r"^( *[0-9]+(\.[0-9]+)? *([mM][sS]|[sSmMhHdD])? *"
    r"|20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?$"
)
"""A part of what is read, for who writes by the description."""


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
