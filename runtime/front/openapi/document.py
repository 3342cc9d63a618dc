"""``/openapi.json``: the HTTP surface described in OpenAPI 3.1.  A test holds it against the routes."""

from __future__ import annotations

from typing import Any, Final

from quart import Blueprint, Response, jsonify

import runtime
from runtime.front.openapi.rooms import ROOM_PATHS
from runtime.front.openapi.schemas import SCHEMAS
from runtime.front.openapi.studio import STUDIO_PATHS
from runtime.front.openapi.terms import (
    ANY,
    BOOL,
    INT,
    LIST,
    MAYBE_INT,
    NAMED,
    NUM,
    PROBLEM,
    STR,
    TIME,
    a_list,
    an_object,
    as_json,
    as_text,
    given_in,
    operation,
    ref,
)
from runtime.front.openapi.usage import USAGE_PATHS
from runtime.front.operator.workers import STATES


def routes() -> Blueprint:
    """``/openapi.json``."""
    paths = Blueprint("openapi", __name__)

    @paths.get("/openapi.json")
    async def openapi() -> Response:
        return jsonify(document())

    return paths


def document() -> dict[str, Any]:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bulkhead",
            "version": runtime.__version__,
            "summary": "One supervised process per agent session",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _PATHS,
        "components": {
            "schemas": SCHEMAS,
            "responses": {"Problem": _PROBLEM_RESPONSE},
            "securitySchemes": {
                "operator": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Not needed from this machine",
                },
                "visit": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "bulkhead_<port>",
                    "description": "From a link with a one-time code, for the Studio's pages",
                },
                "meshagent": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Meshagent-Signature",
                    "description": "Bearer HS256 JWT with the claim sha256 of the body",
                },
                "standardWebhooks": {"type": "apiKey", "in": "header", "name": "webhook-signature"},
            },
        },
    }


_SESSION: Final = given_in("path", "session_id", STR, "Such as s_7Q4M2XKB")
_FILTERS: Final = ("room", "identity", "endpoint")
_OK: Final = as_json(an_object(ok={"const": True}), "Alive")

_PROBLEM_RESPONSE: Final = {
    "description": "An error, as RFC 9457 writes it; `detail` says what to do",
    "content": {"application/problem+json": {"schema": ref("Problem")}},
}

