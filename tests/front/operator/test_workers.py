from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from runtime.confinement.level import Level
from runtime.confinement.policy import Policy, shown
from runtime.front.operator import workers
from runtime.session.event_kinds import fields_of
from runtime.session.events import Refused, Started
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import BundleInfo, LogLine, MessageSeen, Vitals
from runtime.session.spec import SessionId
from runtime.session.use import UsePoint
from runtime.wire.looking.profile import Profile
from tests.fakes import FakePlacement, endpoint
from tests.front.operator.test_events import follow
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

WORKER_KEYS = {
    *("id", "state", "pid", "endpoint", "identity", "room", "bundle", "generation", "uptime_s", "cpu_s"),
    *("rss_bytes", "pss_bytes", "fds", "threads", "children", "lag_ms", "last_heartbeat", "restarts"),
    *("limits", "exit"),
}


def line(seq: int, text: str = "") -> LogLine:
    return LogLine(seq=seq, at=1.0, stream="output", text=text or f"line {seq}")


async def called(site: Any, state: str = "ready") -> str:
    sid: str = (await site.post("/chat")).json["session"]
    if state == "ready":
        await site.server.front.registry.wait(sid, until="settled", timeout_s=5)
    return sid


async def ended(site: Any, sid: str, reason: ExitReason = ExitReason.SIGNAL, **more: Any) -> None:
    site.placement.exit(sid, reason, **more)
    await site.server.front.registry.wait(sid, until="exited", timeout_s=5)


async def test_the_list_shows_endpoints_bundles_and_sessions(serving: Any) -> None:
    async with serving() as site:
        site.placement.listed_bundles = [
            BundleInfo(
                name="broken", source="broken.py", generation=1, state="failed", error="no", detail="Trace"
            )
        ]
        sid = await called(site)
        found = (await site.get("/workers")).json
        assert found["endpoints"][0]["path"] == "/chat"
        assert "error" not in found["endpoints"][0]
        assert found["bundles"][0]["detail"] == "Trace"
        (worker,) = found["workers"]
        assert set(worker) >= WORKER_KEYS
        assert (worker["node"], worker["boot"]) == ("fake", "b1")
        assert len((await site.get("/workers?node=fake")).json["workers"]) == 1
        assert (await site.get("/workers?node=other")).json["workers"] == []
        assert (worker["id"], worker["state"], worker["pid"], worker["rss_bytes"]) == (sid, "ready", 4242, 7)
        assert worker["exit"] is None


async def test_the_ended_are_listed_when_asked_for(serving: Any) -> None:
    async with serving() as site:
        sid = await called(site)
        await ended(site, sid, signal=11)
        assert (await site.get("/workers")).json["workers"] == []
        (worker,) = (await site.get("/workers?all=1")).json["workers"]
        assert (worker["state"], worker["exit"]["reason"], worker["exit"]["signal"]) == (
            "exited",
            "signal",
            11,
        )
        one = (await site.get(f"/workers/{sid}")).json
        assert one == worker | {"processes": [], "curve": {"t_s": [], "cpu": [], "rss_bytes": []}}


async def test_a_session_nobody_knows_is_a_404(serving: Any) -> None:
    async with serving() as site:
        for path in ("/workers/s_X", "/workers/s_X/logs", "/workers/s_X/crash", "/workers/s_X/stacks"):
            answer = await site.get(path)
            assert (answer.status, answer.json["type"]) == (404, "urn:bulkhead:problem:session_not_found")
        assert (await site.ask("DELETE", "/workers/s_X")).status == 404


async def test_a_session_is_ended_and_shown_as_ended(serving: Any) -> None:
    async with serving() as site:
        sid = await called(site)
        answer = await site.ask("DELETE", f"/workers/{sid}?grace_s=2.5")
        assert (answer.status, answer.json["exit"]["reason"]) == (200, "stopped")
        assert site.placement.stopped == [(sid, ExitReason.STOPPED, 2.5)]
        assert (await site.ask("DELETE", f"/workers/{sid}")).status == 200
        assert (await site.ask("DELETE", f"/workers/{sid}?grace_s=soon")).status == 400


async def test_a_session_that_makes_way_for_new_code_gets_time_to_finish(serving: Any) -> None:
    async with serving() as site:
        sid = await called(site)
        assert (await site.ask("DELETE", f"/workers/{sid}?reload=true")).status == 200
        assert site.placement.finishes == [site.server.front.configuration.supervisor.reload_s]


