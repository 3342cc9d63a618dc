"""Text that can be written as UTF-8, and figures as people read them."""

from __future__ import annotations


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
