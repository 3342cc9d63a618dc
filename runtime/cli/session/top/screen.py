"""What `bulkhead top` shows: lines of text for a width and a height.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from runtime.cli.terminal import clean, length
from runtime.session.calls.deployed import told_path
from runtime.wire.text import size

SORTS: Final = ("cpu", "memory", "up", "lag", "identity", "room", "state")
HELP: Final = "↑↓ ⏎ details  s stacks  p profile  l log  f freeze  k kill  o order  q quit"
PAGE_HELP: Final = "↑↓ PgUp PgDn move  Esc back  q quit"
_WIDTHS: Final = (("session", 15), ("identity", 12), ("room", 11), ("state", 9))
_FIGURES: Final = (("cpu", 6), ("memory", 8), ("lag", 6), ("up", 6))
_LEAST: Final = 40


class Rates:
    """Shares of a processor, from two readings of a session's processor time."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, float]] = {}

    def take(self, workers: Sequence[Mapping[str, Any]], now: float) -> dict[str, float]:
        """The share of each since the last time; of one that is new, since it began."""
        shares = {}
        for one in workers:
            cpu_s, up_s = float(one["cpu_s"]), float(one["uptime_s"])
            at, before = self._last.get(one["id"], (now - up_s, 0.0))
            shares[one["id"]] = max(0.0, cpu_s - before) / max(0.1, now - at)
        self._last = {one["id"]: (now, float(one["cpu_s"])) for one in workers}
        return shares


def ordered(
    workers: Sequence[Mapping[str, Any]], shares: Mapping[str, float], by: str
) -> list[Mapping[str, Any]]:
    """The sessions, those with the most of it first, or by the alphabet."""
    keys: dict[str, Any] = {
        "cpu": lambda one: -shares.get(one["id"], 0.0),
        "memory": lambda one: -_memory(one),
        "up": lambda one: -one["uptime_s"],
        "lag": lambda one: -(one.get("lag_ms") or 0.0),
        "state": _state,
    }
    key = keys.get(by, lambda one: str(one.get(by) or ""))
    return sorted(workers, key=lambda one: (key(one), one["id"]))


