from __future__ import annotations

from typing import Any

import pytest

from runtime.session.exit_reasons import ExitReason

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def _ready(site: Any) -> str:
    sid: str = (await site.post("/chat")).json["session"]
    await site.server.front.registry.wait(sid, until="settled", timeout_s=5)
    return sid


async def test_a_ping_tells_how_long_the_session_took(serving: Any) -> None:
    async with serving() as site:
        sid = await _ready(site)
        answer = await site.post(f"/workers/{sid}/ping", b"")
        assert (answer.status, answer.json) == (200, {"session": sid, "round_trip_ms": 1.0})


async def test_a_session_that_does_not_answer_a_ping_is_told_so(serving: Any) -> None:
    async with serving() as site:
        sid = await _ready(site)
        del site.placement.running[sid]
        answer = await site.post(f"/workers/{sid}/ping", b"")
        assert (answer.status, answer.json["type"]) == (504, "urn:bulkhead:problem:no_answer")
        assert "is ready, and did not answer" in answer.json["detail"]


async def test_a_ping_of_an_ended_session_says_that_it_ended(serving: Any) -> None:
    async with serving() as site:
        sid = await _ready(site)
        site.placement.exit(sid, ExitReason.SIGNAL)
        await site.server.front.registry.wait(sid, until="exited", timeout_s=5)
        answer = await site.post(f"/workers/{sid}/ping", b"")
        assert (answer.status, answer.json["type"]) == (409, "urn:bulkhead:problem:no_process")
        assert f"{sid} has ended: signal" in answer.json["detail"]
        assert answer.json["exit"]["reason"] == "signal"


async def test_a_ping_of_a_session_without_a_process_is_not_waited_for(serving: Any) -> None:
    async with serving() as site:
        site.placement.on_place = "nothing"
        sid = (await site.post("/chat")).json["session"]
        del site.placement.running[sid]
        answer = await site.post(f"/workers/{sid}/ping", b"")
        assert (answer.status, answer.json["type"]) == (409, "urn:bulkhead:problem:no_process")
        assert (await site.post("/workers/s_none/ping", b"")).status == 404


async def test_faults_are_refused_unless_the_server_was_told_to_allow_them(serving: Any) -> None:
    async with serving() as site:
        sid = await _ready(site)
        answer = await site.post(f"/workers/{sid}/faults", b'{"fault":"segfault"}')
        assert answer.status == 403
        assert "BULKHEAD_CHAOS=1" in answer.json["detail"]
        assert site.placement.faults == []


async def test_an_allowed_fault_reaches_the_session(serving: Any) -> None:
    async with serving(chaos=True) as site:
        sid = await _ready(site)
        assert (await site.post(f"/workers/{sid}/faults", b'{"fault":"segfault"}')).status == 202
        assert site.placement.faults == [(sid, "segfault")]
        for junk in (b"", b"[]", b'{"fault":1}', b'{"fault":"' + b"x" * 99 + b'"}'):
            assert (await site.post(f"/workers/{sid}/faults", junk)).status == 400
        far = await site.ask(
            "POST", f"/workers/{sid}/faults", b'{"fault":"exit"}', {"X-Forwarded-For": "203.0.113.7"}
        )
        assert far.status == 403
        assert len(site.placement.faults) == 1
