"""The schema of chat threads, built in because every chat agent and every chat client relies on it.

Value types are single words: older clients cannot read lists of types.
"""

from __future__ import annotations

from typing import Any, Final

_VALUES: Final[dict[str, str]] = {
    "thread": "name",
    "members": "",
    "member": "name",
    "messages": "external_thread_id",
    "message": "id turn_id text created_at author_name role author_ref",
    "file": "path",
    "image": "id mime_type status width:number height:number created_at created_by",
    "reaction": "user_name value target attachment_ref created_at",
    "reasoning": "turn_id summary created_at",
    "exec": "turn_id command result outcome stderr stdout exit_code:number pwd created_at",
    "ui": "turn_id data renderer widget width:number height:number created_at",
    "event": (
        "turn_id id source name kind state method item_id item_type path summary headline details preview "
        "data created_at updated_at"
    ),
    "log": "source text created_at",
}
_CHILDREN: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "members": ("items", ("member",)),
    "messages": ("items", ("message", "exec", "ui", "reasoning", "event")),
    "message": ("attachments", ("file", "image", "reaction")),
    "event": ("logs", ("log",)),
}


def _definition(tag: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for value in _VALUES[tag].split():
        name, _, kind = value.partition(":")
        properties[name] = {"type": kind or "string"}
    if tag == "thread":
        parts = [{"$ref": "#/$defs/members"}, {"$ref": "#/$defs/messages"}]
        properties["properties"] = {"type": "array", "items": False, "prefixItems": parts}
    elif tag in _CHILDREN:
        name, children = _CHILDREN[tag]
        choices = [{"$ref": f"#/$defs/{child}"} for child in children]
        properties[name] = {"type": "array", "items": {"anyOf": choices}}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [tag],
        "properties": {
            tag: {
                "type": "object",
                "additionalProperties": False,
                "required": list(properties),
                "properties": properties,
            }
        },
    }


THREAD_SCHEMA: Final[dict[str, Any]] = {
    "$root_tag_ref": "#/$defs/thread",
    **_definition("thread"),
    "$defs": {tag: _definition(tag) for tag in _VALUES},
}

BUILT_IN_SCHEMAS: Final[dict[str, dict[str, Any]]] = {"thread": THREAD_SCHEMA}
"""By file extension."""
