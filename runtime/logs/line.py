"""One log event as one line of JSON that fits into the line its reader takes.

The pipe that a worker's lines go through cuts by bytes, whatever stands there, and half a JSON object is no
event any more: no level, no logger, no error.  So the writer cuts first, by the bytes that the JSON comes to:
the longest values give way, each with a mark that says how much is missing, then the last keys, counted under
``keys_left_out``.  When, how bad, what and from whom always stay.  Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from runtime.wire.text import CONTROLS_IN_JSON

LEAST_LINE_BYTES: Final = 256
"""A line of this length has room for the keys of every event."""

_FIRST_KEYS: Final = ("timestamp", "level", "event", "logger")
_LEFT_OUT: Final = "keys_left_out"
_LEFT_OUT_BYTES: Final = len(_LEFT_OUT) + 14  # quotes, colon, comma and the count
_LEAST_VALUE_BYTES: Final = 48  # what a kept key's value may be cut to: a mark, and a few letters before it
_TRACEBACK_KEY: Final = "exception"
_UNSAYABLE: Final = (TypeError, ValueError, RecursionError)
"""What JSON cannot say: keys that are no text, a circle, infinity, too great a depth.  A `repr` says it."""


def to_json(event: Mapping[str, Any], most_bytes: int | None = None) -> str:
    """One line of JSON, the well-known keys first; what JSON cannot say is shown by its ``repr``.

    Args:
        most_bytes: What the line may come to in UTF-8, without its newline; at least `LEAST_LINE_BYTES`.
    """
    ordered = {**{key: event[key] for key in _FIRST_KEYS if key in event}, **event}
    try:
        line = _dumped(ordered)
    except _UNSAYABLE:
        line = "{" + ",".join(f"{key}:{value}" for key, value in _rendered(ordered)) + "}"
    if most_bytes is None or 4 * len(line) <= most_bytes or _size(line) <= most_bytes:
        return line
    return _fitted(list(ordered.items()), max(most_bytes, LEAST_LINE_BYTES))


def cut_text(text: str, most_chars: int) -> str:
    """The text, or its beginning with a mark that says how many characters are missing."""
    return text if len(text) <= most_chars else _marked(text, most_chars)


def _rendered(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(_json(str(key)), _json(value)) for key, value in event.items()]


def _fitted(event: list[tuple[str, Any]], most_bytes: int) -> str:
    rendered = _rendered(dict(event))
    kept = _kept(rendered, most_bytes)
    left_out = len(rendered) - len(kept)
    room = most_bytes - 2 - sum(_size(rendered[index][0]) + 2 for index in kept)
    if left_out:
        room -= _LEFT_OUT_BYTES
    share = _share([_size(rendered[index][1]) for index in kept], room)
    parts = []
    for index in kept:
        (name, value), (key, text) = event[index], rendered[index]
        parts.append(f"{key}:{text if _size(text) <= share else _shortened(name, value, share)}")
    if left_out:
        parts.append(f'"{_LEFT_OUT}":{left_out}')
    return "{" + ",".join(parts) + "}"


def _kept(rendered: list[tuple[str, str]], most_bytes: int) -> list[int]:
    """Which keys there is room for, however short their values have to be."""
    room = most_bytes - 2 - _LEFT_OUT_BYTES
    kept = []
    for index, (key, value) in enumerate(rendered):
        need = _size(key) + 2 + min(_size(value), _LEAST_VALUE_BYTES)  # the colon and the comma
        if need <= room:
            kept.append(index)
            room -= need
    return kept


def _share(sizes: list[int], room: int) -> int:
    """The most that one value may take, so that all fit: the short ones whole, the long ones alike."""
    for index, size in enumerate(ordered := sorted(sizes)):
        if size * (len(ordered) - index) > room:
            return room // (len(ordered) - index)
        room -= size
    return max(sizes)  # it is keys that there were too many of


def _shortened(key: str, value: Any, most_bytes: int) -> str:
    """A value as a JSON string of at most so many bytes, with a mark where something is missing."""
    text = value if isinstance(value, str) else _json(value)
    # The middle of a traceback goes first: it ends with what happened, and begins with how one got there.
    mark = _marked_middle if key == _TRACEBACK_KEY else _marked
    fits, too_long = 0, min(len(text), most_bytes)  # each character is a byte or more
    while too_long - fits > 1:
        tried = (fits + too_long) // 2
        if _size(_json(mark(text, tried))) <= most_bytes:
            fits = tried
        else:
            too_long = tried
    return _json(mark(text, fits))


def _marked(text: str, most_chars: int) -> str:
    return f"{text[:most_chars]}… ({len(text) - most_chars} more characters)"


def _marked_middle(text: str, most_chars: int) -> str:
    tail = most_chars // 2
    head = most_chars - tail
    missing = f"… ({len(text) - most_chars} more characters) …"
    return text[:head] + missing + (text[-tail:] if tail else "")


def _json(value: Any) -> str:
    try:
        return _dumped(value)
    except _UNSAYABLE:
        return _dumped(_repr(value))


def _dumped(value: Any) -> str:
    text = json.dumps(value, default=_repr, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if text.isascii() and "\x7f" not in text:
        return text
    # Half a surrogate pair is no text: nobody could read a line that has one, as itself or as an escape.
    return text.encode("utf-8", "replace").decode().translate(CONTROLS_IN_JSON)


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - objects of users, which may fail to show themselves
        return f"<{type(value).__name__} that has no repr: {type(error).__name__}>"


def _size(text: str) -> int:
    return len(text.encode())