async def test_log_lines_are_paged_by_number(serving: Any) -> None:
    async with serving() as site:
        sid = await called(site)
        site.placement.lines[sid] = [line(1), line(2), line(5)]
        first = (await site.get(f"/workers/{sid}/logs")).json
        assert [one["seq"] for one in first["lines"]] == [1, 2, 5]
        assert first["next"] == 5
        assert (await site.get(f"/workers/{sid}/logs?after=2")).json["lines"][0]["text"] == "line 5"
        assert (await site.get(f"/workers/{sid}/logs?after=5")).json == {
            "session": sid,
            "lines": [],
            "next": 5,
            "dropped": 0,
        }
        assert (await site.get(f"/workers/{sid}/logs?after=x")).status == 400


@pytest.mark.parametrize("accept", ["text/event-stream", "*/*"])
async def test_a_log_is_followed_to_the_end_of_its_session(serving: Any, accept: str) -> None:
    async with serving() as site:
        sid = await called(site)
        site.placement.lines[sid] = [line(1)]
        following = asyncio.create_task(
            site.ask("GET", f"/workers/{sid}/logs?follow=1", headers={"Accept": accept})
        )
        await asyncio.sleep(0)
        site.placement.lines[sid].append(line(2, "grüße"))
        await ended(site, sid)
        body = (await following).body.decode()
        if accept == "*/*":
            lines = [text for text in body.splitlines() if text.startswith("{")]
        else:
            assert "id: 2\nevent: line\ndata: " in body
            lines = [text.removeprefix("data: ") for text in body.splitlines() if text.startswith("data: ")]
        assert [json.loads(text)["text"] for text in lines] == ["line 1", "grüße"]


async def test_a_report_is_there_once_the_session_ended(serving: Any) -> None:
    async with serving(FakePlacement(on_place="started")) as site:
        sid = await called(site, "started")
        early = await site.get(f"/workers/{sid}/crash")
        assert (early.status, early.json["type"]) == (409, "urn:bulkhead:problem:not_exited")
        await ended(site, sid, signal=11)
        report = (await site.get(f"/workers/{sid}/crash")).json
        assert (report["exit"]["signal"], report["failure"]) == (11, None)


async def test_stacks_are_text_as_long_as_there_is_a_process(serving: Any) -> None:
    async with serving() as site:
        sid = await called(site)
        assert (await site.get(f"/workers/{sid}/stacks")).body == b"Thread 1\n"
        await ended(site, sid)
        answer = await site.get(f"/workers/{sid}/stacks")
        assert (answer.status, answer.json["exit"]["reason"]) == (409, "signal")
        assert answer.json["detail"].startswith(f"session {sid} has ended: signal. GET /workers/{sid}/logs ")


async def test_of_a_frozen_session_that_nobody_can_look_at_it_is_said_how_it_goes_on(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as site:
        sid = await called(site)
        site.placement.profiles[sid] = Profile(failed="Its process let nobody look at it in that time.")
        monkeypatch.setattr(site.placement, "glance", lambda _: Vitals(frozen=True))
        answer = await site.get(f"/workers/{sid}/profile")
        cure = f"POST /workers/{sid}/thaw lets it go on."
        assert (answer.status, answer.json["cure"]) == (409, cure)


async def test_the_list_is_narrowed_by_what_is_asked_for(serving: Any) -> None:
    placement = FakePlacement(listed=[endpoint("/chat"), endpoint("/helper")])
    async with serving(placement) as site:
        chat = await called(site)
        other = (await site.post("/helper", b'{"event":"room.call","data":{"room_name":"b"}}')).json[
            "session"
        ]
        await site.server.front.registry.wait(other, until="settled", timeout_s=5)

        async def listed(query: str) -> list[str]:
            return [one["id"] for one in (await site.get(f"/workers?{query}")).json["workers"]]

        assert await listed("endpoint=/helper") == [other]
        assert await listed("identity=chat&room=myroom") == [chat]
        assert await listed("room=empty") == []
        assert await listed("state=ready&room=b") == [other]
        assert await listed("state=exited") == []
        await ended(site, chat)
        assert await listed("state=exited") == [chat]  # without all=1: that is what was asked for
        assert await listed("all=1&state=ready") == [other]


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [("state=running", 400, "accepted, starting, ready"), ("endpoint=/nope", 404, "Known paths: /chat")],
)
async def test_a_list_of_what_there_cannot_be_is_an_error_that_says_what_there_is(
    serving: Any, query: str, status: int, says: str
) -> None:
    async with serving() as site:
        refused = await site.get(f"/workers?{query}")
        assert refused.status == status
        assert says in refused.json["detail"]


