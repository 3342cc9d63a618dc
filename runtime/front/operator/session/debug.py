"""``/workers/{id}/debug``: a debugger in a session's process, and a truce for as long as it is used."""

from __future__ import annotations

from typing import Final

from quart import Blueprint, Response

from runtime.front.http.contract import asks, belongs, gives
from runtime.front.http.problems import problem
from runtime.front.openapi.shapes.sessions import Debugger, DebugQuery
from runtime.front.operator.session.without_process import without_process
from runtime.front.state import Front, caller

_HOST: Final = "127.0.0.1"


def routes(front: Front) -> Blueprint:
    """Both routes."""
    paths = Blueprint("debug", __name__)
    belongs(paths, "sessions", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.post("/workers/<session_id>/debug")
    @asks(DebugQuery)
    @gives(Debugger)
    async def debug(session_id: str, query_args: DebugQuery) -> Debugger | Response:
        """Have debugpy listen in a session; from then on it is not taken for one that hangs"""
        return await _ask(session_id, query_args.port)

    @paths.delete("/workers/<session_id>/debug")
    @gives(Debugger)
    async def done(session_id: str) -> Debugger | Response:
        """Nobody debugs it any more: its silence counts again, and the debugger goes on listening"""
        return await _ask(session_id, None)

    async def _ask(session_id: str, port: int | None) -> Debugger | Response:
        record = front.registry.record(session_id)
        found = await front.placement.debug(record.spec.session_id, port)
        if found is None:
            return without_process(record)
        if found.error:
            return problem("not_debugged", found.error, session=session_id)
        return Debugger(session=session_id, node=record.node_id, host=_HOST, port=found.port)

    return paths
