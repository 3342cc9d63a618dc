"""Paths as texts: absolute, without links and dots, so that one lies below another or does not.  Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable


def is_below(path: str, top: str) -> bool:
    """Whether `path` is `top`, or something in it."""
    return path == top or top == "/" or path.startswith(f"{top}/")


def first_above(path: str, tops: Iterable[str]) -> str | None:
    """The first of `tops` that is `path` or contains it."""
    return next((top for top in tops if is_below(path, top)), None)


def absolute(text: str, *, folder: str, home: str) -> str:
    """A path as somebody wrote it, made absolute: ``~`` is `home`, what is relative lies below `folder`.

    Dots are taken out; links are not followed.
    """
    if text == "~" or text.startswith("~/"):
        text = home + text[1:]
    joined = posixpath.normpath(posixpath.join(folder, text))
    return joined[1:] if joined.startswith("//") else joined
