"""Asking a session how quick it is, and, where that is allowed, asking it to misbehave."""

from __future__ import annotations

from typing import Final

from quart import Blueprint, Response

from runtime.front.http.contract import belongs, gives, takes
from runtime.front.http.problems import problem
from runtime.front.http.refusal import Refusal
from runtime.front.openapi.shapes.sessions import Fault, Injected, Ping
from runtime.front.operator.session.without_process import without_process
from runtime.front.state import Front, caller

PING_S: Final = 5.0


def routes(front: Front) -> Blueprint:
    """``/workers/{id}/ping`` and ``/workers/{id}/faults``."""
    paths = Blueprint("chaos", __name__)
    belongs(paths, "sessions", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.post("/workers/<session_id>/ping")
    @gives(Ping)
    async def ping(session_id: str) -> Ping | Response:
        """One round trip to the session's event loop"""
        record = front.registry.record(session_id)
        took_s = None
        if record.exit is None:
            took_s = await front.placement.ping(record.spec.session_id, PING_S)
        if record.exit is not None or (took_s is None and record.pid is None):
            return without_process(record)
        if took_s is None:
            detail = f"Session {session_id} is {record.state}, and did not answer within {PING_S:g} s."
            return problem("no_answer", detail, session=session_id)
        return Ping(session=session_id, round_trip_ms=round(took_s * 1000, 3))

    @paths.post("/workers/<session_id>/faults")
    @takes(Fault, example=Fault(fault="segfault"))
    @gives(Injected, 202)
    async def fault(session_id: str, data: Fault) -> Injected | Response:
        """Make the session misbehave; only where BULKHEAD_CHAOS is on"""
        if not front.settings.chaos:
            raise Refusal(
                "chaos_off",
                "This server does not let faults be injected. Start it with BULKHEAD_CHAOS=1, where nobody "
                "minds what happens to the sessions that are chosen as victims.",
            )
        record = front.registry.record(session_id)
        if not await front.placement.inject(record.spec.session_id, data.fault, data.at):
            return without_process(record)
        return Injected(session=session_id, fault=data.fault)

    return paths