async def test_a_session_has_its_curve_as_shares_and_bytes(serving: Any) -> None:
    async with serving() as site:
        sid = await called(site)
        site.placement.curves[sid] = (
            UsePoint(t_s=1.0, rss_bytes=10, pss_bytes=0, cpu_s=0.5, processes=1),
            UsePoint(t_s=3.0, rss_bytes=30, pss_bytes=0, cpu_s=2.0, processes=2),
        )
        found = (await site.get(f"/workers/{sid}")).json
        assert found["curve"] == {"t_s": [1.0, 3.0], "cpu": [0.5, 0.75], "rss_bytes": [10, 30]}
        await ended(site, sid)
        assert (await site.get(f"/workers/{sid}")).json["curve"] == {"t_s": [], "cpu": [], "rss_bytes": []}


async def test_a_session_has_the_messages_of_its_room_without_what_is_in_them(serving: Any) -> None:
    async with serving() as site:
        sid = await called(site)
        site.placement.seen_messages[sid] = [
            MessageSeen(1.0, "in", "messaging.send chat", 120),
            MessageSeen(2.0, "out", "sync.update", 900, count=3),
        ]
        found = (await site.get(f"/workers/{sid}/messages")).json
        assert found["dropped"] == 0
        assert found["messages"][1] == {
            "at": "1970-01-01T00:00:02.000Z",
            "direction": "out",
            "kind": "sync.update",
            "bytes": 900,
            "count": 3,
            "summary": "3 in a row",
        }
        assert (await site.get("/workers/s_none/messages")).status == 404


async def test_of_many_sessions_only_some_are_measured_for_a_list(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "EXACT_COUNT", 2)
    async with serving() as site:
        for number in range(5):
            body = f'{{"event":"room.call","data":{{"room_name":"r{number}"}}}}'
            sid = (await site.post("/chat", body.encode())).json["session"]
            await site.server.front.registry.wait(sid, until="settled", timeout_s=5)
        measured: list[str] = []
        taken, weighed = Vitals(rss_bytes=7), Vitals(rss_bytes=9, pss_bytes=4, fds=2)

        async def take(one: str) -> Vitals:
            measured.append(one)
            return taken

        monkeypatch.setattr(site.placement, "vitals", take)
        glances = [None, weighed, Vitals(rss_bytes=9), Vitals(rss_bytes=9), weighed]
        by_session = dict(zip(site.placement.running, glances, strict=True))
        monkeypatch.setattr(site.placement, "glance", by_session.__getitem__)
        listed = (await site.get("/workers")).json["workers"]
        assert [one["rss_bytes"] for one in listed] == [7, 9, 7, 9, 9]
        assert measured == [listed[0]["id"], listed[2]["id"]]


async def test_what_a_session_may_reach_and_was_refused_is_shown_and_told(serving: Any) -> None:
    async with serving() as site:
        free = await called(site)
        assert (await site.get(f"/workers/{free}")).json["confinement"] is None
        sid = await called(site)
        policy = Policy(Level.BASIC, write=("/data",))
        emit = site.placement.emit
        emit(Started(session_id=SessionId(sid), at=1.0, pid=7, confinement=shown(policy)))
        found = {"rule": "files.read", "what": "/x", "message": "refused files.read /x", "cure": "read"}
        emit(Refused(session_id=SessionId(sid), at=2.0, found=(found,), counts={"files.read": 3}))
        stream = await follow(site, "/events?since=0")
        async with asyncio.timeout(5 * PATIENCE):
            while (event := await stream.next())["event"] != "confinement.refused":
                pass
        told = json.loads(event["data"])
        assert (told["session"], told["rule"], told["cure"]) == (sid, "files.read", "read")
        assert set(told) == set(fields_of("confinement.refused"))
        held = (await site.get(f"/workers/{sid}")).json["confinement"]
        assert held["level"] == "basic"
        assert held["files"] == {"read": [], "write": ["/data"]}
        assert held["refused"] == {"files.read": 3}
        emit(Started(session_id=SessionId(sid), at=3.0, pid=7, confinement={"of": "another version"}))
        emit(Refused(session_id=SessionId(sid), at=4.0, found=(found,), counts={}))
        while (await stream.next())["event"] != "confinement.refused":
            pass
        assert (await site.get(f"/workers/{sid}")).json["confinement"] is None


async def test_an_ended_session_is_called_again_with_its_arguments(serving: Any) -> None:
    data = {"room_name": "lab", "arguments": {"topic": "ships"}}
    async with serving() as site:
        answer = await site.post("/chat", json.dumps({"event": "room.call", "data": data}).encode())
        first = answer.json["session"]
        assert (await site.post(f"/workers/{first}/again")).status == 409
        site.placement.exit(first, ExitReason.STOPPED)
        await site.server.front.registry.wait(first, until="exited", timeout_s=5)
        again = await site.post(f"/workers/{first}/again")
        spec = site.server.front.registry.record(again.json["session"]).spec
        assert spec.session_id != first
        assert (spec.endpoint, spec.room, spec.arguments) == ("/chat", "lab", {"topic": "ships"})
