"""Faults of sessions of one endpoint, and how a session of another answers meanwhile."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import asdict

from runtime.cli.session.chaos.exits import Exits
from runtime.cli.session.chaos.sessions import Sessions
from runtime.cli.terminal import Output, clean, paint, say, show
from runtime.session.exit_reasons import row_of

if TYPE_CHECKING:
    from runtime.cli.api import Api

FAULTS = {
    "raise": "an exception in a background task",
    "exit": "os._exit",
    "segfault": "a segmentation fault",
    "kill": "SIGKILL",
    "busy": "a loop that never ends",
    "sleep": "a blocking call that never returns",
    "stop": "SIGSTOP",
    "alloc": "memory, 200 MB more each second",
    "forkbomb": "processes that fork processes",
    "flood": "log lines as fast as they go",
    "files": "files that are opened and never closed",
    "orphan": "a child that leaves the session, whose parent then exits",
}
BURNERS = {"busy", "forkbomb", "flood", "files", "alloc"}
"""Faults that compete for the processor: there the kernel's scheduler decides how long a turn takes."""

LIVES = {"flood": "throttled", "stop": "frozen"}
"""Faults that end nobody: what the session is until somebody ends it, as the command then does."""

_DISTURBED = "DISTURBED"
_QUIET_S = 2.0
_LEAST_S = 1.5
_LIVES_S = 4.0
_ENDS_S = 60.0
_CALM_MS, _CALM_TIMES = 5.0, 5.0
_BURNING_MS, _BURNING_TIMES = 50.0, 20.0
_WIDTHS = (10, 34, 9, 13, 10, 13, 0)
_HEADER = ("FAULT", "VICTIM", "AFTER", "SIBLING P50", "P99", "RESULT", "WHERE")


class Outcome(msgspec.Struct, kw_only=True):
    """One fault, what became of its victim, and what its sibling noticed."""

    fault: str
    session: str
    reason: str
    message: str
    after_s: float
    p50_ms: float
    p99_ms: float
    lost: int
    result: str
    where: str = ""


def run_faults(api: Api, target: str, probe: str, faults: str | None, output: Output) -> bool:
    """Commit them one after the other and show what came of each; whether all were contained."""
    chosen = _chosen(faults)
    run = Run(api, target, probe)
    as_table = output in (Output.TABLE, Output.WIDE)
    outcomes: list[Outcome] = []
    with run:
        if as_table:
            say(paint(_line(_HEADER), "dim"))
        for fault in chosen:
            if sys.stderr.isatty() and as_table:
                sys.stderr.write(f"{fault} …\r")
                sys.stderr.flush()
            outcome = run.fault(fault)
            if outcome.result == _DISTURBED:
                run.measure_quiet()
                outcome = run.fault(fault)
            outcomes.append(outcome)
            if as_table:
                _tell(outcomes[-1])
    contained = sum(one.result == "ok" for one in outcomes)
    worst_ms = max((one.p99_ms for one in outcomes), default=0.0)
    if as_table:
        say(
            f"{contained}/{len(outcomes)} faults contained; siblings' worst p99 {worst_ms:.1f} ms "
            f"(quiet {run.quiet_p99_ms:.1f} ms)"
        )
    else:
        say(show([asdict(one) for one in outcomes], output, name="fault", columns={}))
    return contained == len(outcomes)


