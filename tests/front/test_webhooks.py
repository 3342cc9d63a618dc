from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from runtime.session.exit_reasons import ExitReason
from runtime.wire.signature import meshagent_signature, standard_headers
from runtime.wire.webhook import encode
from tests.fakes import FakePlacement, endpoint
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

SECRET = "a-secret-of-at-least-thirty-two-bytes"
CALL = b'{"event":"room.call","data":{"room_name":"myroom"}}'


def signed(body: bytes, over: bytes | None = None, secret: str = SECRET) -> dict[str, str]:
    return {"Meshagent-Signature": meshagent_signature(body if over is None else over, secret)}


async def test_the_first_curl_works(serving: Any) -> None:
    async with serving() as site:
        form = {"Content-Type": "application/x-www-form-urlencoded"}  # what `curl -d` sends
        answer = await site.post("/chat", CALL, form)
        assert answer.status == 200
        sid = answer.json["session"]
        assert answer.json == {"ok": True, "session": sid}
        assert answer.headers["location"] == f"/workers/{sid}"
        spec, _ = site.placement.placed[0]
        assert spec.room_url == f"ws://127.0.0.1:{site.port}/rooms/myroom"
        assert (await site.get(f"/workers/{sid}")).json["room"] == "myroom"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{", {}),
        (b"{}", {}),
        (b"[]", {}),
        (b'{"event":"room.call","data":{}}', {}),
        (b'{"event":"room.call","data":{"room_name":1}}', {}),
        (CALL, {"Content-Type": "text/plain"}),
        (CALL, {"Idempotency-Key": "x" * 300}),
    ],
)
async def test_what_is_no_webhook_is_a_400_with_a_cure(serving: Any, body: bytes, headers: Any) -> None:
    async with serving() as site:
        answer = await site.post("/chat", body, headers)
        assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
        assert answer.json["type"] == "urn:bulkhead:problem:envelope_invalid"
        assert "Send" in answer.json["detail"]
        assert site.placement.placed == []


async def test_the_cure_names_the_content_type_or_the_rule_for_rooms(serving: Any) -> None:
    async with serving() as site:
        answer = await site.post("/chat", CALL, {"Content-Type": "text/plain; charset=utf-8"})
        assert "'text/plain'" in answer.json["detail"]
        answer = await site.post("/chat", CALL.replace(b"myroom", b"a/b"))
        assert "no slash" in answer.json["detail"]
        elsewhere = CALL.replace(b'"myroom"', b'"a/b","room_url":"wss://elsewhere/rooms/1"')
        assert (await site.post("/chat", elsewhere)).status == 200


async def test_a_plain_get_is_a_426_an_unknown_path_a_404_another_method_a_405(serving: Any) -> None:
    async with serving() as site:
        get = await site.get("/chat")
        assert (get.status, get.headers["upgrade"]) == (426, "websocket")
        for answer in (await site.get("/wether"), await site.post("/wether")):
            assert answer.status == 404
            assert answer.json["instance"] == "/wether"
            assert "Known paths: /chat" in answer.json["detail"]
        for body in (b"{}", b"not JSON"):  # where nothing is, what was sent there is not the news
            missed = await site.post("/chatt", body)
            assert (missed.status, missed.json["type"]) == (404, "urn:bulkhead:problem:endpoint_not_found")
            assert "Did you mean /chat?" in missed.json["detail"]
        put = await site.ask("PUT", "/chat")
        assert put.status == 405
        assert "POST" in put.headers["allow"]
        assert (await site.post("/workers/nothing/there")).json["type"].endswith("not_found")


async def test_an_unknown_event_is_taken_and_ignored(serving: Any) -> None:
    async with serving() as site:
        answer = await site.post("/chat", b'{"event":"room.renamed","data":{}}')
        assert (answer.status, answer.json) == (200, {"ok": True})
        assert site.placement.placed == []
        metrics = (await site.get("/metrics")).body.decode()
        assert 'bulkhead_webhooks_total{endpoint="/chat",outcome="ignored"} 1.0' in metrics


async def test_the_end_of_a_room_ends_its_sessions(serving: Any) -> None:
    async with serving() as site:
        sid = (await site.post("/chat")).json["session"]
        started = await site.post("/chat", encode("room.started", {"room_name": "myroom"}))
        assert (started.status, started.json) == (200, {"ok": True})
        assert (await site.post("/chat", encode("room.ended", {"room_name": "myroom"}))).json == {"ok": True}
        await site.server.front.registry.wait(sid, until="exited", timeout_s=5)
        assert site.placement.stopped == [(sid, ExitReason.ROOM_ENDED, None)]


# ---- signatures


