from __future__ import annotations

import gzip
from typing import Any

import pytest

from runtime.front.http.problems import STATUS
from runtime.session.info import BundleInfo
from tests.fakes import FakePlacement, endpoint
from tests.front.conftest import read_head, request

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_liveness_is_exactly_what_is_asked_for(serving: Any) -> None:
    async with serving() as site:
        assert (await site.get("/")).body.strip() == b'{"ok":true}'
        assert (await site.get("/livez")).status == 200


async def test_a_browser_at_the_root_is_led_to_the_studio_and_finds_its_icon(serving: Any) -> None:
    async with serving() as site:
        for accept in ("*/*", "application/json", "application/json, text/html;q=0.5"):
            answer = await site.get("/", Accept=accept)
            assert answer.json == {"ok": True}, accept
            assert answer.headers["vary"] == "Accept"
        browser = await site.get("/", Accept="text/html,application/xhtml+xml,*/*;q=0.8")
        assert (browser.status, browser.headers["location"]) == (303, "/studio/")
        icon = await site.get("/favicon.ico")
        assert (icon.status, icon.headers["content-type"]) == (200, "image/svg+xml")


async def test_what_is_live_is_never_stored(serving: Any) -> None:
    async with serving(webhook_secret="") as site:
        sid = (await site.post("/chat")).json["session"]
        live = ("/", "/livez", "/readyz", "/healthz", "/metrics", "/workers", f"/workers/{sid}", "/rooms",
                f"/workers/{sid}/logs", "/usage", "/crashes", "/settings", "/studio/me", "/nope",
                "/.well-known/meshagent-service.json", f"/workers/{sid}/stacks", "/quarantine")  # fmt: skip
        for path in live:
            assert (await site.get(path)).headers["cache-control"] == "no-store", path
        answers = [await site.post("/rooms/r/token", b""), await site.post("/chat"),
                   await site.post("/chat", b'{"event":"room.started","data":{"room_name":"r"}}'),
                   await site.ask("PUT", "/workers")]  # fmt: skip
        assert [answer.headers["cache-control"] for answer in answers] == ["no-store"] * 4
        for path in ("/events", "/studio/live", f"/workers/{sid}/logs?follow=1"):
            reader, writer = await site.connect()
            writer.write(request("GET", path, headers={"Accept-Encoding": "gzip"}))
            _, headers = await read_head(reader)
            assert (headers["cache-control"], headers.get("content-encoding")) == ("no-store", None), path


async def test_answers_of_a_kibibyte_and_more_are_compressed_for_who_can_read_that(serving: Any) -> None:
    async with serving() as site:
        plain = await site.get("/settings")
        assert len(plain.body) > 1024
        assert "content-encoding" not in plain.headers
        assert "Accept-Encoding" in plain.headers["vary"]
        packed = await site.get("/settings", Accept_Encoding="br, gzip")
        assert packed.headers["content-encoding"] == "gzip"
        assert "Accept-Encoding" in packed.headers["vary"]
        assert gzip.decompress(packed.body) == plain.body
        assert len(packed.body) < len(plain.body) / 2
        refused = await site.get("/settings", Accept_Encoding="gzip;q=0, br")
        assert refused.body == plain.body
        small = await site.get("/livez", Accept_Encoding="gzip")
        assert ("content-encoding" in small.headers, "vary" in small.headers) == (False, False)
        head = await site.ask("HEAD", "/settings", headers={"Accept-Encoding": "gzip"})
        assert head.headers["content-length"] == str(len(packed.body))


async def test_the_specification_names_the_port_that_is_really_listened_on(serving: Any) -> None:
    placement = FakePlacement(listed=[endpoint("/chat"), endpoint("/x", permissions={"messaging": {}})])
    async with serving(placement) as site:
        found = (await site.get("/.well-known/meshagent-service.json")).json
        assert site.port != 0
        assert found == {
            "version": "v1",
            "kind": "Service",
            "metadata": {"name": "<YOUR_SERVICE_NAME>"},
            "container": {"image": ""},
            "ports": [
                {
                    "num": site.port,
                    "type": "http",
                    "endpoints": [
                        {"path": "/chat", "meshagent": {"identity": "chat"}},
                        {"path": "/x", "meshagent": {"identity": "x", "api": {"messaging": {}}}},
                    ],
                }
            ],
        }


async def test_rows_of_bundles_that_cannot_run_are_not_endpoints(serving: Any) -> None:
    placement = FakePlacement(
        listed=[
            endpoint("/chat"),
            endpoint("", state="failed", error="does not import"),
            endpoint("/taken", state="failed", error="claimed by two"),
        ]
    )
    async with serving(placement) as site:
        spec = (await site.get("/.well-known/meshagent-service.json")).json
        assert [one["path"] for one in spec["ports"][0]["endpoints"]] == ["/chat"]
        assert (await site.get("/healthz")).json["endpoints"] == 1
        missing = await site.post("/nope")
        assert missing.json["detail"].rstrip(".").endswith("Known paths: /chat")
        failed = await site.post("/taken")
        assert "claimed by two" in failed.json["detail"]


