"""The table of agents: what ``/workers`` says, as rows for people, and what changed between two looks.

Pure: it is given the server's answers and returns text.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from runtime.cli.terminal import clean
from runtime.session.calls.deployed import told_path
from runtime.session.exit_reasons import row_of

HEADER = ("endpoint", "identity", "class", "process", "state")


class Row(msgspec.Struct, frozen=True):
    """One line of the table: an endpoint nobody called yet, or one session of an endpoint.

    Attributes:
        since: When its session was accepted, as the server writes it; empty without one.
        state: ``loading``, ``waiting``, ``starting``, ``restarting``, ``ready``, ``stopping``, ``ended``,
            ``crashed`` or ``failed``.
    """

    path: str
    identity: str
    class_name: str
    pid: str
    state: str
    text: str
    session: str = ""
    since: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        return (self.path, self.identity, self.class_name, self.pid, self.text)

    @property
    def color(self) -> str:
        colors = {"ready": "green", "crashed": "red", "failed": "red", "restarting": "yellow"}
        return colors.get(self.state, "dim")

    @property
    def is_settled(self) -> bool:
        """Nothing more will become of it by itself."""
        return self.state not in ("loading", "starting", "stopping", "waiting")


def rows(answer: Mapping[str, Any], joined_ms: Mapping[str, float]) -> list[Row]:
    """The table for an answer of ``/workers?all=1``.

    Every endpoint has a row for each living session, or one for its last ended session, or one that waits.
    So has each living session whose endpoint is gone.

    Args:
        joined_ms: Milliseconds from the call to being in the room, by session, where that is known.
    """
    made: list[Row] = []
    workers = answer["workers"]
    for endpoint in answer["endpoints"]:
        mine = [worker for worker in workers if worker["endpoint"] == endpoint["path"]]
        alive = [worker for worker in mine if worker["state"] != "exited"]
        ended = [worker for worker in mine if worker["state"] == "exited"]
        last = max(ended, key=lambda worker: (worker.get("exit") or {}).get("at") or "", default=None)
        if endpoint.get("state") == "failed" and not alive:
            text = f"✗ {_first_line(endpoint.get('error') or 'cannot serve')}"
            made.append(_row(endpoint, "-", "failed", text))
        elif endpoint.get("state") == "loading" and not mine:
            made.append(_row(endpoint, "-", "loading", "◌ is being loaded"))
        elif alive:
            made += [_session_row(endpoint, worker, joined_ms) for worker in alive]
        elif last is not None:
            made.append(_session_row(endpoint, last, joined_ms))
        else:
            made.append(_row(endpoint, "-", "waiting", "○ waits for a call"))
    served = {endpoint["path"] for endpoint in answer["endpoints"]}
    for worker in workers:
        if worker["endpoint"] not in served and worker["state"] != "exited":
            made.append(_session_row({"path": worker["endpoint"]}, worker, joined_ms))
    return made


def changes(before: Sequence[Row], after: Sequence[Row]) -> list[tuple[str, str]]:
    """What to tell somebody who does not see the table redrawn: (line, colour)."""
    known = {row.session or row.path: row.state for row in before}
    told = []
    for row in after:
        was = known.get(row.session or row.path)
        if was == row.state or (was is None and row.state in ("loading", "waiting")):
            continue
        subject = f"{row.path} {row.identity}".rstrip()
        if row.session:
            subject += f" · session {row.session} · pid {row.pid}"
        told.append((f"{row.text[:1]} {subject} · {row.text[2:]}", row.color))
    return told


def end_text(exit_: Mapping[str, Any]) -> str:
    """How a session ended, in a few words: ``signal 11 (SIGSEGV)``, ``start_error: ValueError: …``."""
    reason, number = str(exit_.get("reason") or "ended"), exit_.get("signal")
    if isinstance(number, int):
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = "unknown"
        return f"{'' if reason == 'signal' else reason + ', '}signal {number} ({name})"
    message = _first_line(exit_.get("message") or "")
    return f"{reason}: {message}" if message else reason


def _session_row(
    endpoint: Mapping[str, Any], worker: Mapping[str, Any], joined_ms: Mapping[str, float]
) -> Row:
    state, pid = str(worker["state"]), str(worker.get("pid") or "-")
    if state == "ready":
        took = joined_ms.get(worker["id"])
        text = f"● in room {worker['room']}" + (f"  (joined {took:.0f} ms)" if took is not None else "")
    elif state == "exited":
        exit_ = worker.get("exit") or {}
        known = row_of(str(exit_.get("reason")))
        state, mark = ("ended", "○") if known is not None and known.is_clean else ("crashed", "✗")
        text = f"{mark} {end_text(exit_)}"
    elif last := (worker.get("restart") or {}).get("last_exit"):
        # It failed and is tried again; whoever waits for the table need not wait for the last attempt.
        text, state = f"↻ attempt {worker.get('attempt', '?')} after {end_text(last)}", "restarting"
    else:
        text = f"◌ {state}"
        state = "stopping" if state == "stopping" else "starting"
    return _row(endpoint, pid, state, text, worker)


def _row(
    endpoint: Mapping[str, Any], pid: str, state: str, text: str, worker: Mapping[str, Any] | None = None
) -> Row:
    about = worker or endpoint
    # Of a bundle whose endpoints nobody knows yet, its own name is all there is.
    identity = about.get("identity") or ("-" if endpoint["path"] else endpoint.get("bundle")) or "-"
    return Row(
        path=clean(told_path(endpoint["path"], about.get("bundle") or "") or "-"),
        identity=clean(identity),
        class_name=clean(endpoint.get("class_name") or endpoint.get("class") or "-"),
        pid=pid,
        state=state,
        text=clean(text),
        session=str(worker["id"]) if worker else "",
        since=str(worker.get("accepted_at") or "") if worker else "",
    )


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0][:160] if lines else ""
