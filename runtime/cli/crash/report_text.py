"""A crash report as text for a terminal: the sections of `runtime.session.crash_text`, with colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from runtime.cli.terminal import clean, paint
from runtime.session.crash_text import sections

_LABEL_CHARS: Final = 11
_COLORS: Final = {"": "dim", "Reason": "red", "Likely": "green", "Warned": "yellow", "Unknown": "dim"}


def render(report: Mapping[str, Any], *, tasks: bool = False, full: bool = False) -> list[str]:
    """The report, the most telling first."""
    lines: list[str] = []
    for label, body in sections(report, tasks=tasks, full=full):
        for number, line in enumerate(body):
            head = (label if number == 0 else "").ljust(_LABEL_CHARS)
            lines.append(f"{paint(head, 'dim')}{paint(clean(line), _COLORS.get(label, ''))}".rstrip())
    return lines