async def test_a_compact_body_signed_over_its_bytes_is_accepted(serving: Any) -> None:
    async with serving(webhook_secret=SECRET) as site:
        assert (await site.post("/chat", CALL, signed(CALL))).status == 200
        again = json.dumps(json.loads(CALL)).encode()
        assert again != CALL
        assert (await site.post("/chat", CALL, signed(CALL, over=again))).status == 200
        utf8 = '{"event":"room.call","data":{"room_name":"café"}}'.encode()
        assert (await site.post("/chat", utf8, signed(utf8))).status == 200


async def test_what_is_not_signed_rightly_is_a_401_even_from_here(serving: Any) -> None:
    import jwt

    async with serving(webhook_secret=SECRET) as site:
        bare = {"Meshagent-Signature": f"Bearer {jwt.encode({}, SECRET, algorithm='HS256')}"}
        for headers in ({}, signed(CALL, secret="another"), signed(CALL, over=b"{}"), bare):
            answer = await site.post("/chat", CALL, headers)
            assert answer.status == 401
            assert answer.json["type"] == "urn:bulkhead:problem:signature_invalid"
        assert site.placement.placed == []


async def test_signed_calls_come_from_anywhere_unsigned_ones_from_here(serving: Any) -> None:
    far = {"X-Forwarded-For": "203.0.113.7"}
    async with serving() as site:
        refused = await site.post("/chat", CALL, far)
        assert (refused.status, refused.json["type"]) == (403, "urn:bulkhead:problem:not_trusted")
        assert "BULKHEAD_WEBHOOK_SECRET" in refused.json["detail"]


async def test_signed_from_afar(serving: Any) -> None:
    far = {"X-Forwarded-For": "203.0.113.7", "Host": "anything.example"}
    async with serving(webhook_secret=SECRET) as site:
        assert (await site.post("/chat", CALL, far | signed(CALL))).status == 200


async def test_a_replayed_webhook_is_the_same_session_and_an_old_one_is_refused(serving: Any) -> None:
    async with serving(webhook_secret=SECRET) as site:
        now = site.server.front.clock.wall()
        headers = standard_headers(CALL, SECRET, webhook_id="msg_1", at=now)
        answers = [(await site.post("/chat", CALL, headers)).json for _ in range(3)]
        assert answers[0] == answers[1] == answers[2]
        assert len(site.placement.placed) == 1
        old = standard_headers(CALL, SECRET, webhook_id="msg_2", at=now - 400)
        answer = await site.post("/chat", CALL, old)
        assert (answer.status, answer.json["type"]) == (401, "urn:bulkhead:problem:replayed")


async def test_an_id_that_comes_with_another_body_is_not_taken_for_the_first(serving: Any) -> None:
    async with serving(webhook_secret=SECRET) as site:
        now = site.server.front.clock.wall()
        await site.post("/chat", CALL, standard_headers(CALL, SECRET, webhook_id="msg_1", at=now))
        other = CALL.replace(b"myroom", b"another")
        refused = await site.post("/chat", other, standard_headers(other, SECRET, webhook_id="msg_1", at=now))
        assert (refused.status, refused.json["type"]) == (422, "urn:bulkhead:problem:id_reused")
        assert "Send a new id" in refused.json["detail"]


async def test_an_idempotency_key_names_a_call(serving: Any) -> None:
    async with serving() as site:
        key = {"Idempotency-Key": '"8e03978e"'}
        first, second = await asyncio.gather(site.post("/chat", CALL, key), site.post("/chat", CALL, key))
        assert first.json == second.json
        assert len(site.placement.placed) == 1


# ---- bounds


