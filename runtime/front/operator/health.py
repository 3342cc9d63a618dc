"""Probes for orchestrators, and the two paths by which MeshAgent knows a service."""

from __future__ import annotations

from msgspec import UNSET, UnsetType, convert
from quart import Blueprint, Response, request

import runtime
from runtime.dispatch.dispatcher import Dispatcher
from runtime.front.http.contract import also, asks, belongs, for_operators, gives, json_answer
from runtime.front.openapi.shapes.health import (
    Admission,
    Alive,
    Checks,
    Containers,
    Descriptors,
    Health,
    Live,
    Manifest,
    Readiness,
    Verbose,
)
from runtime.front.state import Front, caller
from runtime.metrics import CONTENT_TYPE, OPENMETRICS_TYPE
from runtime.process import descriptors as open_files
from runtime.session.calls.deployed import service_of
from runtime.session.info import served
from runtime.wire.manifest.own import WELL_KNOWN, EndpointSpec, service_spec


def routes(front: Front) -> Blueprint:
    """``/``, the specification, ``/livez``, ``/readyz``, ``/healthz`` and ``/metrics``."""
    paths = Blueprint("health", __name__)
    belongs(paths, "server")

    def is_operator() -> bool:
        return front.access.may_operate(caller())

    @paths.get("/")
    @gives(Alive, example=Alive())
    @also(303, "A browser is led to the Studio")
    async def root() -> Response:
        """Liveness, as MeshAgent asks for it"""
        if request.accept_mimetypes.best_match(("application/json", "text/html")) == "text/html":
            answer = Response(b"", 303, headers={"Location": "/studio/"})  # a browser
        else:
            answer = json_answer(Alive())
        answer.headers["Vary"] = "Accept"
        return answer

    @paths.get(WELL_KNOWN)
    @gives(Manifest)
    async def specification() -> Manifest:
        """The service specification"""
        listed = [
            EndpointSpec(path=endpoint.path, identity=endpoint.identity, api=endpoint.permissions)
            for endpoint in served(front.placement.endpoints())
            if service_of(endpoint.path) is None
        ]
        return convert(service_spec(listed, port=front.port, name=front.name), Manifest)

    @paths.get("/livez")
    @gives(Live, example=Live())
    async def live() -> Live:
        """Whether the event loop turns"""
        return Live()  # that the loop got here is what is asked

    @paths.get("/readyz")
    @asks(Verbose)
    @gives(Readiness, 503, example=Readiness(status="not ready", reasons=["starting"]))
    @gives(Readiness, example=Readiness(status="ok"))
    async def ready(query_args: Verbose) -> Readiness | Response:
        """Whether calls may be sent"""
        details = is_operator()
        reasons = unready(front, details=details)
        bundles = front.readiness.named(details=details)
        told = Readiness(
            status="not ready" if reasons else "degraded" if bundles else "ok",
            reasons=reasons or UNSET,
            bundles=bundles or UNSET,
            checks=_checks(front) if query_args.verbose is not UNSET and details else UNSET,
        )
        if not reasons:
            return told
        answer = json_answer(told, 503)
        answer.headers["Retry-After"] = "1"
        return answer

    @paths.get("/healthz")
    @asks(Verbose)
    @gives(Health)
    async def health(query_args: Verbose) -> Health:
        """A summary, whatever the state"""
        bundles = front.placement.bundles()
        status = "degraded" if front.readiness.broken() or front.journal.failing else "ok"
        if not front.is_ready:
            status = "draining" if front.dispatcher.draining else "starting"
        elif front.readiness.loading() and not served(front.placement.endpoints()):
            status = "starting"
        tell_all = query_args.verbose is not UNSET and is_operator()
        return Health(
            status=status,
            version=runtime.__version__,
            code_generation=(newest := max((bundle.generation for bundle in bundles), default=0)),
            generation=newest,
            endpoints=len(served(front.placement.endpoints())),
            sessions=front.placement.capacity().sessions,
            uptime_s=round(front.clock.now() - front.began, 1),
            bundles=front.readiness.named(details=True) if tell_all else UNSET,
            admission=_admission(front.dispatcher) if tell_all else UNSET,
            enforcement=front.placement.enforcement() if tell_all else UNSET,
            descriptors=_descriptors(front) if tell_all else UNSET,
            containers=await _containers(front) if tell_all else UNSET,
        )

    @paths.get("/metrics")
    @for_operators
    @also(200, "Prometheus' text format, or OpenMetrics with examples where that is accepted", "text/plain")
    async def metrics() -> Response:
        """Prometheus metrics"""
        front.access.operator(caller())
        if "application/openmetrics-text" in request.headers.get("Accept", ""):
            text, kind = front.metrics.render_openmetrics(), OPENMETRICS_TYPE
        else:
            text, kind = front.metrics.render(), CONTENT_TYPE
        return Response(text, content_type=kind, headers={"Vary": "Accept"})

    return paths


def _descriptors(front: Front) -> Descriptors:
    most = front.placement.capacity().max_sessions
    return descriptors(most, are_here=front.placement.machines is None)


def descriptors(max_sessions: int, *, are_here: bool = True) -> Descriptors:
    """How many files the front may have open, and whether that suffices for all sessions it may have.

    Args:
        are_here: They are its processes; of others it has the connection to their room.
    """
    fit = open_files.sessions_that_fit() * (1 if are_here else open_files.PER_SESSION)
    warning = (
        f"enough for {fit} of {max_sessions} sessions; raise the hard limit of open files "
        "(ulimit -Hn, LimitNOFILE=, --ulimit nofile), or lower supervisor.max_sessions"
    )
    return Descriptors(
        limit=open_files.limit(), sessions=fit, warning=warning if fit < max_sessions else UNSET
    )


async def _containers(front: Front) -> Containers | UnsetType:
    if front.boxes is None:
        return UNSET
    found = await front.boxes.health()
    return Containers(
        engine=found.engine,
        ok=found.ok,
        running=front.boxes.running_count,
        version=found.version or UNSET,
        detail=found.detail or UNSET,
    )


def _checks(front: Front) -> Checks:
    return Checks(
        started=front.is_ready or front.dispatcher.draining,
        draining=front.dispatcher.draining,
        journal=front.journal.failing or "ok",
        bundles={bundle.name: bundle.error or bundle.state for bundle in front.placement.bundles()},
    )


def unready(front: Front, *, details: bool = False) -> list[str]:
    """Why no call should be sent here now; empty when there is no reason.

    Args:
        details: With what is wrong with bundles, for operators.
    """
    reasons = []
    if front.dispatcher.draining:
        reasons.append("draining")
    elif not front.is_ready:
        reasons.append("starting")
    else:
        reasons += front.readiness.reasons(details=details)
    if front.journal.failing:
        reasons.append("the journal cannot be written")
    reasons += [f"the system has no more {lacks}" for lacks in front.placement.capacity().lacks]
    return reasons


def _admission(dispatcher: Dispatcher) -> Admission:
    """What is running, waiting and left."""
    load, per_s = dispatcher.capacity(), dispatcher.starts_per_s
    return Admission(
        sessions=load.sessions,
        max_sessions=load.max_sessions,
        starting=load.starting,
        max_starting=load.max_starting,
        queued=dispatcher.launcher.queued,
        restarting=dispatcher.launcher.restarting,
        starts_per_s=None if per_s is None else round(per_s, 1),
        headroom_bytes=load.headroom_bytes,
        session_bytes=load.session_bytes,
        quarantined=len(dispatcher.recovery.quarantine),
    )
