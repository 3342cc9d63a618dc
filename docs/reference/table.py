"""Tables of Markdown whose cells may hold any text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what would end a cell is written so that it does not."""
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [f"| {' | '.join(cell(text) for text in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def stacked(heads: Sequence[str], rows: Iterable[Sequence[str]], *, also: str = "") -> str:
    """A table whose rows become paragraphs where the screen is narrow: its last column is what is read.

    Args:
        also: Another class of it, by which the stylesheet names its columns there.
    """
    classes = f"stacked {also}".rstrip()
    return f'<div class="{classes}" markdown>\n\n{table(heads, rows)}\n</div>\n'


def cell(text: str) -> str:
    """A text within a cell."""
    return " ".join(text.split()).replace("|", "\\|")


def plain(text: str) -> str:
    """A text that says nothing to Markdown or HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def sentence(text: str) -> str:
    """A text with a capital at its begin and a full stop at its end, inline code kept."""
    text = " ".join(text.split()).replace("``", "`")
    if not text:
        return ""
    begun = text if text[0] == "`" else text[0].upper() + text[1:]
    return begun if begun[-1] in ".!?]" else f"{begun}."
