"""``/workers/{id}/freeze`` and ``/workers/{id}/thaw``: hold a session still, and let it go on."""

from __future__ import annotations

from quart import Blueprint, Response

from runtime.front.http.contract import belongs, gives
from runtime.front.http.problems import problem
from runtime.front.openapi.shapes.sessions import Worker
from runtime.front.operator.session.without_process import without_process
from runtime.front.operator.workers import worker_as
from runtime.front.state import Front, caller


def routes(front: Front) -> Blueprint:
    """Both routes."""
    paths = Blueprint("freeze", __name__)
    belongs(paths, "sessions", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.post("/workers/<session_id>/freeze")
    @gives(Worker)
    async def freeze(session_id: str) -> Worker | Response:
        """Keep all processes of a session from running; it is not taken for one that hangs"""
        return await _hold(session_id, True)

    @paths.post("/workers/<session_id>/thaw")
    @gives(Worker)
    async def thaw(session_id: str) -> Worker | Response:
        """Let a frozen session go on"""
        return await _hold(session_id, False)

    async def _hold(session_id: str, frozen: bool) -> Worker | Response:
        record = front.registry.record(session_id)
        if record.exit is not None:
            return without_process(record)
        if not await front.placement.freeze(record.spec.session_id, frozen):
            why = f"Session {session_id} is {record.state}: only one that is ready can be frozen."
            return problem("not_ready", why, session=session_id)
        last = front.placement.glance(record.spec.session_id)
        return worker_as(Worker, front, record, last=last)

    return paths
