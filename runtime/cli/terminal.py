"""What the commands write: results to stdout, progress to stderr, nothing fancy where nobody looks.

Plain means: not a terminal, or ``CI``, ``NO_COLOR`` or ``TERM=dumb`` is set; then there are no colours,
no boxes and nothing that redraws itself.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TextIO

from runtime.errors import RuntimeServiceError
from runtime.wire.text import CONTROLS_IN_JSON, WITHOUT_CONTROLS

_CODES = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "dim": "2", "bold": "1"}
_UNWANTED = WITHOUT_CONTROLS | dict.fromkeys(range(0xD800, 0xE000), "\ufffd")  # surrogates alone are no text
_OURS_OR_CONTROLS = re.compile(f"(\x1b\\[(?:0|1|2|3[1-6])m)|[{''.join(map(chr, WITHOUT_CONTROLS))}]")
_GAP = "   "


class Output(StrEnum):
    """Forms of a list."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


def is_plain(stream: TextIO) -> bool:
    """Nobody watches this stream, or whoever does asked for plain text."""
    unwanted = os.environ.get("CI") or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return bool(unwanted) or not stream.isatty()


def clean(text: object) -> str:
    """Text of strangers without control characters and lone surrogates: no escape sequence of theirs
    reaches the terminal."""
    return str(text).translate(_UNWANTED)


def paint(text: str, color: str, stream: TextIO | None = None) -> str:
    """The text in a colour (red, green, yellow, cyan, dim, bold), or as it is where that is unwanted."""
    if not color or is_plain(stream or sys.stdout):
        return text
    return f"\x1b[{_CODES[color]}m{text}\x1b[0m"


def say(text: str = "") -> None:
    """A line of the result, without control characters but for the colours of `paint`."""
    write(_harmless(text) + "\n", sys.stdout)


def note(text: str = "", color: str = "") -> None:
    """A line of progress or explanation, likewise."""
    write(_harmless(paint(text, color, sys.stderr)) + "\n", sys.stderr)


def _harmless(text: str) -> str:
    return _OURS_OR_CONTROLS.sub(lambda found: found[1] or "", text)


def note_failure(error: RuntimeServiceError) -> None:
    """What went wrong, its traceback where it has one, and what to do about it."""
    note(f"error: {clean(error.message)}", "red")
    if detail := str(getattr(error, "detail", "")):
        note(clean(detail).rstrip())
    if error.cure:
        note(f"  {clean(error.cure)}")


def write(text: str, stream: TextIO) -> None:
    """Write now; what the stream's encoding does not have is written as an escape, such as ``\\udcff``."""
    try:
        stream.write(text)
    except UnicodeEncodeError as error:
        stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
    stream.flush()


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, indent: str = "", colors: Sequence[str] = ()
) -> list[str]:
    """Columns padded to their widest cell.

    Args:
        colors: A colour for the last cell of each row; empty texts, or too few, leave it as it is.
    """
    cells = [[" ".join(clean(cell).splitlines()) for cell in row] for row in rows]
    widths = [max(len(line[n]) for line in [list(header), *cells]) for n in range(len(header))]

    def padded(line: Sequence[str]) -> list[str]:
        return [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]

    lines = [paint((indent + _GAP.join(padded(header))).rstrip(), "dim")]
    for number, row in enumerate(cells):
        color = colors[number] if number < len(colors) else ""
        head = indent + "".join(cell + _GAP for cell in padded(row)[:-1])
        lines.append((head + paint(row[-1], color)).rstrip())
    return lines


def show(
    items: Sequence[Mapping[str, Any]],
    output: Output,
    *,
    name: str,
    columns: Mapping[str, Sequence[str]],
    empty: str = "",
) -> str:
    """A list in the form asked for.

    Args:
        name: The key whose value is printed by ``-o name``.
        columns: The keys that are columns, by form: ``{"table": (…), "wide": (…)}``.
        empty: What the table says when there is nothing.
    """
    if output is Output.JSON:
        return to_json(list(items), indent=2)
    if output is Output.YAML:
        return to_yaml(list(items))
    if output is Output.NAME:
        return "\n".join(clean(item[name]) for item in items)
    if not items:
        return empty
    keys = columns[output.value]
    rows = [[str(item.get(key, "")) for key in keys] for item in items]
    return "\n".join(table([key.upper().replace("_", " ") for key in keys], rows))


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON in which characters that a terminal obeys are escapes."""
    return json.dumps(value, indent=indent, ensure_ascii=False).translate(CONTROLS_IN_JSON)


def to_yaml(value: Any) -> str:
    """YAML in the order the keys have, likewise."""
    from runtime.wire.manifest.written import as_yaml

    return as_yaml(value).rstrip("\n")


def length(seconds: float) -> str:
    """``242`` -> ``4m02``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}"
