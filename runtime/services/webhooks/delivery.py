"""When a webhook is delivered again, and when it is given up.  Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

DELAYS_S: Final = (5.0, 15.0, 60.0, 300.0, 900.0, 1800.0)
"""After each attempt that failed; after the last one it is given up."""
LONGEST_S: Final = 3600.0
"""No attempt is further away than that, chance included."""
MAX_ERROR_CHARS: Final = 300
_JITTER: Final = 0.2
_GONE: Final = 410


class DeliveryState(StrEnum):
    """Waiting for its next attempt, or ended one way or the other."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one receiver.

    Attributes:
        id: Also of each attempt of it (``webhook-id``), so that a receiver can tell a repetition.
        body: What is posted, as it is signed.
        attempts: That were made.
        next_at: Seconds since the epoch; of the next attempt, while it waits.
        status: HTTP status of the last answer; 0 for none.
        error: What went wrong last; empty when nothing did.
    """

    id: str
    webhook_id: str
    event: str
    body: bytes
    state: DeliveryState
    attempts: int
    next_at: float
    created_at: float
    ended_at: float | None
    status: int
    error: str


class Outcome(msgspec.Struct, frozen=True):
    """What follows from an attempt.

    Attributes:
        delay_s: Until the next one, while it waits.
    """

    state: DeliveryState
    delay_s: float = 0.0


def outcome(status: int, attempts: int, *, luck: float) -> Outcome:
    """What follows when an attempt was answered with `status`, or not at all (0).

    Args:
        attempts: Made so far, this one among them.
        luck: 0 to 1; spreads attempts of many that failed at once.
    """
    if 200 <= status < 300:
        return Outcome(DeliveryState.DELIVERED)
    if status == _GONE or attempts > len(DELAYS_S):
        return Outcome(DeliveryState.FAILED)
    return Outcome(DeliveryState.WAITING, DELAYS_S[attempts - 1] * (1 + _JITTER * luck))
