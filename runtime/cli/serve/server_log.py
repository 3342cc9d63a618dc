"""What a server says in its log, as lines for somebody who watches it.  Pure.

The log is for machines and complete; here stands what a person wants to know now: what agents print, what
ended badly, what was loaded again, and every warning.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from runtime.cli.terminal import clean
from runtime.wire.trace import short_place

MAX_LINE_CHARS = 1000
_PLACE = re.compile(r" at \S{1,500}:[0-9]+ in \S+$")  # a crash tells it on a line of its own
_IN_FILE = re.compile(r" \((\S[^()]{0,500}:[0-9]+)(?: in [^()\s]{1,200})?\)(?=\. |$)")
_MEND = "Mend that line and save; it is loaded again."  # said shorter where it is said each time
_LOUD = ("warning", "error", "critical")
_HIDDEN_KEYS = frozenset({"event", "level", "timestamp", "logger", "exception", "cure", "detail"})


class ServerLog:
    """Turns log lines into (line, colour).

    Args:
        muted: Names of events that are not told; the caller may change the set.
        show_prints: Whether what agents print is told.

    Attributes:
        source: What the one program is called, where there is only one; else the name of the bundle is told.
        after_reload: Says what becomes of sessions, given the paths that a bundle's new generation serves.
    """

    def __init__(self, muted: set[str] | None = None, *, show_prints: bool = True) -> None:
        self.muted = muted if muted is not None else set()
        self.source = ""
        self.after_reload: Callable[[Sequence[str]], str] = lambda _: "new calls use it"
        self._show_prints = show_prints
        self._told_ends: deque[str] = deque(maxlen=200)
        self._told_crashes: deque[str] = deque(maxlen=200)

    def tell(self, line: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What to show for one line of the log; often nothing."""
        event = str(line.get("event", ""))
        if line.get("plain"):
            told = [(event, "dim")]
        elif event in self.muted:
            told = []
        elif event in ("worker.printed", "bundle.printed"):
            who = line.get("identity") or line.get("bundle") or "?"
            told = [(f"  {who} │ {line.get('line', '')}", "")] if self._show_prints else []
        elif event == "session.exited":
            told = self._end(line)
        elif event == "session.crashed":
            told = self._crash(line)
        elif event == "session.restarting":
            told = self._restart(line)
        elif event == "worker.warned":
            told = [(_warned(line), "yellow")]
        elif event == "worker.killed":
            told = []  # what it was killed for is told with its end
        elif event == "confinement.refused":
            told = [(_refusal(line), "yellow")]
        elif event == "server.was_lost":
            told = [(f"  ✗ {line.get('detail')}", "red")]
        elif event == "sessions.resumed":
            count = line.get("sessions")
            told = [(f"  ↻ {count} of the last run {'is' if count == 1 else 'are'} started again", "cyan")]
        elif event == "bundle.loaded":
            told = self._loaded(line)
        elif event == "bundle.failed":
            told = [(self._failed(line), "red"), *self._rest(line)]
        elif event == "server.serves_nothing":
            told = (
                [] if line.get("failed") else [(f"  ✗ {line.get('detail')}", "red")]
            )  # why was told of each
        elif event == "server.start_failed":
            told = [(f"  ✗ {str(line.get('error')).rstrip('.')}. {line.get('cure') or ''}".rstrip(), "red")]
        elif line.get("level") in _LOUD:
            told = self._warning(line, event)
        else:
            told = []
        return [(_short(clean(text)), color) for text, color in told]

    def _end(self, line: Mapping[str, Any]) -> list[tuple[str, str]]:
        session = str(line.get("session_id"))
        if line.get("level") not in _LOUD or session in self._told_ends:
            return []
        self._told_ends.append(session)
        if line.get("reason") == "front_lost":
            return []  # that the server was lost is told once, with how many went with it
        why = line.get("detail") or _PLACE.sub("", str(line.get("message") or "")) or line.get("reason")
        who = f"{line.get('identity')} in {line.get('room')}"
        after_s = float(line.get("duration_s") or 0.0)
        return [(f"  ✗ session {session} · {who} · crashed after {after_s:.1f} s · {why}", "red")]

    def _crash(self, line: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What a crash teaches; the line that it happened was told already."""
        session, told = str(line.get("session_id")), []
        if session in self._told_crashes or line.get("reason") == "front_lost":
            return []  # a crash loop is told once
        self._told_crashes.append(session)
        if where := line.get("where"):
            told.append((f"    {short_place(str(where))}", "red"))
        if cure := line.get("cure"):
            told.append((f"    likely: {cure}", ""))
        count = int(line.get("siblings") or 0)
        siblings = f"siblings: {count} untouched · " if count else ""
        return [*told, (f"    {siblings}bulkhead crash show {session}", "dim")]

    def _restart(self, line: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The next attempt, whose end will be told again; what it teaches is told once."""
        restart, most = line.get("restart"), line.get("most")
        delay_s = float(line.get("delay_s") or 0.0)
        session, reason = str(line.get("session_id")), line.get("reason")
        with suppress(ValueError):
            self._told_ends.remove(session)
        return [(f"  ↻ session {session} · {reason} · restart {restart}/{most} in {delay_s:.1f} s", "yellow")]

    def _loaded(self, line: Mapping[str, Any]) -> list[tuple[str, str]]:
        generation, name = int(line.get("code_generation") or 1), str(line.get("bundle"))
        if generation == 1:
            return []
        took = f"generation {generation} ready in {float(line.get('duration_s') or 0.0):.2f} s"
        paths = line.get("endpoints")
        after = self.after_reload(paths if isinstance(paths, list) else [])
        return [(f"  ↻ {self.source or name} changed · {took} · {after}", "cyan")]

    def _failed(self, line: Mapping[str, Any]) -> str:
        error = str(line.get("error", ""))
        where = _IN_FILE.search(error)
        if where is not None:
            error = f"{short_place(where[1])} {error[: where.start()]}{error[where.end() :]}"
        generation = line.get("code_generation")
        if not generation:
            return f"  ✗ {error}"
        error = error.removesuffix(_MEND).rstrip(". ")
        return f"  ✗ {error} · generation {generation} keeps serving · fix and save again"

    def _warning(self, line: Mapping[str, Any], event: str) -> list[tuple[str, str]]:
        keys = " ".join(f"{key}={value}" for key, value in line.items() if key not in _HIDDEN_KEYS)
        said = ". ".join(str(line[key]).rstrip(".") for key in ("detail", "cure") if line.get(key))
        color = "yellow" if line["level"] == "warning" else "red"
        text = f"  {line['level']}: {event}"
        return [(" · ".join(part for part in (text, said, keys) if part), color), *self._rest(line)]

    def _rest(self, line: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [(str(line["exception"]), "dim")] if line.get("exception") else []


def _warned(line: Mapping[str, Any]) -> str:
    """What a session does that may end it."""
    what = str(line.get("message"))
    place = _PLACE.search(what)
    if place is not None:
        what = f"{what[: place.start()]} at {short_place(place[0].removeprefix(' at '))}"
    return f"  ! session {line.get('session_id')} · {line.get('identity')} in {line.get('room')} · {what}"


def _refusal(line: Mapping[str, Any]) -> str:
    """What its confinement refused a session, and what would allow it."""
    what = f"{line.get('rule')} {line.get('what')}".strip()
    told = f"  ✗ {line.get('session_id')} · {line.get('identity')} · refused {what} · {line.get('message')}"
    return f"{told} · allow: {line.get('cure')}"


def _short(text: str) -> str:
    """Cut a long text; of several lines the last ones stay too, where a traceback says what it is about."""
    if len(text) <= MAX_LINE_CHARS:
        return text
    if "\n" not in text:
        return text[:MAX_LINE_CHARS]
    half = MAX_LINE_CHARS // 2
    head, tail = text[: half - 3], text[-half:]
    head = head.rpartition("\n")[0] or head  # whole lines, where there are any
    tail = tail.partition("\n")[2] or tail
    return f"{head}\n…\n{tail}"
