"""What is wrong with a manifest: where, in which field, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Final

import msgspec

from runtime.errors import ManifestInvalid

MAX_PROBLEMS: Final = 100
MAX_SHOWN_CHARS: Final = 60
_MAX_LISTED: Final = 30


class Severity(StrEnum):
    """An error is refused; a warning was probably not meant; a note says what is read as something else."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Edit(msgspec.Struct, frozen=True):
    """A change of the text that would mend a problem: `old`, which stands at the problem, becomes `new`."""

    old: str
    new: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing about one place of a manifest.

    Attributes:
        line, column: From 1.
        path: Of the field, such as ``ports[0].num``; empty for the whole.
        text: What is wrong, and what to write.
        edit: How to mend it; None when only its author knows.
    """

    line: int
    column: int
    path: str
    text: str
    severity: Severity = Severity.ERROR
    edit: Edit | None = None

    def __str__(self) -> str:
        where = f"{self.line}:{self.column}"
        return f"{where} {self.path}: {self.text}" if self.path else f"{where} {self.text}"

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "line": self.line,
            "column": self.column,
            "path": self.path,
            "severity": str(self.severity),
            "text": self.text,
        }


class Problems(msgspec.Struct):
    """Those of one manifest, at most `MAX_PROBLEMS`."""

    found: list[Problem] = msgspec.field(default_factory=list)
    left_out: int = 0

    @property
    def is_full(self) -> bool:
        """Whether more are only counted."""
        return len(self.found) >= MAX_PROBLEMS

    def add(self, problem: Problem) -> None:
        if self.is_full:
            self.left_out += 1
        elif problem not in self.found:
            self.found.append(problem)

    def error(self, at: Any, path: str, text: str, edit: Edit | None = None) -> None:
        """Something that is refused, at whatever has a `line` and a `column`."""
        self.add(Problem(line=at.line, column=at.column, path=path, text=text, edit=edit))

    def warn(self, at: Any, path: str, text: str) -> None:
        self.add(Problem(line=at.line, column=at.column, path=path, text=text, severity=Severity.WARNING))

    def note(self, at: Any, path: str, text: str) -> None:
        self.add(Problem(line=at.line, column=at.column, path=path, text=text, severity=Severity.NOTE))

    def extend(self, more: Iterable[Problem]) -> None:
        for problem in more:
            self.add(problem)

    def __iter__(self) -> Iterator[Problem]:
        return iter(sorted(self.found, key=lambda one: (one.line, one.column)))

    @property
    def errors(self) -> list[Problem]:
        """What is refused, in the order of the file."""
        return [one for one in self if one.severity is Severity.ERROR]

    def check(self) -> None:
        """Go on only if nothing is refused.

        Raises:
            ManifestInvalid: With all problems.
        """
        if errors := self.errors:
            more = len(errors) - 1 + self.left_out
            told = f"{errors[0]}" + (f" ({more} more)" if more else "")
            raise ManifestInvalid(told.rstrip("."), problems=tuple(self))


def refuse(line: int, column: int, text: str, path: str = "") -> ManifestInvalid:
    """The error for a manifest of which nothing more can be said."""
    problem = Problem(line=line, column=column, path=path, text=text)
    return ManifestInvalid(str(problem).rstrip("."), problems=(problem,))


def nearest(name: str, known: Iterable[str]) -> str:
    """The one of `known` that was probably meant, or an empty text."""
    listed = list(known)
    folded = {one.lower().replace("_", "").replace("-", ""): one for one in listed}
    same = folded.get(name.lower().replace("_", "").replace("-", ""))
    if same is not None and same != name:
        return same
    close = difflib.get_close_matches(name[:100], listed, n=1, cutoff=0.6)
    return close[0] if close else ""


def instead(name: str, known: Iterable[str], *, word: str = "Known") -> str:
    """``Did you mean command?``, or what there is."""
    listed = list(known)
    if meant := nearest(name, listed):
        return f"Did you mean {meant}?"
    more = ", …" if len(listed) > _MAX_LISTED else ""
    return f"{word}: {', '.join(listed[:_MAX_LISTED])}{more}." if listed else ""


def shown(value: object) -> str:
    """A value of a manifest within a sentence."""
    text = str(value)
    text = text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}…"
    return text.replace("\n", "\\n")
