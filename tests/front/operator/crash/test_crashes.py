"""Reports over HTTP: one session's, the kinds there were, and when there is none."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from runtime.front.home.contents import CRASHES
from runtime.session.crash import Code, CrashReport, PipeTraffic
from runtime.session.events import Exited, Released
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import LogLine, MessageSeen
from runtime.session.record import Exit, Failure
from runtime.session.spec import SessionId
from runtime.session.use import Use, UsePoint
from runtime.wire.trace import Excerpt, Frame, TaskTrace
from tests.fakes import FakePlacement
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


def report(sid: str, **more: Any) -> CrashReport:
    failure = Failure(stage="run", kind="ValueError", message="no", where="/srv/main.py:4 in f")
    given: dict[str, Any] = {
        "session_id": SessionId(sid),
        "endpoint": "/chat",
        "identity": "chat",
        "room": "myroom",
        "generation": 1,
        "exit": Exit(reason=ExitReason.AGENT_ERROR, message="no", code=71, at=1000.0, failure=failure),
        "sentence": "A background task raised: ValueError: no",
        "cure": "Mend it.",
        "fingerprint": "abcdef012345",
        "at": 1000.0,
        "where": "/srv/main.py:4 in f",
        "traceback": "Traceback …",
        "code": Code(bundle="demo", generation=3, file="/srv/main.py", sha256="f" * 64, modified_at=900.0),
        "excerpt": Excerpt(file="/srv/main.py", first=3, marked=4, lines=["def f():", "    raise"]),
        "frames": (Frame(file="/srv/main.py", line=4, function="f", own=True, locals={"x": "1"}),),
        "log": (LogLine(seq=1, at=999.0, stream="output", text="hello"),),
        "messages": (PipeTraffic(direction="in", kind="start", at=998.0, size_bytes=10),),
        "room_messages": (MessageSeen(999.0, "in", "messaging.send chat", 212),),
        **more,
    }
    return CrashReport(**given)


async def called(site: Any) -> str:
    sid: str = (await site.post("/chat")).json["session"]
    await site.server.front.registry.wait(sid, until="settled", timeout_s=5)
    return sid


async def crashed(site: Any, sid: str, **more: Any) -> CrashReport:
    made = report(sid, **more)
    site.placement.running.pop(sid, None)
    site.placement.emit(Exited(session_id=SessionId(sid), at=1000.0, exit=made.exit, report=made))
    site.placement.emit(Released(session_id=SessionId(sid), at=1000.0))
    await site.server.front.registry.wait(sid, until="exited", timeout_s=5)
    return made


async def test_a_report_is_shown_whole(serving: Any) -> None:
    async with serving() as site:
        sid = await called(site)
        await crashed(site, sid)
        found = (await site.get(f"/workers/{sid}/crash")).json
        assert (found["session"], found["exit"]["reason"], found["exit"]["code"]) == (sid, "agent_error", 71)
        assert found["at"] == "1970-01-01T00:16:40.000Z"
        assert (found["failure"]["kind"], found["failure"]["traceback"]) == ("ValueError", "Traceback …")
        assert found["frames"][0]["locals"] == {"x": "1"}
        assert found["excerpt"]["marked"] == 4
        assert found["log"][0]["text"] == "hello"
        assert found["messages"][0]["kind"] == "start"
        (message,) = found["room_messages"]
        assert (message["at"], message["kind"]) == ("1970-01-01T00:16:39.000Z", "messaging.send chat")
        assert (message["direction"], message["bytes_count"], message["count"]) == ("in", 212, 1)
        assert found["code"]["generation"] == 3
        described = (await site.get("/openapi.json")).json["components"]["schemas"]["CrashReport"]
        assert set(found) == set(described["properties"])


async def test_a_bundle_has_all_of_it_as_text_and_as_data(serving: Any) -> None:
    async with serving() as site:
        sid = await called(site)
        tasks = (TaskTrace("news", "Future", ["/srv/main.py:9 in wait"], own=True),)
        curve = Use(curve=(UsePoint(0.5, 7 << 20, 5 << 20, 0.25, 2),))
        hidden = {"api_key": "•••"}
        await crashed(site, sid, tasks=tasks, use=curve, native="Current thread", arguments=hidden)
        answer = await site.get(f"/workers/{sid}/crash/bundle")
        assert answer.headers["content-type"] == "application/gzip"
        assert f"crash-{sid}.tar.gz" in answer.headers["content-disposition"]
        with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
            found = {}
            for name in archive.getnames():
                file = archive.extractfile(name)
                assert file is not None
                found[name.removeprefix(f"crash-{sid}/")] = file.read().decode()
        assert json.loads(found["report.json"]) == (await site.get(f"/workers/{sid}/crash")).json
        assert "A background task raised: ValueError: no" in found["report.txt"]
        assert found["log.txt"] == "1970-01-01T00:16:39.000Z hello\n"
        stacks = found["stacks.txt"]
        assert stacks.index("Traceback") < stacks.index("Current thread") < stacks.index("Task news")
        assert json.loads(found["call.json"])["arguments"] == hidden
        assert "→    4      raise" in found["source.txt"]
        assert "f" * 64 in found["source.txt"]
        assert found["use.csv"].splitlines()[1] == f"0.5,{7 << 20},{5 << 20},0.25,2"
        assert "python" in json.loads(found["versions.json"])
        named = {word for word in found["README.txt"].split() if word.endswith((".txt", ".json", ".csv"))}
        assert set(found) == named | {"README.txt"}
        assert (await site.get(f"/workers/{sid}/crash/bundle")).body == answer.body
        assert (await site.get("/workers/s_X/crash/bundle")).status == 404


async def test_a_bundle_of_a_hostile_report_is_bounded_and_has_no_control_characters(serving: Any) -> None:
    async with serving() as site:
        sid = await called(site)
        noise = "\x1b]0;" * 400
        log = tuple(LogLine(seq=n, at=999.0, stream="output", text=noise) for n in range(50))
        await crashed(site, sid, log=log, sentence=noise, native=noise * 20)
        body = (await site.get(f"/workers/{sid}/crash/bundle")).body
        unpacked = gzip.decompress(body)
        assert len(unpacked) < 4 << 20
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            for name in ("report.txt", "log.txt"):
                file = archive.extractfile(f"crash-{sid}/{name}")
                assert file is not None
                assert b"\x1b" not in file.read()


async def test_kinds_are_counted_over_sessions_and_a_restart(serving: Any) -> None:
    async with serving() as site:
        first, second = await called(site), await called(site)
        await crashed(site, first)
        await crashed(site, second, at=2000.0)
    async with serving(FakePlacement()) as site:
        (group,) = (await site.get("/crashes")).json["crashes"]
        assert (group["count"], group["session_id"], group["code_generation"]) == (2, second, 3)
        assert group["first_at"] < group["last_at"]
        one = (await site.get(f"/crashes/{group['fingerprint']}")).json
        assert [item["session"] for item in one["sessions"]] == [second, first]
        assert one["report"]["session"] == second
        assert (await site.get(f"/workers/{first}/crash")).json["session"] == first
        assert (await site.get("/crashes/nothing")).status == 404


async def test_a_session_that_ended_well_has_no_report(serving: Any) -> None:
    async with serving() as site:
        sid = await called(site)
        await site.ask("DELETE", f"/workers/{sid}")
        answer = await site.get(f"/workers/{sid}/crash")
        assert (answer.status, answer.json["type"]) == (404, "urn:bulkhead:problem:not_crashed")
        assert "ended well: stopped" in answer.json["detail"]
        assert (await site.get("/crashes")).json == {"crashes": []}


async def test_the_feed_and_the_metrics_tell_of_it_after_the_end_and_the_report_is_there_then(
    serving: Any,
) -> None:
    async with serving() as site:
        sid = await called(site)
        reader, writer = await site.connect()
        writer.write(b"GET /events?since=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await crashed(site, sid)
        kinds: list[str] = []
        async with asyncio.timeout(10 * PATIENCE):
            while "session.crashed" not in kinds:
                line = (await reader.readline()).decode()
                if line.startswith("data: {"):
                    event = json.loads(line.removeprefix("data: "))
                    kinds.append(event["type"])
        assert kinds[-2:] == ["session.exited", "session.crashed"]
        assert (event["session"], event["reason"], event["fingerprint"]) == (
            sid,
            "agent_error",
            "abcdef012345",
        )
        assert event["sentence"]
        assert (await site.get(f"/workers/{sid}/crash")).status == 200
        metrics = (await site.get("/metrics")).body.decode()
        assert 'bulkhead_crashes_total{endpoint="/chat",reason="agent_error"} 1.0' in metrics


async def test_a_session_lost_with_its_server_has_a_report_of_what_is_known(serving: Any) -> None:
    async with serving() as site:
        sid = await called(site)
        await site.server.front.journal.flush()
        site.placement.running.clear()  # nobody tells of its end any more
    async with serving(FakePlacement()) as site:
        found = (await site.get(f"/workers/{sid}/crash")).json
        assert found["exit"]["reason"] == "front_lost"
        assert found["sentence"] == "The server ended while this session ran"  # once
        assert found["unknown"]["frames"]


async def test_reports_are_for_operators_and_their_file_for_its_owner(serving: Any, tmp_path: Path) -> None:
    async with serving(api_token="t0ken") as site:
        for path in ("/crashes", "/crashes/x", "/workers/s_x/crash"):
            assert (await site.get(path, X_Forwarded_For="203.0.113.7")).status == 401
        assert (tmp_path / "state" / CRASHES).stat().st_mode & 0o077 == 0
