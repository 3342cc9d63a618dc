"""What the whole server does: a figure of each kind every two seconds for ten minutes, and what is wrong now.

The history is kept whether anybody looks or not: it is bounded and costs a few microseconds a session, read
from what the supervisor measured anyway.  The loop's lag is how late its timers ran.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

import msgspec

from runtime.front.state import Front
from runtime.front.studio.pages import OFFLINE, model_name
from runtime.logs import get_logger
from runtime.session.info import Vitals
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
READ_AT_ONCE: Final = 5
MOST_CHILDREN: Final = 4
"""A larger tree is not read page by page here: one that forks while it is read would hold up the loop."""

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


class _Shared:
    """How much more sessions would take together if none shared a page with another.

    That is what is resident of each, less its part of what it shares (RSS less PSS).  For a session that was
    not read page by page yet, what the others of its endpoint share on average is taken.
    """

    def __init__(self) -> None:
        self.read: list[SessionId] = []
        self.unread: list[SessionId] = []
        self._known: dict[str, list[int]] = {}
        self._unknown: dict[str, int] = {}

    def add(self, session: SessionId, endpoint: str, vitals: Vitals) -> None:
        """One session as it was measured last."""
        may_read = vitals.children <= MOST_CHILDREN
        if vitals.pss_bytes:
            self.read += [session] if may_read else []
            self._known.setdefault(endpoint, []).append(max(0, vitals.rss_bytes - vitals.pss_bytes))
        else:
            self.unread += [session] if may_read else []
            self._unknown[endpoint] = self._unknown.get(endpoint, 0) + 1

    @property
    def bytes_count(self) -> int:
        """Of all that were added."""
        found = sum(sum(known) for known in self._known.values())
        for endpoint, count in self._unknown.items():
            if known := self._known.get(endpoint):
                found += count * sum(known) // len(known)
        return found


class Overview:
    """The figures of one server."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._history: deque[Moment] = deque(maxlen=HISTORY_COUNT)
        self._cpu_s: dict[SessionId, float] = {}
        self._read_at = front.clock.now()
        self._lag_ms = 0.0
        self._lag_shown_ms = 0.0
        self._starts, self._crashes = 0, 0
        self._saved_bytes = 0
        self._turn = 0

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
        cpu: dict[str, float] = {}
        memory: dict[str, int] = {}
        known: dict[SessionId, float] = {}
        shared = _Shared()
        named = {endpoint.path for endpoint in front.placement.endpoints()[:MAX_ENDPOINTS]}
        count = 0
        for record in front.registry.live():
            count += 1
            if count % _BATCH == 0:
                await asyncio.sleep(0)
            spec = record.spec
            vitals = front.placement.glance(spec.session_id)
            if vitals is None:
                continue
            name = spec.endpoint if spec.endpoint in named else OTHER
            before = self._cpu_s.get(spec.session_id, 0.0)
            known[spec.session_id] = vitals.cpu_s
            used = max(0.0, vitals.cpu_s - before) / took_s
            cpu[name] = cpu.get(name, 0.0) + used
            memory[name] = memory.get(name, 0) + vitals.rss_bytes
            shared.add(spec.session_id, name, vitals)
        self._cpu_s, self._read_at = known, now
        self._saved_bytes = shared.bytes_count
        await self._read_shared(shared)
        starts, crashes = front.registry.started_count, front.registry.crashed_count
        moment = Moment(
            at=front.clock.wall(),
            sessions=count,
            starts=starts - self._starts,
            crashes=crashes - self._crashes,
            lag_ms=round(self._lag_ms, 1),
            cpu={name: round(share, 3) for name, share in cpu.items()},
            memory=memory,
        )
        self._history.append(moment)
        gauges = {"sessions": count, "queued": front.dispatcher.launcher.queued, "lag_ms": moment.lag_ms}
        front.history.look({**gauges, "cpu": cpu, "memory": moment.memory})
        self._starts, self._crashes = starts, crashes
        self._lag_shown_ms, self._lag_ms = self._lag_ms, 0.0

    async def _read_shared(self, shared: _Shared) -> None:
        # A page-accurate reading may take a millisecond, so only a few have their turn each time.
        turns = shared.unread or shared.read[self._turn % max(1, len(shared.read)) :][:1]
        self._turn += 1
        for session in turns[:READ_AT_ONCE]:
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
            "saved_bytes": self._saved_bytes,
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
