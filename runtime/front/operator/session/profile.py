"""``/workers/{id}/profile``: where a session spends its time, or its memory."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from quart import Blueprint, Response

from runtime.front.http.contract import also, asks, belongs, gives
from runtime.front.http.problems import problem
from runtime.front.openapi.shapes.profile import ProfileQuery, ShownFrame, ShownProfile, ShownStack
from runtime.front.operator.session import flame_graph, speedscope
from runtime.front.operator.session.without_process import without_process
from runtime.front.state import Front, caller
from runtime.wire.looking.profile import Profile

_BYS: Final = ("auto", "py-spy", "sampler", "memory")
_SVG: Final = "image/svg+xml"


def routes(front: Front) -> Blueprint:
    """The one route."""
    paths = Blueprint("profile", __name__)
    belongs(paths, "sessions", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.get("/workers/<session_id>/profile")
    @asks(ProfileQuery)
    @gives(ShownProfile)
    @also(200, "With `form`: a flame graph, or a file for speedscope", _SVG)
    async def profile(session_id: str, query_args: ProfileQuery) -> ShownProfile | Response:
        """Look at a session for some seconds; it goes on meanwhile, also one that hangs can be looked at"""
        record, asked = front.registry.record(session_id), query_args
        if asked.by not in _BYS or asked.form not in ("json", "svg", "speedscope"):
            told = f"`by` is one of {', '.join(_BYS)}; `form` is json, svg or speedscope."
            return problem("invalid_request", told)
        found = await front.placement.profile(
            record.spec.session_id, seconds=asked.seconds, rate=asked.rate, by=asked.by
        )
        if found is None:
            return without_process(record)
        last = front.placement.glance(record.spec.session_id) if found.failed else None
        if last is not None and last.frozen:
            cure = f"POST /workers/{session_id}/thaw lets it go on."
            told = f"session {session_id} is frozen. {cure}"
            return problem("not_profiled", told, session=session_id, cure=cure)
        if found.failed:
            return problem("not_profiled", found.failed, session=session_id)
        name = f"{record.spec.identity or record.spec.endpoint} {session_id}"
        if asked.form == "svg":
            answer = Response(await asyncio.to_thread(flame_graph.svg, found, name), content_type=_SVG)
            answer.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
            return answer
        if asked.form == "speedscope":
            return Response(
                msgspec.json.encode(speedscope.document(found, name)), content_type="application/json"
            )
        return _shown(session_id, found)

    return paths


def _shown(session_id: str, found: Profile) -> ShownProfile:
    return ShownProfile(
        session=session_id,
        by=found.by,
        seconds=found.seconds,
        rate=found.rate,
        samples=found.samples,
        dropped=found.dropped,
        cost_cpu_s=found.cost_cpu_s,
        note=found.note,
        frames=[ShownFrame(function=one.function, file=one.file, line=one.line) for one in found.frames],
        stacks=[
            ShownStack(kind=one.kind, root=one.root, frames=one.frames, weight=one.weight)
            for one in found.stacks
        ],
    )
