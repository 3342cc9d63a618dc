"""A profile as a flame graph: one SVG without a script, the widest path first.  Pure."""

from __future__ import annotations

from html import escape
from typing import Final

import msgspec

from runtime.wire.looking.profile import ALLOCATED, Profile, ProfileFrame
from runtime.wire.text import size

_WIDTH: Final = 1200
_ROW: Final = 18
_HEAD: Final = 44
_CHAR: Final = 6.6
_LEAST: Final = 0.4
MAX_BOXES: Final = 10_000
_STYLE: Final = (
    "text{font:11px ui-monospace,monospace;fill:#111}.t{font:15px system-ui,sans-serif}"
    ".n{font:12px system-ui,sans-serif;fill:#444}rect{stroke:#fff;stroke-width:.5}"
    "g:hover>rect{stroke:#111}"
)
_COLOURS: Final = {
    "running": ("#f2a65a", "#eb8258", "#f5b971"),
    "waiting": ("#8fb8de", "#9ac4e8", "#7facd6"),
    "allocated": ("#8ccf9a", "#a3d9ae", "#7cc28b"),
}


class Node(msgspec.Struct):
    """A frame below the same way: what was found in it, and in what it called."""

    label: str
    where: str = ""
    kind: str = ""
    weight: int = 0
    below: dict[str, Node] = msgspec.field(default_factory=dict)

    def step(self, label: str, where: str, kind: str, weight: int) -> Node:
        node = self.below.setdefault(f"{label}\0{where}", Node(label, where, kind))
        node.weight += weight
        return node


def tree_of(profile: Profile) -> Node:
    """Kind, then thread or task, then the frames, outermost first."""
    top = Node("all")
    for stack in profile.stacks:
        top.weight += stack.weight
        node = top.step(stack.kind, "", stack.kind, stack.weight)
        node = node.step(stack.root, "", stack.kind, stack.weight)
        for place in stack.frames:
            frame = profile.frames[place]
            node = node.step(frame.function or _short(frame), _where(frame), stack.kind, stack.weight)
    return top


def svg(profile: Profile, name: str) -> str:
    """The whole document; each box tells its function, its line and its share when pointed at."""
    top = tree_of(profile)
    boxes: list[tuple[int, str]] = []
    _draw(boxes, top, 0, 0.0, float(_WIDTH), max(1, top.weight), profile)
    rows = max((row for row, _ in boxes), default=0) + 1
    height = _HEAD + rows * _ROW + 8
    told = _told(profile)
    if not boxes:
        told += (
            " Nothing was kept." if profile.by == "tracemalloc" else " Nothing of the agent's ran or waited."
        )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}" role="img">',
            f"<title>{_text(name)}</title><style>{_STYLE}</style>",
            f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
            f'<text class="t" x="8" y="18">{_text(name)}</text>',
            f'<text class="n" x="8" y="36">{_text(told)}</text>',
            *(box for _, box in boxes),
            "</svg>\n",
        ]
    )


def _draw(
    boxes: list[tuple[int, str]],
    node: Node,
    row: int,
    x: float,
    width: float,
    whole: int,
    profile: Profile,
) -> None:
    """Add the boxes of a node and of what is below it, each with its row; bounded."""
    if row:  # the whole itself is not drawn
        boxes.append((row - 1, _box(node, row - 1, x, width, whole, profile)))
    for child in sorted(node.below.values(), key=lambda one: -one.weight):
        part = width * child.weight / max(1, node.weight)
        if part < _LEAST or len(boxes) >= MAX_BOXES:
            return  # those that follow are no wider
        _draw(boxes, child, row + 1, x, part, whole, profile)
        x += part


def _box(node: Node, row: int, x: float, width: float, whole: int, profile: Profile) -> str:
    colours = _COLOURS.get(node.kind, _COLOURS["running"])
    colour = colours[sum(map(ord, node.label)) % len(colours)]
    y = _HEAD + row * _ROW
    share = f"{100 * node.weight / whole:.1f} %, {amount(profile, node.weight)}"
    title = _text(f"{node.label}  {node.where}\n{share}" if node.where else f"{node.label}\n{share}")
    room = int((width - 6) / _CHAR)
    label = node.label if len(node.label) <= room else f"{node.label[: room - 1]}…"
    text = f'<text x="{x + 3:.1f}" y="{y + 13}">{_text(label)}</text>' if room >= 3 else ""
    box = f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_ROW - 1}" fill="{colour}"/>'
    return f"<g><title>{title}</title>{box}{text}</g>"


def amount(profile: Profile, weight: int) -> str:
    """A weight in its unit: bytes, or seconds."""
    if profile.stacks and profile.stacks[0].kind == ALLOCATED:  # then all are
        return size(weight)
    return f"{profile.seconds * weight / max(1, profile.samples):.2f} s"


def _told(profile: Profile) -> str:
    looked = f"{profile.seconds:g} s by {profile.by}"
    rate = f", {profile.rate} looks a second" if profile.rate else ""
    return f"{looked}{rate}. {profile.note}".strip()


def _short(frame: ProfileFrame) -> str:
    return f"{frame.file.rpartition('/')[2]}:{frame.line}"


def _where(frame: ProfileFrame) -> str:
    return f"{frame.file}:{frame.line}" if frame.line else frame.file


def _text(text: str) -> str:
    """For XML, which has no place for control characters."""
    return escape("".join(char if char >= " " or char == "\n" else "�" for char in text))
