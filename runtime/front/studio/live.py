"""``/studio/live``: the one stream of the Studio, made once for all who read it.

While somebody reads, a producer makes frames: what happened, changed sessions, and once a second figures, and
samples of the sessions that did not rest.  Frames are encoded once and numbered; a reader keeps a cursor, as
those of ``/events`` do, and is bounded, cut and closed with them.  One that is new, or fell behind, gets a
snapshot first, which is made at most once a second.  Whatever walks over all sessions lets the loop turn
every few of them.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator
from itertools import islice
from typing import Any, Final

import msgspec
from quart import Blueprint, Response, request

import runtime
from runtime.clock import iso
from runtime.front.http.contract import also, belongs, encoded, heeds
from runtime.front.http.exchange import cut_of
from runtime.front.openapi.shapes import sessions as shapes
from runtime.front.openapi.shapes.crashes import Crashes, CrashGroup
from runtime.front.openapi.shapes.rooms import Room, Rooms
from runtime.front.openapi.shapes.webhooks import ResumeHeaders
from runtime.front.operator.crash.crashes import group_of
from runtime.front.operator.events import EVENT_STREAM, Reader, Readers, follow, sent, stream
from runtime.front.operator.nodes import nodes_of
from runtime.front.operator.room.rooms import room_of
from runtime.front.operator.usage.recent_use import KEPT, RecentUse, UseCurve
from runtime.front.operator.workers import bundles_of, worker_as
from runtime.front.state import Front, caller
from runtime.front.studio.frames import Frames
from runtime.front.studio.overview import Overview
from runtime.front.studio.pages import HEADERS
from runtime.logs import get_logger
from runtime.session.feed import FeedEvent
from runtime.session.record import SessionRecord
from runtime.session.spec import SessionId
from runtime.tasks import Tasks

TICK_S: Final = 0.25
SECOND_S: Final = 1.0
MAX_ENDED: Final = 300
MAX_REPLAYED: Final = 200
MANY_SESSIONS: Final = 200
MANY_ROOMS: Final = 50
MANY_ROOMS_S: Final = 5.0
_FEW_POINTS: Final = 20
_BATCH: Final = 20
_log = get_logger("studio")


class Snapshot(msgspec.Struct, frozen=True):
    """All there is to know at one moment.

    Attributes:
        at: Monotonic seconds.
        cursor: Number of the frame to go on after.
        told: Number of the last event of the feed that stands in a frame up to there.
    """

    at: float
    cursor: int
    told: int
    pieces: list[bytes]


class Live:
    """The producer, and what it has made."""

    def __init__(self, front: Front, overview: Overview) -> None:
        self._front, self._overview = front, overview
        self.frames = Frames()
        self._recent_use = RecentUse()
        self._reading = 0
        self._wanted = asyncio.Event()
        self._cursor = 0
        self._ended: deque[str] = deque()
        self._second_at = 0.0
        self._rooms_at = 0.0
        self._shown: dict[str, bytes] = {}
        self._sampled: dict[str, list[float | int | None]] = {}
        self._busy: dict[str, None] = {}
        self._measured = 0
        self._working: dict[SessionId, None] = {}
        self._crashes_changed = False
        self._crash_told: asyncio.Task[None] | None = None
        self._tasks = Tasks(_log, "studio.task_failed")
        self._snapshot: Snapshot | None = None
        self._making = asyncio.Lock()

    # ---- readers

    def enter(self) -> None:
        """Somebody reads: there will be frames."""
        self._reading += 1
        if not self._wanted.is_set():
            self._wake()
            self._wanted.set()

    def leave(self) -> None:
        """One reader less."""
        self._reading -= 1
        if not self._reading:
            self._wanted.clear()
            self._recent_use.clear()
            self._shown.clear()
            self._sampled.clear()
            self._working.clear()
            self._measured = 0
            self._snapshot = None

    @property
    def event_id(self) -> str:
        """What a browser hands back to hear of everything that happened since."""
        return self._front.registry.feed.id_of(self._cursor)

    def hello(self) -> bytes:
        """The first event of a connection."""
        front = self._front
        about = {
            "epoch": front.registry.feed.epoch,
            "version": runtime.__version__,
            "now_ms": round(front.clock.wall() * 1000),
            "started_at": iso(front.started_at),
        }
        return self._event("hello", about)

    async def snapshot(self, *, since: int = 0) -> Snapshot:
        """All there is to know; made at most once a second, but for a reader who knows of later events."""
        async with self._making:
            now = self._front.clock.now()
            made = self._snapshot
            is_old = made is None or now - made.at >= SECOND_S or made.cursor < self.frames.first - 1
            if made is None or is_old or made.told < since:
                # Frames that come while it is made are sent after it: what they say is said twice, not lost.
                cursor, told = self.frames.last, self._cursor
                pieces = [await self._sessions()]
                figures = self._overview.now() | {"history": self._overview.history()}
                pieces.append(self._event("overview", figures))
                pieces.append(self._event("bundles", bundles_of(self._front)))
                pieces.append(self._event("rooms", Rooms(rooms=self._rooms())))
                pieces += [self._event("nodes", nodes) for nodes in nodes_of(self._front)]
                pieces.append(self._event("crashes", Crashes(crashes=await self._crashes())))
                made = self._snapshot = Snapshot(now, cursor, told, pieces)
            return made

    def happened(self, since: int, until: int) -> bytes:
        """The last events of the feed numbered above `since`, up to `until`."""
        since = max(since, until - MAX_REPLAYED)
        events = self._front.registry.feed.after(since, limit=max(0, until - since))
        return self._happened([event for event in events if event.seq <= until])

    def _happened(self, events: list[FeedEvent]) -> bytes:
        return b"".join(self._event("happened", event.data, event.id) for event in events)

    # ---- the producer

    async def run(self) -> None:
        """Make frames while somebody reads, for as long as the server runs."""
        try:
            while True:
                if not self._reading:
                    await self._wanted.wait()
                try:
                    await self._tick()
                except Exception:  # noqa: BLE001 - one frame that cannot be made must not end all of them
                    _log.exception("studio.frame_failed")
                    await asyncio.sleep(SECOND_S)
                await asyncio.sleep(TICK_S)
        finally:
            await self._tasks.aclose()

    def _wake(self) -> None:
        self._cursor = self._front.registry.feed.last
        self._ended = deque(
            record.spec.session_id
            for record in reversed(list(islice(self._front.registry.ended(), MAX_ENDED)))
        )

    async def _tick(self) -> None:
        now = self._front.clock.now()
        is_second = now - self._second_at >= SECOND_S
        await self._tell_news(is_second=is_second)
        if not is_second:
            return
        self._second_at = now
        await self._tell_samples()
        self.frames.publish(self._event("overview", self._overview.now()))
        for part in (bundles_of(self._front), *nodes_of(self._front)):
            self._tell_changed(type(part).__name__.lower(), part)
        if now >= self._rooms_at:
            rooms = self._rooms()
            self._rooms_at = now + (MANY_ROOMS_S if len(rooms) > MANY_ROOMS else 0.0)
            self._tell_changed("rooms", Rooms(rooms=rooms))
        if self._crashes_changed and (self._crash_told is None or self._crash_told.done()):
            self._crashes_changed = False
            self._crash_told = self._tasks.spawn(self._tell_crashes(), "crashes")

    async def _tell_news(self, *, is_second: bool) -> None:
        feed = self._front.registry.feed
        changed: dict[str, None] = {}
        while batch := feed.after(self._cursor):
            self._cursor = batch[-1].seq
            self.frames.publish(self._happened(batch))
            for event in batch:
                session = event.data.get("session")
                if event.kind == "session.status":  # a busy agent says one every other moment
                    self._busy[str(session)] = None
                elif event.kind.startswith("session.") and isinstance(session, str):
                    changed[session] = None
                self._crashes_changed |= event.kind == "session.crashed"
            await asyncio.sleep(0)
        if is_second:
            changed, self._busy = self._busy | changed, {}
        told = []
        for count, session in enumerate(changed, 1):
            if (record := self._record(session)) is not None:
                told.append(self._event("session", self._row(record)))
                if record.exit is not None:
                    told += self._over(session)
            if count % _BATCH == 0:
                await asyncio.sleep(0)
        if told:
            self.frames.publish(b"".join(told))

    def _over(self, session: str) -> list[bytes]:
        self._recent_use.forget(session)
        self._sampled.pop(session, None)
        if session in self._ended:
            return []
        self._ended.append(session)
        if len(self._ended) <= MAX_ENDED:
            return []
        return [self._event("gone", {"id": self._ended.popleft()})]

    async def _tell_samples(self) -> None:
        """What changed by itself: of those that were measured, and of those that were busy a second ago."""
        samples: dict[str, list[float | int | None]] = {}
        self._measured, measured = self._front.placement.measured(self._measured)
        self._recent_use.second += 1
        for count, session in enumerate(self._working | dict.fromkeys(measured), 1):
            if count % _BATCH == 0:
                await asyncio.sleep(0)
            self._working.pop(session, None)
            vitals, record = self._front.placement.glance(session), self._record(session)
            if vitals is None or record is None or record.exit is not None:
                continue
            spark = await self._spark(session)
            spark.rest_until(self._recent_use.second - 1)
            share = spark.take(vitals.at, vitals.cpu_s, vitals.rss_bytes)
            spark.second = self._recent_use.second
            if share:
                self._working[session] = None
            lag_ms = None if vitals.lag_ms is None else round(vitals.lag_ms, 1)
            now = [
                share,
                vitals.rss_bytes,
                lag_ms,
                round(vitals.cpu_s, 2),
                vitals.pss_bytes,
                vitals.threads,
                vitals.fds,
            ]
            if self._sampled.get(session) != now:  # of one that rests nothing is said
                samples[session] = self._sampled[session] = now
        at_ms = round(self._front.clock.wall() * 1000)
        self.frames.publish(self._event("samples", {"at_ms": at_ms, "of": samples}))

    async def _tell_crashes(self) -> None:
        # By itself: reports may wait for a slow disk, and nothing else has to.
        self.frames.publish(self._event("crashes", Crashes(crashes=await self._crashes())))

    def _tell_changed(self, kind: str, data: msgspec.Struct) -> None:
        digest = hashlib.sha256(encoded(data)).digest()
        if self._shown.get(kind) != digest:
            self._shown[kind] = digest
            self.frames.publish(self._event(kind, data))

    # ---- what is shown

    async def _sessions(self) -> bytes:
        registry = self._front.registry
        live = list(registry.live())
        points = _FEW_POINTS if len(live) > MANY_SESSIONS else KEPT
        rows = []
        for count, record in enumerate([*live, *islice(registry.ended(), MAX_ENDED)], 1):
            session = record.spec.session_id
            spark = UseCurve() if record.exit is not None else await self._spark(session)
            spark.rest_until(self._recent_use.second)
            rows.append(encoded(self._row(record, spark=spark.shown(points))))
            if count % _BATCH == 0:
                await asyncio.sleep(0)
        return self._framed("sessions", b'{"rows":[' + b",".join(rows) + b"]}", self.event_id)

    async def _spark(self, session: SessionId) -> UseCurve:
        known = self._recent_use.of(session)
        if known is not None:
            return known
        use = await self._front.placement.use(session)
        return UseCurve() if use is None else self._recent_use.meet(session, use.curve)

    def _row(self, record: SessionRecord, **more: Any) -> shapes.LiveWorker:
        failed = record.exit if record.exit is not None else record.last_exit
        crashed = failed is not None and not failed.reason.is_clean
        return worker_as(shapes.LiveWorker, self._front, record, crashed=crashed, **more)

    def _record(self, session: str) -> SessionRecord | None:
        registry = self._front.registry
        return registry.record(session) if SessionId(session) in registry else None

    def _rooms(self) -> list[Room]:
        return [] if self._front.rooms is None else [room_of(room) for room in self._front.rooms.rooms()]

    async def _crashes(self) -> list[CrashGroup]:
        if self._front.crashes is None:
            return []
        return [group_of(group) for group in await self._front.crashes.groups()]

    def _event(self, kind: str, data: msgspec.Struct | dict[str, Any], event_id: str = "") -> bytes:
        return self._framed(kind, encoded(data), event_id or self.event_id)

    def _framed(self, kind: str, data: bytes, event_id: str) -> bytes:
        return f"id: {event_id}\nevent: {kind}\ndata: ".encode() + data + b"\n\n"


def routes(front: Front, readers: Readers, live: Live) -> Blueprint:
    """``/studio/live``."""
    paths = Blueprint("live", __name__)
    belongs(paths, "studio", to_operators=True)

    @paths.get("/studio/live")
    @heeds(ResumeHeaders)
    @also(200, "hello, sessions, session, gone, samples, overview, bundles, …", EVENT_STREAM)
    async def follow_live() -> Response:
        """All that the Studio shows, as it changes"""
        front.access.operator(caller())
        readers.check()
        since = front.registry.feed.cursor(request.headers.get("Last-Event-ID", ""))
        reader = Reader(live.frames, live.frames.last, cut_of(request))
        answer = stream(_stream(front, readers, live, reader, since))
        answer.headers.update(HEADERS)
        return answer

    return paths


async def _stream(
    front: Front, readers: Readers, live: Live, reader: Reader, since: int | None
) -> AsyncIterator[bytes]:
    async def all_there_is(since: int | None = None) -> AsyncIterator[bytes]:
        made = await live.snapshot(since=since or 0)
        reader.cursor = made.cursor
        yield live.hello()
        for piece in made.pieces:
            yield piece
        if since is not None:
            yield live.happened(since, made.told)

    readers.enter(reader)
    live.enter()
    try:
        yield b"retry: 1000\n\n"
        async for piece in sent(front, reader, all_there_is(since)):
            yield piece
        async for piece in follow(
            front,
            reader,
            encode=lambda frame: frame.data,
            more=live.frames.news,
            missed=all_there_is,
        ):
            yield piece
    finally:
        live.leave()
        readers.leave(reader)
