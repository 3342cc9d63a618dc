"""Values as JSON in the toolkit ``dataset``: bare, or in an object whose one key says what.  Pure."""

from __future__ import annotations

import json
import uuid
from typing import Any

from runtime.errors import InvalidRequest


def plain(given: Any) -> Any:
    """What a value says, as tables take it.  Raises InvalidRequest."""
    match given:
        case {"binary": str(data), **rest} if not rest:
            return {"encoding": "base64", "data": data}
        case {"uuid": str(text), **rest} if not rest:
            try:
                return uuid.UUID(text).bytes
            except ValueError:
                raise InvalidRequest(f"{text!r:.80} is no UUID") from None
        case {"date": value, **rest} | {"timestamp": value, **rest} if not rest:
            return value
        case {"list": list(items), **rest} if not rest:
            return [plain(item) for item in items]
        case {"struct": dict(fields), **rest} if not rest:
            return {name: plain(value) for name, value in fields.items()}
        case {"json": value, **rest} if not rest:
            return json.dumps(value, ensure_ascii=False)
        case list():
            return [plain(item) for item in given]
        case _:
            return given


def expression(given: Any) -> str | None:
    """The SQL that a value is, if it is one."""
    match given:
        case {"expression": str(text), **rest} if not rest:
            return text
    return None
