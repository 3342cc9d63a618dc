"""The part of ``/openapi.json`` about what sessions used and which inputs are parked."""

from __future__ import annotations

from typing import Any, Final

from runtime.front.openapi.terms import (
    INT,
    MAYBE_STR,
    NUM,
    STR,
    a_list,
    an_object,
    as_json,
    given_in,
    operation,
)

_PARKED: Final = an_object(
    hash=STR, endpoint=STR, room=STR, deaths=INT, session=STR, message=STR, parked_at=STR, cure=STR
)
_COUNTS: Final = (
    "sessions",
    "restarts",
    "turns",
    "messages",
    "peak_bytes",
    "log_bytes",
    "relay_bytes",
    "tokens_in",
    "tokens_out",
)
_USED: Final = an_object(**dict.fromkeys(_COUNTS, INT), cpu_s=NUM, memory_gib_s=NUM)
_BY: Final = {"enum": ["session", "endpoint", "identity", "room"]}

USAGE_PATHS: Final[dict[str, Any]] = {
    "/usage": {
        "get": operation(
            "What sessions used",
            as_json(
                an_object(by=STR, since=MAYBE_STR, rows=a_list(_USED), total=_USED), "Rows and their sum"
            ),
            operator=True,
            parameters=[
                given_in("query", "by", _BY, "What to add up by"),
                given_in("query", "since", STR, "Only what ended since: 1h (ago), or an RFC 3339 time"),
            ],
        )
    },
    "/quarantine": {
        "get": operation(
            "Inputs that killed their sessions and are not run any more",
            as_json(an_object(inputs=a_list(_PARKED)), "What is parked"),
            operator=True,
        )
    },
    "/quarantine/{hash}": {
        "parameters": [given_in("path", "hash", STR, "Name of the input, as /quarantine lists it")],
        "delete": operation(
            "Let an input run again", as_json(an_object(released=_PARKED), "The input"), operator=True
        ),
    },
}
