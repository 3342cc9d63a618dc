"""What a session that does not dial says over its pipe to reach its room and the model, and what it is told.

Part of `runtime.wire.control`, which joins them to the other messages.
"""

from __future__ import annotations

from typing import Final

import msgspec

MAX_PIECE_BYTES: Final = 256 << 10
"""Of a model's question or answer, in one message."""

WINDOW_BYTES: Final = 1 << 20
"""How much of one answer may be under way: sent, and not taken by whoever reads it."""


class _Message(msgspec.Struct, frozen=True, tag_field="t", omit_defaults=True):
    """As those of `runtime.wire.control`."""


# ---- front -> worker


class ModelHead(_Message, frozen=True, tag="model_head"):
    """The model's answer begins: what HTTP would have said of it."""

    number: int
    status: int
    headers: dict[str, str] = {}


class ModelPiece(_Message, frozen=True, tag="model_piece"):
    """More of an answer."""

    number: int
    data: bytes


class ModelEnd(_Message, frozen=True, tag="model_end"):
    """An answer is over; `error` says why it is not whole."""

    number: int
    error: str = ""


OfModel = ModelHead | ModelPiece | ModelEnd

# ---- worker -> front


class Dial(_Message, frozen=True, tag="dial"):
    """Enter the room for me: packets follow, or `RelayClosed` with the reason."""


class ModelAsk(_Message, frozen=True, tag="model_ask"):
    """A request to the model, or a piece of it; `more` follows where it did not fit into one message.

    Attributes:
        number: The session's own; never used twice.
        path: What is asked for, such as ``/v1/responses``.
        bearer: What proves that it may.
        headers: Others that say what the request means.
    """

    number: int
    data: bytes
    more: bool = False
    path: str = ""
    bearer: str = ""
    headers: dict[str, str] = {}


class ModelTaken(_Message, frozen=True, tag="model_taken"):
    """So much of an answer was taken by whoever reads it; as much may follow."""

    number: int
    count: int


class ModelGivenUp(_Message, frozen=True, tag="model_given_up"):
    """Nobody reads that answer any more."""

    number: int


ToModel = ModelAsk | ModelTaken | ModelGivenUp
