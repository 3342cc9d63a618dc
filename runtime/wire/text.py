"""Text that can be written as UTF-8, what of it a terminal obeys, JSON of too much, and figures as people
read them."""

from __future__ import annotations

from typing import Final

_ORDERS: Final = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Marks, embeddings, overrides and isolates, which have text shown the other way round."""
_CONTROLS: Final = (*range(32), *range(127, 160), *_ORDERS)
WITHOUT_CONTROLS: Final[dict[int, str | None]] = dict.fromkeys(one for one in _CONTROLS if one not in (9, 10))
"""For `str.translate`: takes out what a terminal obeys, and what turns the order of what it shows."""
CONTROLS_SHOWN: Final = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in WITHOUT_CONTROLS
}
"""The same, with an escape for each."""
CONTROLS_IN_JSON: Final = {code: f"\\u{code:04x}" for code in _CONTROLS if code > 31}
"""Those that JSON leaves as they are, as escapes of JSON."""

MOST_LISTS: Final = 250_000
"""Lists and objects in one text of JSON.  It is read in C, which lets no other thread run: what a text makes
it do, everybody else waits for.  Sixteen megabytes of ``[],`` take three seconds."""
MOST_VALUES: Final = 2_000_000
"""Of all kinds, where commas within texts count as well."""


def holds_too_much(text: str | bytes) -> bool:
    """Whether JSON has more values than are read at once; costs milliseconds where it is large."""
    raw = text.encode(errors="replace") if isinstance(text, str) else text
    return raw.count(b"[") + raw.count(b"{") > MOST_LISTS or raw.count(b",") > MOST_VALUES


def utf8_text(text: str) -> str:
    """The text with each lone surrogate replaced by U+FFFD; any other text as it is.

    JSON and undecodable bytes bring lone surrogates in.  Encoding them raises, and libraries that are not
    written in Python may end the process over it.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def size(count_bytes: float) -> str:
    """``42991616`` -> ``41 MiB``."""
    for unit in ("B", "KiB", "MiB"):
        if count_bytes < 1024:
            return f"{count_bytes:.0f} {unit}"
        count_bytes /= 1024
    return f"{count_bytes:.1f} GiB"
