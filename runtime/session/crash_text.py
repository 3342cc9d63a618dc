"""A crash report as lines of text, for terminals and files.  Pure: it is given what the API answers.

A report may hold what strangers wrote: whoever shows these lines takes control characters out of them.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

from runtime.wire.text import size
from runtime.wire.trace import short_place

_LOG_LINES: Final = 8
_STACK_LINES: Final = 16
_MESSAGES: Final = 5
_WIDTH: Final = 100
_OURS: Final = ("/runtime/", "/asyncio/", "multiprocess/", "<frozen ")
Section = tuple[str, list[str]]


def sections(report: Mapping[str, Any], *, tasks: bool = False, full: bool = False) -> Iterator[Section]:
    """Label and lines of each section, the most telling first.

    Args:
        report: As the API shows it.
        tasks: With every asyncio task and where it waits.
        full: With everything.
    """
    yield "Reason", _wrapped(report["sentence"])
    yield "Likely", _wrapped(report["cure"])
    yield "Session", [_session(report)]
    yield "When", [_when(report)]
    code = _code(report["code"])
    if code:
        yield "Code", [code]
    if report["frames"]:
        yield "Python", list(_frames(report, full))
    if report["excerpt"]:
        yield "Source", list(_excerpt(report["excerpt"]))
    elif report["where"]:
        yield "Where", [report["where"]]
    if report["native"]:
        lines = report["native"].splitlines()
        yield "Native", lines if full else _head([line for line in lines if not _is_ours(line)])
    if report["tasks"]:
        yield "Tasks", list(_tasks(report["tasks"], tasks))
    if report["process_tree"]:
        yield "Processes", list(report["process_tree"])
    if report["warnings"]:
        yield "Warned", list(report["warnings"])
    if report["log"]:
        kept = report["log"] if full else report["log"][-_LOG_LINES:]
        lines = [f"{line['at'][11:23]} {line['text']}" for line in kept]
        dropped = report["log_lines_dropped"]
        yield "Last log", [text for line in lines for text in line.splitlines()]
        if dropped:
            yield "", [f"({dropped} lines were dropped: it wrote too fast)"]
    yield from _messages(report, full)
    if recorded := report.get("recorded"):
        shown = [_recorded(one) for one in recorded]
        yield "Recorded", shown if full else [_cut(line) for line in shown[-_MESSAGES:]]
    if report["arguments"]:
        yield "Arguments", [" ".join(f"{name}={value!r}" for name, value in report["arguments"].items())]
    curve = _curve(report["use"].get("curve") or [])
    if curve:
        yield "Memory", [curve]
    if report["unknown"] and full:
        yield "Unknown", [f"{name}: {why}" for name, why in report["unknown"].items()]


def _messages(report: Mapping[str, Any], full: bool) -> Iterator[Section]:
    """What it heard and said last: in its room, and where that is not known, on its pipe."""
    room = [{**one, "size_bytes": one["bytes_count"]} for one in report.get("room_messages") or []]
    shown = [("Last in", room, "in"), ("Last out", room, "out")]
    if full or not room:
        shown += [("Pipe in", report["messages"], "in"), ("Pipe out", report["messages"], "out")]
    for label, messages, direction in shown:
        told = [_message(one) for one in messages if one["direction"] == direction]
        if told and full and messages is room:
            yield label, told
        elif told:
            yield label, [" · ".join(told[-_MESSAGES:])]


def _recorded(one: Mapping[str, Any]) -> str:
    header, kind = one["header"], one["kind"]
    if kind == "messaging.send":
        kind, header = header.get("type", kind), header.get("message", header)
    elif ".tool_call." in kind:
        kind, header = f"{kind.rpartition('.tool_call.')[2]}.{header.get('name')}", header.get("arguments")
    more = f" + {size(one['data_bytes'])}" if one["data_bytes"] else ""
    return f"{kind} {json.dumps(header, ensure_ascii=False)}{more}"


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH) or [""]


def _session(report: Mapping[str, Any]) -> str:
    attempt = f" · attempt {report['generation']}" if report["generation"] > 1 else ""
    pid = f" · pid {report['pid']}" if report["pid"] else ""
    who = f"{report['identity']} in {report['room']} · {report['endpoint']}"
    return f"{report['session']} · {who}{pid}{attempt} · kind {report['fingerprint']}"


def _when(report: Mapping[str, Any]) -> str:
    use = report["use"]
    parts = [report["at"].replace("T", " ").removesuffix("Z") + " UTC"]
    if report["after_s"] is not None:
        parts.append(f"after {report['after_s']:.1f} s")
    peak = max(report["peak_rss_bytes"], use.get("peak_pss_bytes", 0), use.get("peak_rss_bytes", 0))
    if peak:
        parts.append(f"peak {size(peak)}")
    if (cpu_s := max(report["cpu_s"], use.get("cpu_s", 0.0))) > 0:
        parts.append(f"{cpu_s:.1f} cpu·s")
    if (count := use.get("peak_processes", 0)) > 1:
        parts.append(f"{count} processes")
    return " · ".join(parts)


def _code(code: Mapping[str, Any]) -> str:
    if not code["generation"]:
        return ""
    saved = f" · saved {code['modified_at'][:19].replace('T', ' ')}" if code["modified_at"] else ""
    return f"{code['file']} · gen {code['generation']} · sha256 {code['sha256'][:12]}{saved}"


def _frames(report: Mapping[str, Any], full: bool) -> Iterator[str]:
    frames = report["frames"]
    if not full:
        frames = [frame for frame in frames if frame.get("own")] or frames[-1:]
    yield " → ".join(
        short_place(f"{frame['file']}:{frame['line']}") + f" {frame['function']}" for frame in frames
    )
    for frame in frames if full else frames[-1:]:
        place = short_place(f"{frame['file']}:{frame['line']}")
        if full:
            yield f"  {place} {frame['function']}: {frame.get('source', '')}"
        for name, value in (frame.get("locals") or {}).items():
            yield f"  {name} = {value}"
        if omitted := frame.get("omitted", 0):
            yield f"  … {omitted} more"


def _excerpt(excerpt: Mapping[str, Any]) -> Iterator[str]:
    yield f"{excerpt['file']}:{excerpt['marked']}"
    for number, line in enumerate(excerpt["lines"], excerpt["first"]):
        mark = "→" if number == excerpt["marked"] else " "
        yield f"{mark} {number:>4}  {line}"
    if excerpt.get("note"):
        yield f"  ({excerpt['note']})"


def _tasks(tasks: list[Mapping[str, Any]], shown: bool) -> Iterator[str]:
    if not shown:
        own = sum(1 for task in tasks if task.get("own"))
        plural = "task" if len(tasks) == 1 else "tasks"
        yield f"{len(tasks)} asyncio {plural}, {own} in this program (show --tasks)"
        return
    for task in tasks:
        waits = f" · awaits a {task['waits_for']}" if task.get("waits_for") else ""
        yield f"{task['name']}{' · is running' if task.get('running') else waits}"
        yield from (f"  {short_place(line)}" for line in task.get("frames") or [])


def _is_ours(line: str) -> bool:
    """A line of a stack that is the event loop's or Bulkhead's, and empty ones."""
    return not line.strip() or any(part in line for part in _OURS)


def _head(lines: list[str]) -> list[str]:
    if len(lines) <= _STACK_LINES:
        return lines
    return [*lines[:_STACK_LINES], f"… {len(lines) - _STACK_LINES} more lines (--full)"]


def _message(message: Mapping[str, Any]) -> str:
    times = f" ×{message['count']}" if message["count"] > 1 else ""
    return f"{message['kind']}{times} ({size(message['size_bytes'])}, {message['at'][11:23]})"


def _curve(points: list[Mapping[str, Any]]) -> str:
    """Memory over time in one line of blocks, and its last value."""
    if len(points) < 2:
        return ""
    values = [point["pss_bytes"] or point["rss_bytes"] for point in points]
    if len(values) > 60:
        values = [max(values[n * len(values) // 60 : (n + 1) * len(values) // 60]) for n in range(60)]
    most = max(values) or 1
    blocks = "▁▂▃▄▅▆▇█"
    drawn = "".join(blocks[min(7, value * 8 // (most + 1))] for value in values)
    return f"{drawn}  {size(values[0])} → {size(values[-1])} in {points[-1]['t_s']:.0f} s"
