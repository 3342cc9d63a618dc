"""The fenced blocks of the documentation's pages, and what a test may do with each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "pages"
_OPENS = re.compile(r"^(?P<indent> *)```(?P<kind>[\w-]+)(?: +title=\"(?P<title>[^\"]+)\")?\s*$")
_REASON = re.compile(r"<!-- not tried: (?P<why>.+?) -->")


@dataclass(frozen=True, slots=True)
class Fence:
    """One fenced block.

    Attributes:
        page: Path of its page from the root of the checkout.
        line: Where it begins, from 1.
        title: The name of the file that it is; empty for another.
        why_not: Why no test runs it, as the comment above it says; empty when one does.
    """

    page: str
    line: int
    kind: str
    title: str
    text: str
    why_not: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def fences_of(path: Path) -> Iterator[Fence]:
    """The blocks of one page, in order."""
    lines = path.read_text().splitlines()
    number = 0
    while number < len(lines):
        opened = _OPENS.match(lines[number])
        if opened is None:
            number += 1
            continue
        indent = opened["indent"]
        end = next(at for at in range(number + 1, len(lines)) if lines[at].rstrip() == f"{indent}```")
        above = next((line for line in reversed(lines[:number]) if line.strip()), "")
        reason = _REASON.search(above)
        yield Fence(
            page=str(path.relative_to(ROOT)),
            line=number + 1,
            kind=opened["kind"],
            title=opened["title"] or "",
            text="\n".join(line.removeprefix(indent) for line in lines[number + 1 : end]) + "\n",
            why_not=reason["why"] if reason else "",
        )
        number = end + 1


def all_fences() -> list[Fence]:
    """Every block of the README and of every page."""
    paths = [ROOT / "README.md", *sorted(PAGES.rglob("*.md"))]
    return [fence for path in paths for fence in fences_of(path)]


@dataclass(frozen=True, slots=True)
class Command:
    """A line that a reader types, and what the page says that it prints."""

    fence: Fence
    typed: str
    shown: str

    @property
    def fails(self) -> bool:
        """Whether the page shows a failure."""
        return bool(re.search(r"^error: ", self.shown, re.MULTILINE))

    def pattern(self) -> re.Pattern[str]:
        """What must be printed: `…` is any text of a line, alone on a line any lines; blanks are alike."""
        parts = []
        for line in self.shown.rstrip().splitlines():
            if line.strip() == "…":
                parts.append(r"(?:[^\n]*\n)*?")
            else:
                pieces = (
                    r"[ \t]+".join(map(re.escape, re.split(r"[ \t]+", piece))) for piece in line.split("…")
                )
                parts.append(r"[^\n]*".join(pieces) + r"[ \t]*\n")
        return re.compile("".join(parts))


def commands_of(fence: Fence) -> Iterator[Command]:
    """What is typed in a console block."""
    typed: list[str] = []
    shown: list[str] = []
    for line in fence.text.splitlines():
        if typed and typed[-1].endswith("\\") and not shown:
            typed.append(line)
        elif line.startswith("$ "):
            if typed:
                yield Command(fence, "\n".join(typed), "\n".join(shown))
            typed, shown = [line.removeprefix("$ ")], []
        else:
            shown.append(line)
    if typed:
        yield Command(fence, "\n".join(typed), "\n".join(shown))
