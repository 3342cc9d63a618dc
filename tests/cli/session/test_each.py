"""Commands that are given several: each is told once, and one that fails keeps no other from it."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.unit

GONE = {
    "title": "No such session",
    "detail": "no session s_9. GET /workers?all=1 lists the ones that are known.",
    "cure": "GET /workers?all=1 lists the ones that are known.",
}
TOLD = "error: no session s_9\n  `bulkhead ps -a` lists the ones that are known.\n"


def test_an_unknown_session_is_told_once_and_the_others_are_stopped(server: Any, bulkhead: Any) -> None:
    server.answer("GET /workers/s_9", GONE, 404)
    server.answer("GET /workers/s_1", {"state": "ready"})
    server.answer("GET /workers/s_2", {"state": "exited", "exit": {"reason": "cancelled"}})
    ran = bulkhead("stop", "--dry-run", "s_9", "s_1", "--url", server.url)
    assert (ran.status, ran.out, ran.err) == (1, "would stop s_1\n", TOLD)
    server.answer("DELETE /workers/s_1", {})
    ran = bulkhead("stop", "s_9", "s_1", "s_1", "s_2", "--url", server.url)
    told = "stopped s_1\ns_2 had ended already: cancelled\n"
    assert (ran.status, ran.out, ran.err) == (1, told, TOLD)


def test_an_id_is_no_path(server: Any, bulkhead: Any) -> None:
    server.answer("GET /workers/..%2Frooms%2Fa%20b%3F", {"state": "ready"})
    server.answer("DELETE /workers/..%2Frooms%2Fa%20b%3F", {})
    assert bulkhead("stop", "../rooms/a b?", "--url", server.url).status == 0


def test_what_was_so_already_is_said(server: Any, bulkhead: Any) -> None:
    server.answer("GET /workers/s_1", {"frozen": False})
    server.answer("GET /workers/s_2", {"frozen": True})
    server.answer("GET /workers/s_9", GONE, 404)
    for session in ("s_1", "s_2"):
        for act in ("freeze", "thaw"):
            server.answer(f"POST /workers/{session}/{act}", {})
    ran = bulkhead("thaw", "s_1", "s_2", "s_9", "--url", server.url)
    assert (ran.status, ran.out, ran.err) == (1, "s_1 was not frozen\nthawed s_2\n", TOLD)
    ran = bulkhead("freeze", "s_1", "s_2", "--url", server.url)
    assert (ran.status, ran.out) == (0, "froze s_1\ns_2 was frozen already\n")


def test_inputs_are_released_one_by_one(server: Any, bulkhead: Any) -> None:
    gone = {
        "title": "Not found",
        "detail": "no input x is in quarantine. GET /quarantine lists the ones that are.",
    }
    gone["cure"] = "GET /quarantine lists the ones that are."
    server.answer("DELETE /quarantine/x", gone, 404)
    server.answer("DELETE /quarantine/3f", {"released": {"hash": "3f", "endpoint": "/chat"}})
    ran = bulkhead("quarantine", "release", "x", "3f", "--url", server.url)
    assert (ran.status, ran.out) == (1, "released 3f of /chat\n")
    assert ran.err.startswith("error: no input x is in quarantine\n  `bulkhead quarantine list`")
