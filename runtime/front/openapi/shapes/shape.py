"""What the requests and answers of the HTTP API have in common."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Time = Annotated[
    str,
    Meta(
        description="RFC 3339, in UTC",
        examples=["2026-11-22T09:00:00.000Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
SessionName = Annotated[str, Meta(description="Id of a session", examples=["s_7Q4M2XKB9TEV"])]


def words(*known: str) -> Meta:
    """That a text is one of these."""
    return Meta(extra_json_schema={"enum": [str(word) for word in known]})


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """One JSON object; its docstring and fields are what the description of the API says of it."""