def table(
    workers: Sequence[Mapping[str, Any]],
    shares: Mapping[str, float],
    *,
    at: int,
    by: str,
    told: str,
    width: int,
    height: int,
) -> list[str]:
    """Heading, as many sessions as fit around the chosen one, and a line of keys; `height` lines at most.

    Args:
        at: Which one is chosen; its line begins with ``>``, so that it is seen without colours.
        told: What became of the last key; empty for nothing.
    """
    width = max(_LEAST, width)
    cpu = sum(shares.get(one["id"], 0.0) for one in workers)
    memory = sum(map(_memory, workers))
    lines = [f"{len(workers)} sessions   {100 * cpu:.0f} % of a processor   {size(memory)}   by {by}", ""]
    lines.append(f"  {_cells({name: name.upper() for name, _ in (*_WIDTHS, *_FIGURES)}, width)}")
    room = max(1, height - len(lines) - 2)
    first = max(0, min(at - room // 2, len(workers) - room))
    for number, one in enumerate(workers[first : first + room], first):
        lines.append(f"{'>' if number == at else ' '} {_cells(_row(one, shares), width)}")
    if not workers:
        lines.append("  no sessions")
    lines += [""] * (height - len(lines) - 2)
    note = told or (_note(workers[at]) if at < len(workers) else "")
    return [line[:width].rstrip() for line in [*lines, note, HELP]][:height]


def page(title: str, text: str, *, top: int, width: int, height: int) -> list[str]:
    """A longer text, from one of its lines on; `height` lines at most."""
    width = max(_LEAST, width)
    body = [clean(line) for line in text.splitlines()]
    room = max(1, height - 3)
    shown = body[top : top + room]
    where = f"{min(top + 1, len(body))}-{min(top + room, len(body))} of {len(body)}" if body else "nothing"
    lines = [f"{title}   {where}", "", *shown]
    lines += [""] * (height - 1 - len(lines))
    return [line[:width] for line in [*lines, PAGE_HELP]][:height]


def page_top(key: str, top: int, *, lines: int, height: int) -> int:
    """Where a longer text begins after a key."""
    room = max(1, height - 3)
    moves = {"up": -1, "down": 1, "pageup": -room, "pagedown": room, "home": -lines, "end": lines}
    return max(0, min(top + moves.get(key, 0), lines - room))


def details(one: Mapping[str, Any]) -> str:
    """What is told of a session, a line each, and its processes."""
    lines = [f"{name:14} {shown}" for name, shown in _told(one) if shown]
    lines += ["", f"{'PID':>8} {'CPU s':>8} {'MEMORY':>9}  COMMAND"]
    for process in one.get("processes", ()):
        lines.append(
            f"{process['pid']:>8} {process.get('cpu_s', 0):>8.1f} {size(process.get('rss_bytes', 0)):>9}  "
            f"{process.get('command') or process.get('name')}"
        )
    return "\n".join(lines)


def _told(one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "session", str(one["id"])
    yield "agent", f"{one['identity']}, {told_path(one['endpoint'], one.get('bundle', ''))}"
    yield "room", str(one["room"])
    yield "state", _state(one)
    yield "note", str(one.get("note") or "")
    yield "code", f"{one.get('bundle', '')}, load {one.get('code_generation', 0)}"
    restart = one.get("restart") or {}
    yield "attempt", f"{one.get('attempt', 1)}, started again: {restart.get('policy', 'never')}"
    for name, end in (("last end", restart.get("last_exit")), ("end", one.get("exit"))):
        yield name, f"{end['reason']} {end['message']}".strip() if end else ""
    yield "machine", str(one.get("node") or "")
    yield "up", length(one["uptime_s"])
    yield "processor", f"{one['cpu_s']:.1f} s"
    yield "memory", size(_memory(one))
    yield "disk", "" if one.get("disk_bytes") is None else size(one["disk_bytes"])
    for name, key in (("open files", "fds"), ("threads", "threads"), ("children", "children")):
        yield name, str(one.get(key, ""))
    yield (
        "event loop",
        "" if one.get("lag_ms") is None else f"busy for {one['lag_ms']:.0f} ms at most, lately",
    )
    yield "messages", str(one.get("messages", ""))
    yield "limits", ", ".join(_limit(key, most) for key, most in (one.get("limits") or {}).items())
    held = one.get("confinement")
    if held:
        network = held["network"] if isinstance(held["network"], str) else " ".join(held["network"]) or "none"
        yield "confinement", f"{held['level']}, network {network}, {sum(held['refused'].values())} refused"
        for what, files in held["files"].items():
            yield f"may {what}", ", ".join(files)
    yield "input", str(one.get("input") or "")


def _limit(key: str, most: float) -> str:
    """``memory_bytes``, 536870912 -> ``memory 512 MiB``."""
    name, _, unit = key.rpartition("_")
    if unit == "bytes":
        return f"{name} {size(most)}"
    return f"{name.replace('_', ' ')} {most:g} s" if unit == "s" and name else f"{key} {most:g}"


def _row(one: Mapping[str, Any], shares: Mapping[str, float]) -> dict[str, str]:
    lag_ms = one.get("lag_ms")
    return {
        "session": str(one["id"]),
        "identity": clean(one.get("identity") or one.get("endpoint") or ""),
        "room": clean(one.get("room") or "-"),
        "state": _state(one),
        "cpu": f"{100 * shares.get(one['id'], 0.0):.1f}%",
        "memory": size(_memory(one)).replace(" ", ""),
        "lag": "-" if lag_ms is None else f"{lag_ms:.0f}ms",
        "up": length(one["uptime_s"]),
    }


def _cells(row: Mapping[str, str], width: int) -> str:
    figures = " ".join(f"{row[name][:most]:>{most}}" for name, most in _FIGURES)
    left = width - 2 - len(figures) - 1
    spare = left - sum(most + 1 for _, most in _WIDTHS)
    cells = []
    for name, most in _WIDTHS:
        wide = most + (spare // 2 if name in ("identity", "room") and spare > 0 else 0)
        cells.append(f"{row[name][:wide]:<{wide}}")
    return f"{' '.join(cells)[: max(0, left)]:<{max(0, left)}} {figures}"


def _state(one: Mapping[str, Any]) -> str:
    return "frozen" if one.get("frozen") else str(one["state"])


def _memory(one: Mapping[str, Any]) -> int:
    return int(one.get("pss_bytes") or one.get("rss_bytes") or 0)


def _note(one: Mapping[str, Any]) -> str:
    last = (one.get("restart") or {}).get("last_exit") or {}
    return clean(one.get("note") or last.get("message") or "")