async def test_a_body_over_the_limit_is_a_413_for_a_client_that_writes_first(serving: Any) -> None:
    def write_all_then_read(port: int) -> bytes:
        head = (
            b"POST /chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 8000000\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(head + b"x" * 8_000_000)
            return b"".join(iter(lambda: client.recv(65536), b""))

    async with serving(max_body_bytes=2048) as site:
        answer = await asyncio.to_thread(write_all_then_read, site.port)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"urn:bulkhead:problem:body_too_large" in answer
        assert b"2048" in answer
        assert (await site.post("/chat", CALL + b" " * (2048 - len(CALL)))).status == 200


async def test_a_body_without_a_length_is_bounded_too(serving: Any) -> None:
    async with serving(max_body_bytes=2048) as site:
        chunks = b"".join(b"400\r\n" + b"x" * 1024 + b"\r\n" for _ in range(5)) + b"0\r\n\r\n"
        reader, writer = await site.connect()
        writer.write(
            b"POST /chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n" + chunks
        )
        assert (await reader.readuntil(b"\r\n")).split()[1] == b"413"


async def test_a_body_that_does_not_come_is_a_408(serving: Any) -> None:
    async with serving(body_timeout_s=0.1) as site:
        reader, writer = await site.connect()
        writer.write(b"POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{")
        async with asyncio.timeout(10 * PATIENCE):
            assert (await reader.readuntil(b"\r\n")).split()[1] == b"408"


async def test_too_many_starting_sessions_are_told_when_to_come_again(serving: Any) -> None:
    placement = FakePlacement(on_place="nothing", max_starting=1)
    async with serving(placement, supervisor={"max_queued": 0}) as site:
        assert (await site.post("/chat")).status == 200
        answer = await site.post("/chat")
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert answer.json["type"].endswith(":queue_full")
        placement.max_starting, placement.max_sessions = 9, 1
        answer = await site.post("/chat")
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")


async def test_a_bundle_that_cannot_run_says_why(serving: Any) -> None:
    async with serving() as site:
        site.placement.fail_bundle("No module named 'numpy'")
        answer = await site.post("/chat")
        assert answer.status == 503
        assert "numpy" in answer.json["detail"]


async def test_a_call_that_cannot_be_written_down_is_not_answered_as_done(serving: Any) -> None:
    async with serving() as site:
        await site.server.front.journal._db.execute("PRAGMA max_page_count = 1")
        huge = encode("room.call", {"room_name": "r", "arguments": {"x": "y" * 200_000}})
        answer = await site.post("/chat", huge)
        assert (answer.status, answer.json["type"]) == (503, "urn:bulkhead:problem:journal_unusable")
        assert "no space left" in answer.json["detail"]
        assert site.placement.placed == []
        assert (await site.get("/readyz")).status == 503


# ---- Prefer: wait


async def test_waiting_tells_that_the_agent_is_ready(serving: Any) -> None:
    async with serving() as site:
        answer = await site.post("/chat", CALL, {"Prefer": "respond-async, wait=5"})
        assert answer.status == 200
        assert answer.json["state"] == "ready"
        assert answer.headers["preference-applied"] == "wait=5"


async def test_waiting_tells_of_the_first_failure_of_a_session_that_is_started_again(serving: Any) -> None:
    placement = FakePlacement(listed=[endpoint("/chat", restart="on_failure")], on_place="fail")
    slow = {"restart_first_s": 600, "restart_most_s": 600}
    async with serving(placement, supervisor=slow) as site:
        answer = await site.post("/chat", CALL, {"Prefer": "wait=5"})
        assert (answer.status, answer.json["exit"]["reason"]) == (502, "start_error")
        assert "It is started again by itself" in answer.json["detail"]
        shown = (await site.get(f"/workers/{answer.json['session']}")).json
        assert (shown["state"], shown["exit"]) == ("starting", None)
        assert shown["restart"]["at"] is not None


async def test_waiting_tells_why_the_agent_is_not_ready(serving: Any) -> None:
    async with serving(FakePlacement(on_place="fail")) as site:
        answer = await site.post("/chat", CALL, {"Prefer": "wait=5"})
        assert (answer.status, answer.headers["content-type"]) == (502, "application/problem+json")
        assert answer.json["exit"]["reason"] == "start_error"
        assert answer.json["where"] == "main.py:3 in start"
        report = await site.get(f"/workers/{answer.json['session']}/crash")
        assert report.json["failure"]["traceback"] == "Traceback"


async def test_waiting_ends_when_it_was_asked_to(serving: Any) -> None:
    async with serving(FakePlacement(on_place="nothing")) as site:
        answer = await site.post("/chat", CALL, {"Prefer": "wait=0"})
        assert (answer.status, answer.json["state"]) == (202, "starting")


async def test_an_id_whose_session_is_forgotten_is_answered_as_the_first_time(serving: Any) -> None:
    headers = {"Prefer": "wait=5", "Idempotency-Key": "once"}
    async with serving(history_count=1) as site:
        first = (await site.post("/chat", CALL, headers)).json["session"]
        for session in (first, *[(await site.post("/chat")).json["session"] for _ in range(3)]):
            await site.ask("DELETE", f"/workers/{session}")
        assert (await site.get(f"/workers/{first}")).status == 404
        again = await site.post("/chat", CALL, headers)
        assert (again.status, again.json["session"]) == (200, first)


async def test_an_empty_webhook_header_says_nothing(serving: Any) -> None:
    async with serving() as site:
        assert (await site.post("/chat", headers={"Meshagent-Webhook": ""})).status == 200
        assert (await site.get("/chat", Meshagent_Webhook="")).status == 426