_PATHS: Final[dict[str, Any]] = {
    "/": {"get": operation("Liveness, as MeshAgent asks for it", _OK)},
    "/.well-known/meshagent-service.json": {
        "get": operation("The service specification", as_json(ANY, "Kind Service, version v1"))
    },
    "/livez": {"get": operation("The event loop turns", as_json(an_object(status=STR), "Alive"))},
    "/readyz": {
        "get": operation(
            "Calls may be sent",
            as_json(
                an_object(status=STR, reasons=LIST, bundles=NAMED, checks=ANY),
                "Ready (`degraded` while a bundle is broken or being loaded); 503 when not",
            ),
            parameters=[given_in("query", "verbose", STR, "Every check, for operators")],
        )
    },
    "/healthz": {
        "get": operation(
            "A summary",
            as_json(
                an_object(
                    status={"enum": ["starting", "ok", "degraded", "draining"]},
                    version=STR,
                    generation=INT,
                    endpoints=INT,
                    sessions=INT,
                    uptime_s=NUM,
                    bundles=NAMED,
                    admission=ANY,
                    enforcement=ANY,
                    descriptors=ANY,
                ),
                "Whatever the state",
            ),
            parameters=[
                given_in("query", "verbose", STR, "Queue, headroom, what keeps the limits, for operators")
            ],
        )
    },
    "/metrics": {"get": operation("Prometheus metrics", as_text("text/plain", "Text format"), operator=True)},
    "/workers": {
        "get": operation(
            "Endpoints, bundles and sessions",
            as_json(
                an_object(
                    endpoints=a_list(ref("Endpoint")),
                    bundles=a_list(ref("Bundle")),
                    workers=a_list(ref("Worker")),
                ),
                "Live sessions, oldest first",
            ),
            operator=True,
            parameters=[
                given_in("query", "all", BOOL, "Ended sessions too, the latest first"),
                given_in("query", "state", {"enum": list(STATES)}, "Only those in this state"),
                *(given_in("query", name, STR, f"Only those of this {name}") for name in _FILTERS),
            ],
        )
    },
    "/workers/{session_id}": {
        "parameters": [_SESSION],
        "get": operation("One session", as_json(ref("Worker"), "The session"), operator=True),
        "delete": operation(
            "End a session and wait for its end",
            as_json(ref("Worker"), "The ended session"),
            operator=True,
            parameters=[given_in("query", "grace_s", NUM, "Seconds between asking and killing")],
        ),
    },
    "/workers/{session_id}/messages": {
        "parameters": [_SESSION],
        "get": operation(
            "Which messages a session exchanged with its room last; not what is in them",
            as_json(
                an_object(
                    messages=a_list(
                        an_object(at=TIME, direction=STR, kind=STR, bytes=INT, count=INT, summary=STR)
                    ),
                    dropped=MAYBE_INT,
                ),
                "Oldest first; `dropped` is null when there were more than are kept",
            ),
            operator=True,
        ),
    },
    "/workers/{session_id}/logs": {
        "parameters": [_SESSION],
        "get": operation(
            "What a session wrote",
            as_json(
                an_object(session=STR, lines=a_list(ref("LogLine")), next=INT, dropped=INT),
                "Kept lines; with follow=1 a stream of them (ndjson, or server-sent events when accepted)",
            ),
            operator=True,
            parameters=[
                given_in("query", "after", INT, "Only lines numbered above"),
                given_in("query", "follow", BOOL, "Stream lines until the session ends"),
            ],
        ),
    },
    "/workers/{session_id}/crash": {
        "parameters": [_SESSION],
        "get": operation(
            "Why a session did not end well",
            as_json(ref("CrashReport"), "The report; 404 when it ended as it was meant to"),
            operator=True,
        ),
    },
    "/workers/{session_id}/crash/bundle": {
        "parameters": [_SESSION],
        "get": operation(
            "The report as one file to hand on: text, data, log, stacks, call, source, versions",
            as_text("application/gzip", "A tar.gz, the same one each time"),
            operator=True,
        ),
    },
    "/workers/{session_id}/stacks": {
        "parameters": [_SESSION],
        "get": operation(
            "Every asyncio task's and every thread's stack now, also while it hangs",
            as_text("text/plain", "Stacks"),
            operator=True,
        ),
    },
    "/workers/{session_id}/ping": {
        "parameters": [_SESSION],
        "post": operation(
            "One round trip to the session's event loop",
            as_json(an_object(session=STR, round_trip_ms=NUM), "How long it took"),
            operator=True,
        ),
    },
    "/workers/{session_id}/faults": {
        "parameters": [_SESSION],
        "post": operation(
            "Make the session misbehave; only where BULKHEAD_CHAOS is on",
            as_json(an_object(session=STR, fault=STR), "Asked of it"),
            operator=True,
        ),
    },
    "/crashes": {
        "get": operation(
            "What ended badly, by kind and place",
            as_json(an_object(crashes=a_list(ref("CrashGroup"))), "The latest first"),
            operator=True,
        )
    },
    "/crashes/{fingerprint}": {
        "parameters": [given_in("path", "fingerprint", STR, "Twelve hexadecimal digits")],
        "get": operation(
            "One kind of crash, its sessions and its latest report",
            as_json(ref("CrashGroup"), "The group, with `sessions` and `report`"),
            operator=True,
        ),
    },
    "/events": {
        "get": operation(
            "Everything that happens to sessions, as it happens",
            as_text("text/event-stream", "Server-sent events; resume with Last-Event-ID"),
            operator=True,
            parameters=[
                given_in("query", "since", STR, "An event's id to go on after; 0 for all that is kept"),
                given_in("header", "Last-Event-ID", STR, "The same, as browsers send it"),
            ],
        )
    },
    "/rooms": {"get": operation("Open rooms", as_json(LIST, "Rooms and their participants"), operator=True)},
    "/rooms/{room}": {
        "parameters": [given_in("path", "room", STR, "Name of the room")],
        "get": {
            "summary": "Enter a room (websocket)",
            "parameters": [
                given_in("query", "token", STR, "Participant token; or send it as Authorization: Bearer")
            ],
            "responses": {
                "101": {"description": "The room protocol follows"},
                "default": PROBLEM,
            },
        },
    },
    "/rooms/{room}/token": {
        "parameters": [given_in("path", "room", STR, "Name of the room")],
        "post": operation(
            "A token with which a person can enter",
            as_json(an_object(room=STR, room_url=STR, token=STR), "What to connect to, and with what"),
            operator=True,
            requestBody={"content": {"application/json": {"schema": an_object(name=STR)}}},
        ),
    },
    **ROOM_PATHS,
    **STUDIO_PATHS,
    **USAGE_PATHS,
    "/settings": {
        "get": operation(
            "Every setting in force",
            as_json(
                an_object(
                    settings=a_list(an_object(name=STR, env=STR, value={}, source=STR, help=STR, secret=BOOL))
                ),
                "Of secrets no more than that they are set",
            ),
            operator=True,
        )
    },
    "/openapi.json": {"get": operation("This document", as_json(ANY, "OpenAPI 3.1"))},
    "/{endpoint}": {
        "parameters": [
            given_in("path", "endpoint", STR, "An endpoint's path, with its slashes"),
            given_in("header", "Meshagent-Webhook", STR, "The webhook as JSON, instead of a body"),
        ],
        "post": operation(
            "Call an agent into a room",
            as_json(ref("Called"), "Accepted and written down; ready, when waiting was asked for"),
            security=[{}, {"meshagent": []}, {"standardWebhooks": []}],
            parameters=[
                given_in(
                    "header", "Prefer", STR, "wait=N: answer when the agent is ready, or after N seconds"
                ),
                given_in("header", "Idempotency-Key", STR, "The same key is the same session"),
            ],
            requestBody={"required": True, "content": {"application/json": {"schema": ref("Webhook")}}},
        ),
        "get": {
            "summary": "Call an agent by websocket: the socket becomes its room connection",
            "responses": {
                "101": {"description": "The room protocol follows, with the caller as the room"},
                "default": PROBLEM,
            },
        },
    },
}
