"""``POST /workers/{id}/again``: the call of a session that has ended, made once more."""

from __future__ import annotations

from quart import Blueprint, g

from runtime.errors import Conflict
from runtime.front.http.contract import belongs, gives
from runtime.front.http.refusal import Refusal
from runtime.front.openapi.shapes.webhooks import Called
from runtime.front.state import Front, caller
from runtime.session.admission import Refused
from runtime.wire.webhook import RoomCall


def routes(front: Front) -> Blueprint:
    """The one route."""
    paths = Blueprint("again", __name__)
    belongs(paths, "sessions", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.post("/workers/<session_id>/again")
    @gives(Called)
    async def again(session_id: str) -> Called:
        """Make the call of a session that has ended once more: a new session, with the same arguments"""
        record = front.registry.record(session_id)
        spec = record.spec
        if record.exit is None:
            raise Conflict(f"session {session_id} has not ended", cure="Stop it first, or call its endpoint.")
        if spec.relay:
            raise Conflict(
                f"session {session_id} was its caller's socket", cure="Its caller has to call anew."
            )
        call = RoomCall(
            room_name=spec.room,
            room_url=spec.room_url,
            token=spec.token if spec.room_url else "",
            arguments=spec.arguments,
        )
        outcome = await front.dispatcher.call(spec.endpoint, call, request_id=g.request_id)
        if isinstance(outcome, Refused):
            when = {} if outcome.retry_after_s is None else {"Retry-After": str(outcome.retry_after_s)}
            raise Refusal(outcome.code, f"{outcome.message}. {outcome.cure}", headers=when, cure=outcome.cure)
        return Called(session=outcome.session_id)

    return paths
