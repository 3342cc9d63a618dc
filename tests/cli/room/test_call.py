"""``bulkhead call`` of what a deployed service serves, whose path at the server nobody types."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.unit

ABSENT = {"type": "urn:bulkhead:problem:endpoint_not_found"}


def endpoint(path: str, bundle: str) -> dict[str, str]:
    return {"path": path, "bundle": bundle}


def test_it_is_called_by_the_name_of_its_service(server: Any, bulkhead: Any) -> None:
    served = [endpoint("/chat", "chat"), endpoint("/deployed/1f/pirate", "ship@0123")]
    cure = "Known paths: /chat, /deployed/1f/pirate"
    absent = {**ABSENT, "detail": f"no agent serves it. {cure}", "cure": cure}
    for path in ("/pirate", "/ship/pirate", "/nosuch"):
        server.answer(f"POST {path}", absent, 404)
    server.answer("GET /workers", {"endpoints": served})
    server.answer("POST /deployed/1f/pirate", {"ok": True})
    more = ("--room", "demo", "--url", server.url)
    assert json.loads(bulkhead("call", "ship/pirate", *more).out) == {"ok": True}
    ran = bulkhead("call", "/pirate", *more)
    assert ran.err.endswith(f"  Type: bulkhead call ship/pirate --room demo --url {server.url}\n"), ran.err
    assert bulkhead("call", "/nosuch", *more).err.endswith("  Known paths: /chat, ship/pirate\n")
    served += [endpoint("/deployed/2f/pirate", "ship@4567")]  # of another room
    ran = bulkhead("call", "ship/pirate", *more)
    assert " or: bulkhead call /deployed/2f/pirate --room demo" in ran.err
