"""What is said of the machines that run a server's sessions."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.unit


def machine(name: str, **more: Any) -> dict[str, Any]:
    made = {
        "name": name, "state": "ready", "boot": "b1", "sessions": 3, "starting": 0, "max_sessions": 9,
        "processors": 2, "cpu": 0.61, "memory_bytes": 1 << 30, "memory_most_bytes": 1 << 32,
        "starts_per_s": 0.0, "silent_s": 0.2, "code": {"chat": "9c1f00000000"}, "failed": {}, "moved": 0,
    }  # fmt: skip
    return made | more


def test_of_a_machine_that_is_lost_no_figures_are_told(server: Any, bulkhead: Any) -> None:
    server.answer("GET /nodes", {"nodes": [machine("n1"), machine("n2", state="lost", silent_s=9.0)]})
    _, first, second = bulkhead("nodes", "--url", server.url).out.splitlines()
    assert first.split()[:5] == ["n1", "ready", "61", "%", "1.0"]
    assert second.split()[:5] == ["n2", "lost", "-", "-", "3"]
    server.answer("POST /nodes/n2/undrain", machine("n2", state="lost"))
    ran = bulkhead("nodes", "undrain", "n2", "--url", server.url)
    assert ran.out == "n2 is given sessions again, once it is heard again: it is lost\n"


def test_who_asks_a_server_that_no_machine_can_join_is_told_that(server: Any, bulkhead: Any) -> None:
    server.answer("GET /nodes", {"nodes": [], "here": True})
    assert f"{server.url} runs its sessions itself" in bulkhead("nodes", "--url", server.url).out
    server.answer("GET /nodes", {"nodes": []})  # also one of before
    assert "bulkhead nodes token" in bulkhead("nodes", "--url", server.url).out


def test_a_list_of_sessions_names_their_machines_where_there_are_several(server: Any, bulkhead: Any) -> None:
    one = {"id": "s_1", "identity": "chat", "room": "r", "state": "ready", "pid": 7, "node": "local"}
    server.answer("GET /workers", {"workers": [one]})
    assert "NODE" not in bulkhead("ps", "--url", server.url).out
    server.answer("GET /workers", {"workers": [one | {"node": "n2"}]})
    header, row = bulkhead("ps", "--url", server.url).out.splitlines()
    assert header.split()[3:6] == ["STATE", "NODE", "PID"]
    assert row.split()[3:6] == ["ready", "n2", "7"]