class Run:
    """One room with a probe in it, and a victim for each fault.  Enter it; leaving ends what it started."""

    def __init__(self, api: Api, target: str, probe: str) -> None:
        self._api, self._target, self._probe_path = api, target, probe
        self._sessions = Sessions(api)
        self._exits = Exits(api)
        self._probe: dict[str, Any] = {}
        self.quiet_p50_ms = self.quiet_p99_ms = 0.0

    def __enter__(self) -> Run:
        sessions = self._sessions
        sessions.check_served(self._target, self._probe_path)
        self._exits.follow()
        # One room, so that they are as close as sessions get, unless their names would collide in it.
        beside = sessions.room if self._target != self._probe_path else f"{sessions.room}-probe"
        self._probe = sessions.start(self._probe_path, "probe", beside)
        try:
            self.measure_quiet()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._sessions.__exit__()

    def measure_quiet(self) -> None:
        """See how quick the probe is while nothing happens."""
        from runtime.cli.session.chaos.probe import Probe

        with Probe(self._api, self._probe["id"]) as quiet:
            time.sleep(_QUIET_S)
        self.quiet_p50_ms, self.quiet_p99_ms = quiet.answers.quantile(0.5), quiet.answers.quantile(0.99)

    def fault(self, fault: str) -> Outcome:
        """Have a fresh session of the target commit it, and wait until it has ended."""
        from runtime.cli.failure import CommandFailed
        from runtime.cli.session.chaos.probe import Probe

        victim = self._sessions.start(self._target, fault)
        try:
            with Probe(self._api, self._probe["id"]) as probe:
                began = time.monotonic()
                self._api.post(f"/workers/{victim['id']}/faults", {"fault": fault})
                end = self._exits.wait(victim["id"], _LIVES_S if fault in LIVES else _ENDS_S)
                time.sleep(max(0.2, _LEAST_S - (time.monotonic() - began)))
        except CommandFailed:
            self._sessions.end(victim["id"])
            raise
        self._sessions.end(victim["id"])
        if end is None and fault in LIVES:
            stopped = self._exits.wait(victim["id"], _LIVES_S)
            reason = LIVES[fault] if stopped is not None and stopped.reason == "stopped" else ""
        else:
            reason = end.reason if end is not None else ""
        message = end.message if end is not None else ""
        outcome = Outcome(
            fault=fault,
            session=victim["id"],
            reason=reason,
            message=message,
            after_s=round((end.at if end is not None else time.monotonic()) - began, 3),
            p50_ms=round(probe.answers.quantile(0.5), 2),
            p99_ms=round(probe.answers.quantile(0.99), 2),
            lost=probe.answers.lost,
            result="",
            where=self._where(victim["id"], message),
        )
        outcome.result = self._verdict(outcome)
        return outcome

    def _verdict(self, one: Outcome) -> str:
        if not one.reason:
            return "NOT ENDED"
        probe = self._api.get(f"/workers/{self._probe['id']}")
        if probe["state"] != "ready" or probe["pid"] != self._probe["pid"]:
            return "SIBLING GONE"
        if one.lost:
            return f"LOST {one.lost}"
        most_ms, times = (_BURNING_MS, _BURNING_TIMES) if one.fault in BURNERS else (_CALM_MS, _CALM_TIMES)
        return "ok" if one.p99_ms <= max(most_ms, times * self.quiet_p99_ms) else _DISTURBED

    def _where(self, session: str, message: str) -> str:
        """The line it happened at, of the report or else of its sentence."""
        import re

        found = re.search(r" at (\S+:\d+ in \w+)", message)
        return self._exits.where(session) or (found[1] if found else "")


def _chosen(faults: str | None) -> list[str]:
    from runtime.cli.failure import CommandFailed, ExitCode

    if faults is None:
        return list(FAULTS)
    chosen = [name.strip() for name in faults.split(",") if name.strip()]
    unknown = [name for name in chosen if name not in FAULTS]
    if unknown or not chosen:
        cure = "Known: " + "; ".join(f"{name} ({what})" for name, what in FAULTS.items()) + "."
        wrong = ", ".join(unknown) or repr(faults)
        raise CommandFailed(f"no fault is called {wrong}", cure=cure, exit_code=ExitCode.USAGE)
    return chosen


def _tell(one: Outcome) -> None:
    after = f"{one.after_s:.1f} s" if one.after_s >= 0.95 else f"{one.after_s * 1000:.0f} ms"
    cells = (
        one.fault,
        _ends(one),
        "-" if one.reason in LIVES.values() else after,
        f"{one.p50_ms:.1f} ms",
        f"{one.p99_ms:.1f} ms",
    )
    color = "green" if one.result == "ok" else "red"
    line = _line(cells) + paint(one.result.ljust(_WIDTHS[5]), color) + clean(one.where)
    say(line.rstrip())


def _ends(one: Outcome) -> str:
    words = {
        "throttled": "throttled, lives on",
        "frozen": "frozen, ends when asked",
        "": f"still alive after {_ENDS_S:.0f} s",
    }
    row = row_of(one.reason)
    return row.brief if row is not None else words.get(one.reason, one.reason.replace("_", " "))


def _line(cells: tuple[str, ...]) -> str:
    return "".join(clean(cell).ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False))
