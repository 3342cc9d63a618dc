"""Probes for orchestrators, and the two paths by which MeshAgent knows a service."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from quart import Blueprint, Response, jsonify, request

import runtime
from runtime.front.state import Front, caller
from runtime.metrics import CONTENT_TYPE
from runtime.process import descriptors
from runtime.session.info import served
from runtime.wire.manifest import WELL_KNOWN, EndpointSpec, service_spec


def routes(front: Front) -> Blueprint:
    """``/``, the specification, ``/livez``, ``/readyz``, ``/healthz`` and ``/metrics``."""
    paths = Blueprint("health", __name__)

    @paths.get("/")
    async def root() -> Response:
        if request.accept_mimetypes.best_match(("application/json", "text/html")) == "text/html":
            answer = Response(b"", 303, headers={"Location": "/studio/"})  # a browser
        else:
            answer = jsonify(ok=True)
        answer.headers["Vary"] = "Accept"
        return answer

    @paths.get(WELL_KNOWN)
    async def specification() -> Response:
        listed = [
            EndpointSpec(path=endpoint.path, identity=endpoint.identity, api=endpoint.permissions)
            for endpoint in served(front.placement.endpoints())
        ]
        return jsonify(service_spec(listed, port=front.port, name=front.name))

    @paths.get("/livez")
    async def live() -> Response:
        return jsonify(status="ok")  # that the loop got here is what is asked

    @paths.get("/readyz")
    async def ready() -> Response:
        is_operator = front.access.may_operate(caller())
        reasons = unready(front, details=is_operator)
        bundles = front.readiness.named(details=is_operator)
        body: dict[str, Any] = {"status": "not ready" if reasons else "degraded" if bundles else "ok"}
        if reasons:
            body["reasons"] = reasons
        if bundles:
            body["bundles"] = bundles
        if "verbose" in request.args and is_operator:
            body["checks"] = {
                "started": front.is_ready or front.dispatcher.draining,
                "draining": front.dispatcher.draining,
                "journal": front.journal.failing or "ok",
                "bundles": {
                    bundle.name: bundle.error or bundle.state for bundle in front.placement.bundles()
                },
            }
        answer: Response = jsonify(body)
        if reasons:
            answer.status_code = 503
            answer.headers["Retry-After"] = "1"
        return answer

    @paths.get("/healthz")
    async def health() -> Response:
        bundles = front.placement.bundles()
        status = "degraded" if front.readiness.broken() or front.journal.failing else "ok"
        if not front.is_ready:
            status = "draining" if front.dispatcher.draining else "starting"
        elif front.readiness.loading() and not served(front.placement.endpoints()):
            status = "starting"
        more: dict[str, Any] = {}
        if "verbose" in request.args and front.access.may_operate(caller()):
            more["bundles"] = front.readiness.named(details=True)
            more["admission"] = front.dispatcher.admission_json()
            more["enforcement"] = asdict(front.placement.enforcement())
            more["descriptors"] = descriptors_json(front.placement.capacity().max_sessions)
        return jsonify(
            status=status,
            version=runtime.__version__,
            generation=max((bundle.generation for bundle in bundles), default=0),
            endpoints=len(served(front.placement.endpoints())),
            sessions=front.placement.capacity().sessions,
            uptime_s=round(front.clock.wall() - front.started_at, 1),
            **more,
        )

    @paths.get("/metrics")
    async def metrics() -> Response:
        front.access.operator(caller())
        return Response(front.metrics.render(), content_type=CONTENT_TYPE)

    return paths


def descriptors_json(max_sessions: int) -> dict[str, Any]:
    """How many files the front may have open, and whether that suffices for all sessions it may have."""
    fit = descriptors.sessions_that_fit()
    body: dict[str, Any] = {"limit": descriptors.limit(), "sessions": fit}
    if fit < max_sessions:
        body["warning"] = (
            f"enough for {fit} of {max_sessions} sessions; raise the hard limit of open files "
            "(ulimit -Hn, LimitNOFILE=, --ulimit nofile), or lower supervisor.max_sessions"
        )
    return body


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
    return reasons
