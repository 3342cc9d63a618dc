"""The part of ``/openapi.json`` about what sessions used and which inputs are parked."""

from __future__ import annotations

from typing import Any, Final

_STR: Final = {"type": "string"}
_INT: Final = {"type": "integer"}
_NUM: Final = {"type": "number"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _does(summary: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "summary": summary,
        "security": [{}, {"operator": []}],
        "responses": {
            "200": {"description": summary, "content": {"application/json": {"schema": schema}}},
            "default": {"$ref": "#/components/responses/Problem"},
        },
        **more,
    }


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"in": "query", "name": name, "required": False, "schema": schema, "description": description}


_PARKED: Final = _object(
    hash=_STR, endpoint=_STR, room=_STR, deaths=_INT, session=_STR, message=_STR, parked_at=_STR, cure=_STR
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
_USED: Final = _object(**dict.fromkeys(_COUNTS, _INT), cpu_s=_NUM, memory_gib_s=_NUM)
_HASH: Final = {
    "in": "path",
    "name": "hash",
    "required": True,
    "schema": _STR,
    "description": "Name of the input, as /quarantine lists it",
}

USAGE_PATHS: Final[dict[str, Any]] = {
    "/usage": {
        "get": _does(
            "What sessions used",
            _object(by=_STR, since=_STR, rows={"type": "array", "items": _USED}, total=_USED),
            parameters=[
                _query("by", {"enum": ["session", "endpoint", "identity", "room"]}, "What to add up by"),
                _query("since", _STR, "Only what ended since: 1h (ago), or an RFC 3339 time"),
            ],
        )
    },
    "/quarantine": {
        "get": _does(
            "Inputs that killed their sessions and are not run any more",
            _object(inputs={"type": "array", "items": _PARKED}),
        )
    },
    "/quarantine/{hash}": {
        "parameters": [_HASH],
        "delete": _does("Let an input run again", _object(released=_PARKED)),
    },
}
