"""Text that is valid Unicode: what can be written as UTF-8."""

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
