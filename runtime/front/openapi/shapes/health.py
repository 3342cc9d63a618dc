"""Probes, the summary of the server, errors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from runtime.front.http.problems import STATUS, problem_type
from runtime.front.openapi.shapes.sessions import Exit
from runtime.front.openapi.shapes.shape import SessionName, Shape, words
from runtime.session.info import Enforcement

Matters = Annotated[
    dict[str, str], Meta(description="Bundles that are broken or being loaded: what is the matter, by name")
]


class Alive(Shape, frozen=True, kw_only=True):
    """Alive."""

    ok: Literal[True] = True


class Manifest(Shape, frozen=True, kw_only=True):
    """What is served, as MeshAgent reads it."""

    version: Literal["v1"]
    kind: Literal["Service"]
    metadata: dict[str, Any]
    container: dict[str, Any]
    ports: list[dict[str, Any]]


class Live(Shape, frozen=True, kw_only=True):
    """The event loop turns."""

    status: Literal["ok"] = "ok"


class Checks(Shape, frozen=True, kw_only=True):
    """Every check, for operators."""

    started: bool
    draining: bool
    journal: str
    bundles: Annotated[dict[str, str], Meta(description="State, or why not, by name")]


class Readiness(Shape, frozen=True, kw_only=True):
    """Whether calls may be sent."""

    status: Literal["ok", "degraded", "not ready"]
    reasons: list[str] | UnsetType = UNSET
    bundles: Matters | UnsetType = UNSET
    checks: Checks | UnsetType = UNSET


class Verbose(Shape, frozen=True, kw_only=True):
    """How much is told."""

    verbose: (
        Annotated[str, Meta(description="With it, whatever its value: more, for operators")] | UnsetType
    ) = UNSET


class Admission(Shape, frozen=True, kw_only=True):
    """What runs, waits and is left."""

    sessions: int
    max_sessions: int
    starting: int
    max_starting: int
    queued: int
    restarting: int
    starts_per_s: float | None
    headroom_bytes: int | None
    session_bytes: int
    quarantined: int


class Descriptors(Shape, frozen=True, kw_only=True):
    """How many files the front may have open."""

    limit: int
    sessions: Annotated[int, Meta(description="How many sessions that suffices for")]
    warning: str | UnsetType = UNSET


class Containers(Shape, frozen=True, kw_only=True):
    """What runs containers of rooms."""

    engine: Annotated[str, words("docker", "process", "off")]
    ok: Annotated[bool, Meta(description="It answers, or is meant to be off")]
    running: int
    version: str | UnsetType = UNSET
    detail: Annotated[str, Meta(description="What it is, or what is the matter")] | UnsetType = UNSET


class Health(Shape, frozen=True, kw_only=True):
    """A summary, whatever the state."""

    status: Annotated[str, words("starting", "ok", "degraded", "draining")]
    version: str
    code_generation: Annotated[int, Meta(description="The most often that one bundle was loaded")]
    generation: Annotated[int, Meta(description="`code_generation`, as it was called before")]
    endpoints: int
    sessions: int
    uptime_s: float
    bundles: Matters | UnsetType = UNSET
    admission: Admission | UnsetType = UNSET
    enforcement: Enforcement | UnsetType = UNSET
    descriptors: Descriptors | UnsetType = UNSET
    containers: Containers | UnsetType = UNSET


class Problem(Shape, frozen=True, kw_only=True):
    """An error, as RFC 9457 writes it; `detail` says what to do."""

    type: Annotated[str, words(*map(problem_type, STATUS))]
    title: Annotated[str, Meta(examples=["No such session"])]
    status: Annotated[int, Meta(ge=400, le=599, examples=[404])]
    detail: Annotated[
        str, Meta(examples=["no session s_X. GET /workers?all=1 lists the ones that are known."])
    ]
    cure: Annotated[str, Meta(description="The end of `detail` that says what to do")] | UnsetType = UNSET
    instance: Annotated[str, Meta(description="Path of the request", examples=["/workers/s_X"])]
    request_id: str
    trace_id: Annotated[str, Meta(description="Its trace, where calls are traced")] | UnsetType = UNSET
    session: SessionName | UnsetType = UNSET
    field: Annotated[str, Meta(description="The part of the request that is at fault")] | UnsetType = UNSET
    exit: Exit | UnsetType = UNSET
    where: Annotated[str, Meta(description="Line of the agent's code")] | UnsetType = UNSET
    error: Annotated[str, Meta(description="Its exception")] | UnsetType = UNSET
