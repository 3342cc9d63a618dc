"""What the whole server does: a figure of each kind every two seconds for ten minutes, and what is wrong now.

The history is kept whether anybody looks or not: it is bounded and costs a few microseconds for each session
that was measured anyway.  The loop's lag is how late its timers ran.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

import msgspec

from runtime.front.state import Front
from runtime.front.studio.pages import OFFLINE, model_name
from runtime.front.studio.totals import Totals
from runtime.logs import get_logger
from runtime.session.spec import SessionId

_log = get_logger("studio")

PROBE_S: Final = 0.25
HISTORY_EVERY_S: Final = 2.0
HISTORY_COUNT: Final = 300
MAX_ENDPOINTS: Final = 50
"""Endpoints with a line of their own; what the others use is added up as ``other``."""
MAX_ALERTS: Final = 20
OTHER: Final = "other"
OVERVIEW, SERVICES, SESSIONS = "/studio/", "/studio/services", "/studio/sessions"
CRASHES, SETTINGS = "/studio/crashes", "/studio/settings"
READ_AT_ONCE: Final = 2

_BATCH: Final = 50
_LOW_HEADROOM: Final = 4


class Moment(msgspec.Struct):
    """One point of the history.

    Attributes:
        at: Seconds since the epoch.
        starts: Since the point before, as are crashes.
        cpu: Share of a core by endpoint.
        memory: Resident bytes by endpoint.
    """

    at: float
    sessions: int
    starts: int
    crashes: int
    lag_ms: float
    cpu: dict[str, float] = msgspec.field(default_factory=dict)
    memory: dict[str, int] = msgspec.field(default_factory=dict)


class Overview:
    """The figures of one server."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._history: deque[Moment] = deque(maxlen=HISTORY_COUNT)
        self._totals = Totals()
        self._mark = 0
        self._named: set[str] = set()
        self._read_at = front.clock.now()
        self._lag_ms = 0.0
        self._lag_shown_ms = 0.0
        self._starts, self._crashes = 0, 0

    async def run(self) -> None:
        """Keep the history, for as long as the server runs."""
        next_moment = self._front.clock.now() + HISTORY_EVERY_S
        while True:
            due = self._front.clock.now() + PROBE_S
            await asyncio.sleep(PROBE_S)
            now = self._front.clock.now()
            self._lag_ms = max(self._lag_ms, (now - due) * 1000)
            if now >= next_moment:
                next_moment = now + HISTORY_EVERY_S
                try:
                    await self.take()
                except Exception:  # noqa: BLE001 - one point that cannot be had must not end the history
                    _log.exception("studio.figures_failed")

    async def take(self) -> None:
        """Add a point to the history."""
        front = self._front
        now = front.clock.now()
        took_s = max(0.001, now - self._read_at)
        live = {record.spec.session_id: record.spec.endpoint for record in front.registry.live()}
        await self._add(live)
        await self._read_pages()
        cpu, memory, self._read_at = self._totals.cpu(took_s), self._totals.memory(), now
        starts, crashes = front.registry.started_count, front.registry.crashed_count
        moment = Moment(
            at=front.clock.wall(),
            sessions=len(live),
            starts=starts - self._starts,
            crashes=crashes - self._crashes,
            lag_ms=round(self._lag_ms, 1),
            cpu=cpu,
            memory=memory,
        )
        self._history.append(moment)
        gauges = {"sessions": len(live), "queued": front.dispatcher.launcher.queued, "lag_ms": moment.lag_ms}
        front.history.look({**gauges, "cpu": cpu, "memory": moment.memory})
        self._starts, self._crashes = starts, crashes
        self._lag_shown_ms, self._lag_ms = self._lag_ms, 0.0

    async def _add(self, live: dict[SessionId, str]) -> None:
        """Those that were measured since the point before; all, where an endpoint got or lost its line."""
        front, totals = self._front, self._totals
        totals.keep_only(live)
        named = {endpoint.path for endpoint in front.placement.endpoints()[:MAX_ENDPOINTS]}
        self._mark, measured = front.placement.measured(self._mark if named == self._named else 0)
        self._named = named
        for count, session in enumerate(measured, 1):
            if count % _BATCH == 0:
                await asyncio.sleep(0)
            vitals = front.placement.glance(session)
            if vitals is not None and (endpoint := live.get(session)) is not None:
                totals.take(session, endpoint if endpoint in named else OTHER, vitals)

    async def _read_pages(self) -> None:
        # It may take a millisecond, so only a few have their turn each time, and are measured ones next time.
        for session in self._totals.to_read(READ_AT_ONCE):
            await self._front.placement.vitals(session)
            await asyncio.sleep(0)

    def now(self) -> dict[str, Any]:
        """The figures of this moment."""
        front = self._front
        states: dict[str, int] = {}
        for record in front.registry.live():
            states[record.state] = states.get(record.state, 0) + 1
        minute = list(self._history)[-int(60 / HISTORY_EVERY_S) :]
        last = minute[-1] if minute else None
        load = front.dispatcher.capacity()
        return {
            "at_ms": round(front.clock.wall() * 1000),
            "sessions": sum(states.values()),
            "by_state": states,
            "starts_per_min": sum(moment.starts for moment in minute),
            "crashes_per_min": sum(moment.crashes for moment in minute),
            "cpu_by_endpoint": last.cpu if last else {},
            "memory_by_endpoint": last.memory if last else {},
            "saved_bytes": self._totals.saved_bytes,
            "loop_lag_ms": round(max(self._lag_ms, self._lag_shown_ms), 1),
            "capacity": {
                "sessions": load.sessions,
                "max_sessions": load.max_sessions,
                "headroom_bytes": load.headroom_bytes,
                "queued": front.dispatcher.launcher.queued,
            },
            "alerts": self.alerts(),
        }

    def history(self) -> dict[str, Any]:
        """Ten minutes, as one list a figure."""
        moments = list(self._history)
        names = sorted({name for moment in moments for name in moment.memory})
        return {
            "at_ms": [round(moment.at * 1000) for moment in moments],
            "sessions": [moment.sessions for moment in moments],
            "starts": [moment.starts for moment in moments],
            "crashes": [moment.crashes for moment in moments],
            "lag_ms": [moment.lag_ms for moment in moments],
            "cpu": {name: [moment.cpu.get(name, 0.0) for moment in moments] for name in names},
            "memory": {name: [moment.memory.get(name, 0) for moment in moments] for name in names},
        }

    def alerts(self) -> list[dict[str, str]]:
        """What is wrong now, in words, the worst first."""
        front = self._front
        load = front.dispatcher.capacity()
        found: list[dict[str, str]] = []

        def tell(level: str, text: str, link: str) -> None:
            found.append({"level": level, "text": text, "link": link})

        for bundle in front.placement.bundles():
            if bundle.state == "failed":
                tell(
                    "error",
                    f"{bundle.name} cannot be loaded: {bundle.error or 'its import failed'}",
                    SERVICES,
                )
        if front.journal.failing:
            tell("error", f"Calls cannot be written down: {front.journal.failing}", SETTINGS)
        parked = len(front.dispatcher.recovery.quarantine)
        if parked:
            tell(
                "error",
                f"{_counted(parked, 'input', 'is', 'are')} in quarantine after killing session after session",
                CRASHES,
            )
        looping = self._looping()
        if looping:
            tell(
                "error",
                f"{_counted(looping, 'session', 'waits', 'wait')} to be started again after a failure",
                SESSIONS,
            )
        if load.draining:
            tell("warn", "The server is shutting down: no new sessions are taken", OVERVIEW)
        if load.sessions >= load.max_sessions:
            tell(
                "warn",
                f"{load.max_sessions} sessions run, the most this server takes: new calls are refused",
                SETTINGS,
            )
        elif load.headroom_bytes is not None and load.headroom_bytes < _LOW_HEADROOM * load.session_bytes:
            left = f"{load.headroom_bytes >> 20} MiB"
            tell(
                "warn",
                f"Memory for new sessions is nearly used up: {left} are left above the reserve",
                SETTINGS,
            )
        if not front.is_loopback and not front.access.secrets and not front.settings.insecure:
            tell("warn", "No webhook secret is set: calls from other machines are refused", SETTINGS)
        if front.settings.insecure:
            tell(
                "warn",
                "BULKHEAD_INSECURE is set: whoever reaches this port can start agents and read logs",
                SETTINGS,
            )
        if model_name(front) == OFFLINE:
            tell("info", "The built-in offline model answers: no model provider is set", SETTINGS)
        return found[:MAX_ALERTS]

    def _looping(self) -> int:
        return sum(1 for record in self._front.registry.live() if record.restart_at is not None)


def _counted(number: int, noun: str, one: str, several: str) -> str:
    return f"{number} {noun} {one}" if number == 1 else f"{number} {noun}s {several}"
