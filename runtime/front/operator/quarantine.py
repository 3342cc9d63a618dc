"""Inputs that killed their sessions: what is parked, and letting it run again."""

from __future__ import annotations

from quart import Blueprint, Response, jsonify

from runtime.dispatch.recovery import parked_json
from runtime.front.state import Front, caller


def routes(front: Front) -> Blueprint:
    """``/quarantine`` and what is below it."""
    paths = Blueprint("quarantine", __name__)
    recovery = front.dispatcher.recovery

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.get("/quarantine")
    async def listed() -> Response:
        return jsonify(inputs=[parked_json(parked) for parked in recovery.quarantine.parked()])

    @paths.delete("/quarantine/<hash>")
    async def release(hash: str) -> Response:
        return jsonify(released=parked_json(recovery.release(hash)))

    return paths