async def test_readiness_says_why_not(serving: Any) -> None:
    async with serving() as site:
        assert (await site.get("/readyz")).status == 200
        site.placement.listed_bundles = [
            BundleInfo(name="b", source="b.py", generation=3, state="failed", error="no")
        ]
        verbose = (await site.get("/readyz?verbose")).json
        assert verbose["checks"]["bundles"] == {"b": "no"}  # a red row, not a failed server
        assert (verbose["status"], verbose["bundles"]) == ("degraded", {"b": "no"})
        far = await site.get("/readyz?verbose", X_Forwarded_For="203.0.113.7")
        assert far.json == {"status": "degraded", "bundles": {"b": "failed"}}  # not what is in its files
        health = (await site.get("/healthz")).json
        assert (health["status"], health["generation"], health["endpoints"]) == ("degraded", 3, 1)
        site.server.front.is_ready = False
        not_ready = await site.get("/readyz")
        assert (not_ready.status, not_ready.json["reasons"]) == (503, ["starting"])
        assert (await site.post("/chat")).json["type"].endswith("starting")


async def test_health_says_what_keeps_the_limits_and_whether_the_descriptors_suffice(serving: Any) -> None:
    async with serving() as site:
        verbose = (await site.get("/healthz?verbose")).json
        assert verbose["enforcement"] == {
            "limits": {"memory": "watching"},
            "kill": "signals",
            "group": "",
            "reason": "not here",
            "confinement": {},
        }
        assert (verbose["containers"]["engine"], verbose["containers"]["ok"]) == ("process", True)
        assert "not isolated like a container" in verbose["containers"]["detail"]
        assert verbose["containers"]["running"] == 0
        assert b'bulkhead_containers{engine="process"} 0.0' in (await site.get("/metrics")).body
        assert verbose["descriptors"]["sessions"] >= 100
        assert "warning" not in verbose["descriptors"]
        site.placement.max_sessions = 10_000_000
        warning = (await site.get("/healthz?verbose")).json["descriptors"]["warning"]
        assert "of 10000000 sessions; raise the hard limit of open files" in warning
        far = await site.get("/healthz?verbose", X_Forwarded_For="203.0.113.7")
        assert "enforcement" not in far.json


async def test_metrics_and_the_operator_api_are_not_for_strangers(serving: Any) -> None:
    async with serving(api_token="t0ken") as site:
        for path in ("/metrics", "/workers", "/workers/s_x", "/events", "/rooms"):
            assert (await site.get(path, X_Forwarded_For="203.0.113.7")).status == 401
            far = (
                await site.get(path, X_Forwarded_For="203.0.113.7", Authorization="Bearer t0ken", Accept="x")
                if path != "/events"
                else None
            )
            assert far is None or far.status in (200, 404)
        figures = await site.get("/metrics", Authorization="Bearer t0ken")
        assert b"bulkhead_sessions_max 100.0" in figures.body


async def test_every_error_is_a_problem_with_the_request_it_belongs_to(serving: Any) -> None:
    async with serving() as site:
        answer = await site.get("/nothing", X_Request_Id="abc-1")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-request-id"] == "abc-1"
        members = {"type", "title", "status", "detail", "instance", "request_id", "cure"}
        assert set(answer.json) == members
        assert answer.json["request_id"] == "abc-1"
        forged = await site.get("/nothing", X_Request_Id="<script>")
        assert forged.headers["x-request-id"].startswith("req_")


async def test_our_own_mistake_is_a_500_without_its_details(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as site:
        monkeypatch.setattr(site.placement, "bundles", lambda: 1 / 0)
        answer = await site.get("/healthz")
        assert (answer.status, answer.json["type"]) == (500, "urn:bulkhead:problem:internal")
        assert "division" not in answer.body.decode()


async def test_another_sites_page_cannot_call_an_agent_or_read_the_workers(serving: Any) -> None:
    async with serving() as site:
        evil = await site.post("/chat", headers={"Origin": "http://evil.example"})
        assert (evil.status, evil.json["type"]) == (403, "urn:bulkhead:problem:cross_site")
        rebound = await site.get("/workers", Host="evil.example")
        assert (rebound.status, rebound.json["type"]) == (421, "urn:bulkhead:problem:host_unknown")


async def test_every_problem_has_a_status_that_is_an_error() -> None:
    assert all(400 <= status < 600 and title for status, title in STATUS.values())
