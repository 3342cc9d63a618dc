"""Inputs that killed their sessions: what is parked, and letting it run again."""

from __future__ import annotations

from msgspec import convert
from quart import Blueprint

from runtime.dispatch.recovery import parked_json
from runtime.front.http.contract import belongs, gives
from runtime.front.openapi.shapes.usage import ParkedInput, Quarantine, ReleasedInput
from runtime.front.state import Front, caller
from runtime.session.quarantine import Parked


def routes(front: Front) -> Blueprint:
    """``/quarantine`` and what is below it."""
    paths = Blueprint("quarantine", __name__)
    belongs(paths, "quarantine", to_operators=True)
    recovery = front.dispatcher.recovery

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.get("/quarantine")
    @gives(Quarantine)
    async def listed() -> Quarantine:
        """Inputs that killed their sessions and are not run any more"""
        return Quarantine(inputs=[_parked(parked) for parked in recovery.quarantine.parked()])

    @paths.delete("/quarantine/<hash>")
    @gives(ReleasedInput)
    async def release(hash: str) -> ReleasedInput:
        """Let an input run again"""
        return ReleasedInput(released=_parked(recovery.release(hash)))

    return paths


def _parked(parked: Parked) -> ParkedInput:
    return convert(parked_json(parked), ParkedInput)
