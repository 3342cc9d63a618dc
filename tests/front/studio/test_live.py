from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from runtime.front.operator import events
from runtime.front.studio import frames, live
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import BundleInfo, Vitals
from runtime.session.use import UsePoint
from tests.front.conftest import read_head, request
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

SNAPSHOT = ["hello", "sessions", "overview", "bundles", "rooms", "crashes"]


class Stream:
    """A reader of the stream over a raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.last_id = ""

    async def next(self) -> tuple[str, Any]:
        """Kind and data of the next event."""
        kind = ""
        async with asyncio.timeout(20 * PATIENCE):
            while True:
                line = (await self.reader.readuntil(b"\n")).decode().rstrip("\n")
                name, _, value = line.partition(": ")
                if name == "id":
                    self.last_id = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    return kind, json.loads(value)

    async def until(self, wanted: str, having: Any = lambda data: True) -> Any:
        """The data of the next event of a kind for which `having` holds."""
        while True:
            kind, data = await self.next()
            if kind == wanted and having(data):
                return data


async def follow(site: Any, *, limit: int = 1 << 24, **headers: str) -> Stream:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, limit=limit)
    site.streams.append(writer)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    writer.write(request("GET", "/studio/live", headers=named).replace(b"HTTP/1.1", b"HTTP/1.0"))
    status, found = await read_head(reader)
    assert status == 200
    assert found["content-type"].startswith("text/event-stream")
    return Stream(reader, writer)


async def started(site: Any) -> str:
    sid: str = (await site.post("/chat")).json["session"]
    await site.server.front.registry.wait(sid, until="settled", timeout_s=5)
    return sid


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TICK_S", 0.01)
    monkeypatch.setattr(live, "SECOND_S", 0.05)


async def test_a_reader_begins_with_all_there_is(serving: Any) -> None:
    async with serving() as site:
        sid = await started(site)
        site.placement.curves[sid] = (UsePoint(t_s=1.0, rss_bytes=9, pss_bytes=0, cpu_s=0.5, processes=1),)
        stream = await follow(site)
        begun = [await stream.next() for _ in SNAPSHOT]
        assert [kind for kind, _ in begun] == SNAPSHOT
        found = dict(begun)
        assert found["hello"]["epoch"] == site.server.front.registry.feed.epoch
        (row,) = found["sessions"]["rows"]
        assert (row["id"], row["state"], row["crashed"]) == (sid, "ready", False)
        assert row["spark"] == {"cpu": [0.5, 0.5], "rss": [9, 9]}
        assert found["overview"]["sessions"] == 1
        assert set(found["overview"]["history"]) == {
            *("at_ms", "sessions", "starts", "crashes", "lag_ms", "cpu", "memory")
        }
        assert found["bundles"]["endpoints"][0]["path"] == "/chat"
        assert found["crashes"] == {"crashes": []}


async def test_changes_come_as_they_happen(serving: Any) -> None:
    async with serving() as site:
        stream = await follow(site)
        await stream.until("crashes")
        sid = (await site.post("/chat")).json["session"]
        assert (await stream.until("happened"))["type"] == "session.accepted"
        ready = await stream.until("session", lambda row: row["state"] == "ready")
        assert (ready["id"], "spark" in ready) == (sid, False)
        site.placement.exit(sid, ExitReason.SIGNAL, signal=11)
        over = await stream.until("session", lambda row: row["state"] == "exited")
        assert (over["crashed"], over["exit"]["signal"]) == (True, 11)
        groups = (await stream.until("crashes"))["crashes"]
        assert groups == (await site.get("/crashes")).json["crashes"]
        site.placement.listed_bundles = [
            BundleInfo(name="b", source="b.py", generation=1, state="failed", error="no")
        ]
        changed = await stream.until("bundles", lambda data: data["bundles"])
        assert changed["bundles"][0]["error"] == "no"
        assert (await stream.until("overview"))["alerts"][0]["level"] == "error"


async def test_reports_that_wait_for_the_disk_hold_nothing_else_up(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as site:
        store, written = site.server.front.crashes, asyncio.Event()
        groups = store.groups

        async def slow() -> Any:
            await written.wait()
            return await groups()

        sid = await started(site)
        stream = await follow(site)
        await stream.until("crashes")
        monkeypatch.setattr(store, "groups", slow)
        site.placement.exit(sid, ExitReason.SIGNAL, signal=11)
        await stream.until("session", lambda row: row["state"] == "exited")
        for _ in range(3):
            await stream.until("overview")
        written.set()
        assert len((await stream.until("crashes"))["crashes"]) == 1


async def test_samples_have_all_that_changes_by_itself_and_nothing_of_who_rests(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as site:
        sid, rests = await started(site), await started(site)
        began = time.monotonic()

        asked: list[str] = []

        def glance(session: str) -> Vitals:
            asked.append(session)
            use = {"rss_bytes": 70, "pss_bytes": 60, "threads": 3, "fds": 9}
            if session == rests:
                return Vitals(at=began, cpu_s=1.0, **use)
            now = time.monotonic()  # a process that uses half a core
            return Vitals(at=now, cpu_s=(now - began) / 2, lag_ms=1.26, **use)

        monkeypatch.setattr(site.placement, "glance", glance)
        stream = await follow(site)
        sample = await stream.until("samples", lambda data: data["of"][sid][0] > 0)
        share, rss_bytes, lag_ms, cpu_s, *rest = sample["of"][sid]
        assert (share, rss_bytes, lag_ms, rest) == (0.5, 70, 1.3, [60, 3, 9])
        assert cpu_s > 0
        assert list((await stream.until("samples"))["of"]) == [sid]
        monkeypatch.setattr(site.placement, "measured", lambda after: (after, [sid]))
        await stream.until("samples")
        asked.clear()
        await stream.until("samples")
        assert set(asked) == {sid}, "nobody is asked of who was not measured"
        monkeypatch.setattr(site.placement, "measured", lambda after: (after, []))
        monkeypatch.setattr(
            site.placement, "glance", lambda _: Vitals(at=time.monotonic(), cpu_s=9.0, rss_bytes=70)
        )
        sample = await stream.until("samples", lambda data: sid in data["of"] and data["of"][sid][0] == 0.0)
        assert list(sample["of"]) == [sid], "that it came to rest is told"


async def test_who_comes_back_hears_what_happened_meanwhile_and_sees_how_it_is(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as site:
        stream = await follow(site)
        await stream.until("crashes")
        first = await started(site)
        await stream.until("session", lambda row: row["state"] == "ready")
        stream.writer.close()
        second = await started(site)
        again = await follow(site, Last_Event_ID=stream.last_id)
        begun = [await again.next() for _ in SNAPSHOT]
        assert [kind for kind, _ in begun] == SNAPSHOT
        assert {row["id"] for row in begun[1][1]["rows"]} == {first, second}
        site.server.front.registry.announce("last", {})
        missed = [await again.until("happened")]
        while missed[-1]["type"] != "last":
            missed.append(await again.until("happened"))
        assert {event["session"] for event in missed[:-1]} == {second}
        kinds = [event["type"] for event in missed]
        assert kinds[:4] == ["session.accepted", "session.placed", "session.started", "session.ready"]
        assert len(kinds) == len(set(kinds))  # nothing is told twice
        # Of another run of the server, and too long ago: all there is, and nothing of what happened.
        monkeypatch.setattr(live, "SECOND_S", 0.0)  # it gets a snapshot of now
        stranger = await follow(site, Last_Event_ID="00000000-1")
        kinds = [(await stranger.next())[0] for _ in range(len(SNAPSHOT) + 2)]
        assert "happened" not in kinds


async def test_readers_share_what_is_made(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SECOND_S", 60.0)
    async with serving() as site:
        sid = await started(site)
        made: list[str] = []
        row = live.worker_as
        monkeypatch.setattr(
            live,
            "worker_as",
            lambda *args, **more: made.append("row") or row(*args, **more),
        )
        streams = [await follow(site) for _ in range(5)]
        for stream in streams:
            assert (await stream.until("sessions"))["rows"][0]["id"] == sid
        assert made == ["row"]


async def test_a_frame_that_cannot_be_made_does_not_end_the_others(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as site:
        stream = await follow(site)
        await stream.until("crashes")
        answers = [site.placement.bundles, lambda: 1 / 0]
        monkeypatch.setattr(site.placement, "bundles", lambda: answers.pop()() if answers else [])
        async with asyncio.timeout(10 * PATIENCE):
            while answers:
                await asyncio.sleep(live.TICK_S)
        at_ms = (await stream.until("samples"))["at_ms"]
        await stream.until("samples", lambda data: data["at_ms"] > at_ms)


async def test_nothing_is_made_while_nobody_reads(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as site:
        asked: list[str] = []
        told = live.bundles_of
        monkeypatch.setattr(live, "bundles_of", lambda front: asked.append("bundles") or told(front))
        stream = await follow(site)
        await stream.until("overview")
        stream.writer.close()
        async with asyncio.timeout(10 * PATIENCE):
            while b"bulkhead_event_readers 0.0" not in (await site.get("/metrics")).body:
                await asyncio.sleep(0)
        for _ in range(100):  # a tick may be under way
            await asyncio.sleep(0)
        asked.clear()
        for _ in range(3):
            await started(site)
        await asyncio.sleep(3 * live.SECOND_S)
        assert asked == []


async def test_old_ends_go_and_readers_are_told(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_ENDED", 2)
    async with serving() as site:
        sids = [await started(site) for _ in range(4)]
        site.placement.exit(sids[0], ExitReason.FINISHED)
        await site.server.front.registry.wait(sids[0], until="exited", timeout_s=5)
        stream = await follow(site)
        await stream.until("crashes")
        for sid in sids[1:]:
            site.placement.exit(sid, ExitReason.FINISHED)
        assert [(await stream.until("gone"))["id"] for _ in range(2)] == sids[:2]
        monkeypatch.setattr(live, "SECOND_S", 0.0)  # the next snapshot is a new one
        again = await follow(site)
        rows = (await again.until("sessions"))["rows"]
        assert {row["id"] for row in rows} == set(sids[2:])


async def test_a_reader_that_fell_behind_gets_all_there_is_once_more(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = frames.Frames()
    monkeypatch.setattr(live, "Frames", lambda: kept)
    async with serving() as site:
        stream = await follow(site)
        await stream.until("crashes")
        for _ in range(frames.KEPT_FRAMES + 10):  # without giving the reader a turn
            kept.publish(b"event: noise\ndata: {}\n\n")
        kinds = [(await stream.next())[0]]
        while kinds[-1] != "crashes":
            kinds.append((await stream.next())[0])
        assert kinds[-len(SNAPSHOT) :] == SNAPSHOT


async def test_a_reader_that_does_not_read_is_cut(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "STALL_S", 0.2)
    monkeypatch.setattr(frames, "KEPT_FRAMES", 4)
    kept = frames.Frames()
    monkeypatch.setattr(live, "Frames", lambda: kept)
    async with serving() as site:
        stalled = await follow(site, limit=1 << 16)  # and never read
        async with asyncio.timeout(30 * PATIENCE):
            while b"bulkhead_event_readers_cut_total 1.0" not in (await site.get("/metrics")).body:
                # No more than are kept: who finds some gone is sent all there is, which is less.
                for _ in range(3):
                    kept.publish(b"data: " + b"x" * 500_000 + b"\n\n")
        async with asyncio.timeout(15 * PATIENCE):
            while await stalled.reader.read(1 << 20):  # to its end, which there would not be otherwise
                pass


async def test_readers_are_bounded_together_with_those_of_events(serving: Any) -> None:
    async with serving(max_subscribers=1) as site:
        await follow(site)
        for path in ("/studio/live", "/events"):
            refused = await site.get(path)
            assert (refused.status, refused.json["type"]) == (503, "urn:bulkhead:problem:too_many_readers")


async def test_strangers_see_nothing_and_the_stream_ends_with_the_server(serving: Any) -> None:
    async with serving(api_token="t0ken") as site:
        assert (await site.get("/studio/live", X_Forwarded_For="203.0.113.7")).status == 401
        stream = await follow(site, Authorization="Bearer t0ken")
        await stream.until("crashes")
        await site.server.stop()
        with pytest.raises(EOFError):
            await stream.until("never")


async def test_text_of_strangers_that_is_no_unicode_stops_nothing(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as site:
        monkeypatch.setattr(site.server.front.rooms, "rooms", lambda: [None])
        monkeypatch.setattr(live, "room_of", lambda _: {"name": "myroom", "attributes": {"mood": "\ud800"}})
        stream = await follow(site)
        shown = await stream.until("rooms")
        assert shown["rooms"][0]["attributes"] == {"mood": "\ud800"}
        await stream.until("crashes")
        await stream.until("samples")
