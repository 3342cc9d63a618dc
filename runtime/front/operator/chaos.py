"""Asking a session how quick it is, and, where that is allowed, asking it to misbehave."""

from __future__ import annotations

from typing import Final

from quart import Blueprint, Response, json, jsonify, request

from runtime.dispatch.session_registry import exit_json
from runtime.front.http.body import read_body
from runtime.front.http.problems import problem
from runtime.front.http.refusal import Refusal
from runtime.front.state import Front, caller

PING_S: Final = 5.0
MAX_FAULT_CHARS: Final = 40


def routes(front: Front) -> Blueprint:
    """``/workers/{id}/ping`` and ``/workers/{id}/faults``."""
    paths = Blueprint("chaos", __name__)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.post("/workers/<session_id>/ping")
    async def ping(session_id: str) -> Response:
        record = front.registry.record(session_id)
        took_s = None
        if record.exit is None:
            took_s = await front.placement.ping(record.spec.session_id, PING_S)
        if record.exit is not None:
            why = f"Session {session_id} ended: {record.exit.reason}. `bulkhead ps` shows those that run."
            return problem("no_process", why, session=session_id, exit=exit_json(record.exit))
        if took_s is None:
            detail = f"Session {session_id} is {record.state}, and did not answer within {PING_S:g} s."
            return problem("no_answer", detail, session=session_id)
        return jsonify(session=session_id, round_trip_ms=round(took_s * 1000, 3))

    @paths.post("/workers/<session_id>/faults")
    async def fault(session_id: str) -> Response:
        if not front.settings.chaos:
            raise Refusal(
                "chaos_off",
                "This server does not let faults be injected. Start it with BULKHEAD_CHAOS=1, where nobody "
                "minds what happens to the sessions that are chosen as victims.",
            )
        record = front.registry.record(session_id)
        body = await read_body(request, timeout_s=front.settings.body_timeout_s)
        kind = _kind(body)
        if not front.placement.inject(record.spec.session_id, kind):
            return problem("no_process", f"Session {session_id} has no process.", session=session_id)
        answer = jsonify(session=session_id, fault=kind)
        answer.status_code = 202
        return answer

    return paths


def _kind(body: bytes) -> str:
    try:
        asked = json.loads(body)
    except ValueError:
        asked = None
    kind = asked.get("fault") if isinstance(asked, dict) else None
    if not isinstance(kind, str) or not 0 < len(kind) <= MAX_FAULT_CHARS:
        raise Refusal("invalid_request", 'Send the name of a fault: {"fault": "segfault"}.')
    return kind
