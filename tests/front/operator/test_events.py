from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from runtime.front.operator import events
from tests.front.conftest import read_head, request
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


class Stream:
    """A reader of server-sent events over a raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def next(self) -> dict[str, str]:
        """The next event with data; comments and ``retry`` are passed over."""
        found: dict[str, str] = {}
        async with asyncio.timeout(15 * PATIENCE):
            while True:
                line = (await self.reader.readline()).decode()
                if line == "":
                    raise EOFError
                text = line.rstrip("\r\n")
                if not text and "data" in found:
                    return found
                name, _, value = text.partition(": ")
                if name in ("id", "event", "data"):
                    found[name] = value

    async def kinds(self, count: int) -> list[str]:
        return [(await self.next())["event"] for _ in range(count)]


async def follow(site: Any, path: str = "/events", **headers: str) -> Stream:
    reader, writer = await site.connect()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    writer.write(request("GET", path, headers=named).replace(b"HTTP/1.1", b"HTTP/1.0"))  # no chunks to undo
    status, found = await read_head(reader)
    assert status == 200
    assert found["content-type"].startswith("text/event-stream")
    assert (await reader.readline()) == b"retry: 1000\n"
    return Stream(reader, writer)


async def test_everything_that_happens_comes_as_it_happens(serving: Any) -> None:
    async with serving() as site:
        stream = await follow(site)
        sid = (await site.post("/chat")).json["session"]
        seen = [await stream.next() for _ in range(4)]
        assert [one["event"] for one in seen] == [
            "session.accepted",
            "session.placed",
            "session.started",
            "session.ready",
        ]
        data = json.loads(seen[3]["data"])
        assert (data["type"], data["session"], data["room"], data["start_ms"]) == (
            "session.ready",
            sid,
            "myroom",
            5.0,
        )
        assert "token" not in seen[0]["data"]


@pytest.mark.parametrize("how", ["header", "query"])
async def test_a_reader_resumes_where_it_was(serving: Any, how: str) -> None:
    async with serving() as site:
        stream = await follow(site)
        await site.post("/chat")
        second = [await stream.next() for _ in range(2)][1]
        stream.writer.close()
        if how == "header":
            again = await follow(site, Last_Event_ID=second["id"])
        else:
            again = await follow(site, f"/events?since={second['id']}")
        assert await again.kinds(2) == ["session.started", "session.ready"]


async def test_all_that_is_kept_can_be_had_from_zero(serving: Any) -> None:
    async with serving() as site:
        await site.post("/chat")
        stream = await follow(site, "/events?since=0")
        assert (await stream.next())["event"] == "session.accepted"


async def test_who_was_away_too_long_is_told_that_something_is_missing(serving: Any) -> None:
    async with serving(event_buffer_count=10) as site:
        for _ in range(5):
            await site.post("/chat")
        stream = await follow(site, Last_Event_ID="00000000-1")
        missed = await stream.next()
        assert missed["event"] == "events.missed"
        assert "id" not in missed  # resuming from it would skip what follows
        assert len(await stream.kinds(10)) == 10


async def test_a_quiet_stream_is_kept_alive(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.02)
    async with serving() as site:
        stream = await follow(site)
        async with asyncio.timeout(10 * PATIENCE):
            assert await stream.reader.readuntil(b": alive\n\n")


async def test_readers_are_bounded_and_a_gone_one_makes_room(serving: Any) -> None:
    async with serving(max_subscribers=2) as site:
        first, _ = await follow(site), await follow(site)
        refused = await site.get("/events")
        assert (refused.status, refused.json["type"]) == (503, "urn:bulkhead:problem:too_many_readers")
        first.writer.close()
        async with asyncio.timeout(10 * PATIENCE):
            while b"bulkhead_event_readers 1.0" not in (await site.get("/metrics")).body:
                await asyncio.sleep(0)
        await follow(site)


async def test_a_reader_that_does_not_read_is_cut_and_the_others_are_not(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "STALL_S", 0.3)
    async with serving(event_buffer_count=50) as site:
        registry = site.server.front.registry
        stalled = await follow(site)  # not read again until it was cut
        good = await follow(site)
        number = 0
        async with asyncio.timeout(30 * PATIENCE):
            while b"bulkhead_event_readers_cut_total 1.0" not in (await site.get("/metrics")).body:
                for _ in range(20):
                    number += 1
                    registry.announce("noise", {"n": number, "text": "x" * 20_000})
                seen = 0
                while seen < number:
                    seen = json.loads((await good.next())["data"])["n"]
        registry.announce("last", {"n": 0})
        assert (await good.next())["event"] == "last"
        async with asyncio.timeout(15 * PATIENCE):
            rest = await stalled.reader.read()  # to its end, which there would not be otherwise
        assert b"event: last" not in rest


@pytest.mark.parametrize("path", ["/events", "/studio/live"])
async def test_who_asks_for_the_head_alone_takes_no_place(serving: Any, path: str) -> None:
    async with serving(max_subscribers=1) as site:
        reader, writer = await site.connect()
        for _ in range(2):  # over one connection, which stays open
            writer.write(request("HEAD", path, headers={"Connection": "keep-alive"}))
            async with asyncio.timeout(15 * PATIENCE):
                status, headers = await read_head(reader)
            assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert b"bulkhead_event_readers 0.0" in (await site.get("/metrics")).body


async def test_streams_end_with_the_server_at_once(serving: Any) -> None:
    async with serving() as site:
        stream = await follow(site)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await site.server.stop()
        assert loop.time() - began < 1.0
        assert (await stream.next())["event"] == "server.draining"
        with pytest.raises(EOFError):
            await stream.next()
