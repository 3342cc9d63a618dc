"""The first message that a worker gets: which session it is."""

from __future__ import annotations

import msgspec

from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.session.calls.deployed import own_path
from runtime.session.spec import SessionSpec
from runtime.settings import SupervisorSettings
from runtime.wire import control


class Carried(msgspec.Struct, frozen=True):
    """What a worker reaches over its pipe.

    Attributes:
        model: Who answers as its model there; empty when it asks over the network.
    """

    room: bool = False
    model: str = ""


def start_message(
    spec: SessionSpec, generation: int, settings: SupervisorSettings, policy: Policy, carried: Carried
) -> control.Start:
    """What a worker is told to be, and what it may reach."""
    return control.Start(
        session_id=spec.session_id,
        generation=generation,
        endpoint=own_path(spec.endpoint),
        identity=spec.identity,
        room=spec.room,
        room_url=spec.room_url,
        token=spec.token,
        relay=carried.room,
        dial=carried.room and not spec.relay,
        model=carried.model,
        arguments=spec.arguments,
        limits=dict(spec.limits.plain()),
        env={
            "BULKHEAD_SESSION": spec.session_id,
            "MESHAGENT_ROOM": spec.room,
            "MESHAGENT_TOKEN": spec.token,
            "MESHAGENT_SESSION_ID": spec.session_id,
        },
        join_s=settings.join_s,
        heartbeat_s=settings.heartbeat_s,
        traceparent=spec.traceparent,
        traces="steps" if spec.tracing is None else "content" if spec.tracing.content else "work",
        record=settings.record,
        confinement={} if policy.level is Level.OFF else policy.plain(),
    )
