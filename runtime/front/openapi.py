"""``/openapi.json``: the HTTP surface described in OpenAPI 3.1.  A test holds it against the routes."""

from __future__ import annotations

from typing import Any, Final

from quart import Blueprint, Response, jsonify

import runtime
from runtime.front.openapi_rooms import ROOM_PATHS
from runtime.front.openapi_usage import USAGE_PATHS
from runtime.session.record import ExitReason


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
            "schemas": _SCHEMAS,
            "responses": {"Problem": _PROBLEM},
            "securitySchemes": {
                "operator": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Not needed from this machine",
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


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _in(where: str, name: str, kind: str, description: str) -> dict[str, Any]:
    return {
        "in": where,
        "name": name,
        "required": where == "path",
        "schema": {"type": kind},
        "description": description,
    }


def _text(kind: str, description: str) -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": {"type": "string"}}}}


def _operation(summary: str, ok: dict[str, Any], *, operator: bool = False, **more: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {"200": ok, "default": {"$ref": "#/components/responses/Problem"}},
    }
    if operator:
        operation["security"] = [{}, {"operator": []}]
    return operation | more


_STR: Final = {"type": "string"}
_INT: Final = {"type": "integer"}
_NUM: Final = {"type": "number"}
_MAYBE_INT: Final = {"type": ["integer", "null"]}
_ANY: Final = {"type": "object"}
_MAYBE_ANY: Final = {"type": ["object", "null"]}
_ANY_LIST: Final = {"type": "array"}
_MAYBE_STR: Final = {"type": ["string", "null"]}
_SESSION: Final = _in("path", "session_id", "string", "Such as s_7Q4M2XKB")
_OK: Final = _json(_object(ok={"const": True}), "Alive")

_SCHEMAS: Final[dict[str, Any]] = {
    "Webhook": _object(
        event={"enum": ["room.call", "room.started", "room.ended"]},
        data=_object(
            room_name=_STR,
            room_url={"type": "string", "description": "Default: this server's own room of that name"},
            token={"type": "string", "description": "Default: one is minted for the own room"},
            arguments={"type": "object"},
        ),
    ),
    "Called": _object(ok={"const": True}, session=_STR, state=_STR),
    "Exit": _object(
        reason={"enum": [str(reason) for reason in ExitReason]},
        code=_MAYBE_INT,
        signal=_MAYBE_INT,
        message=_STR,
        at={"type": "string", "format": "date-time"},
    ),
    "Worker": _object(
        id=_STR,
        state={"enum": ["accepted", "starting", "ready", "stopping", "exited"]},
        pid=_MAYBE_INT,
        endpoint=_STR,
        identity=_STR,
        room=_STR,
        bundle=_STR,
        generation=_INT,
        accepted_at={"type": "string", "format": "date-time"},
        uptime_s=_NUM,
        cpu_s=_NUM,
        rss_bytes=_INT,
        pss_bytes=_INT,
        fds=_INT,
        threads=_INT,
        children=_INT,
        lag_ms={"type": ["number", "null"]},
        last_heartbeat=_MAYBE_STR,
        restarts=_INT,
        restart=_object(policy=_STR, at=_MAYBE_STR, last_exit={"oneOf": [_ref("Exit"), {"type": "null"}]}),
        input=_MAYBE_STR,
        messages=_INT,
        limits={"type": "object"},
        limit_sources={"type": "object", "additionalProperties": {"type": "string"}},
        processes={"type": "array", "items": _ref("Process")},
        exit={"oneOf": [_ref("Exit"), {"type": "null"}]},
    ),
    "Process": _object(
        pid=_INT,
        parent=_INT,
        name=_STR,
        command=_STR,
        state=_STR,
        threads=_INT,
        cpu_s=_NUM,
        rss_bytes=_INT,
        started_at={"type": "string", "format": "date-time"},
    ),
    "Endpoint": _object(
        path=_STR,
        identity=_STR,
        bundle=_STR,
        generation=_INT,
        state={"enum": ["ready", "failed"]},
        **{"class": _STR},
        kind=_STR,
        title=_STR,
        description=_STR,
        limits={"type": "object"},
        limit_sources={"type": "object", "additionalProperties": {"type": "string"}},
        error=_STR,
    ),
    "Bundle": _object(
        name=_STR,
        source=_STR,
        generation=_INT,
        state={"enum": ["loading", "ready", "failed"]},
        pid=_MAYBE_INT,
        parked=_INT,
        threads={"type": "array", "items": _STR},
        error=_STR,
        detail=_STR,
    ),
    "CrashReport": _object(
        **dict.fromkeys(("session", "endpoint", "identity", "room", "sentence", "cure", "fingerprint"), _STR),
        **dict.fromkeys(("at", "where", "traceback", "native"), _STR),
        **dict.fromkeys(("generation", "frames_omitted", "log_lines_dropped", "peak_rss_bytes"), _INT),
        **dict.fromkeys(("frames", "tasks", "messages", "warnings", "process_tree"), _ANY_LIST),
        room_messages=_ANY_LIST,
        **dict.fromkeys(("code", "use", "arguments", "unknown"), _ANY),
        **dict.fromkeys(("excerpt", "failure"), _MAYBE_ANY),
        exit=_ref("Exit"),
        log={"type": "array", "items": _ref("LogLine")},
        pid=_MAYBE_INT,
        after_s={"type": ["number", "null"]},
        cpu_s=_NUM,
    ),
    "CrashGroup": _object(
        **dict.fromkeys(("fingerprint", "reason", "kind", "endpoint", "bundle", "session_id"), _STR),
        **dict.fromkeys(("first_at", "last_at", "code_sha256", "sentence", "cure", "where"), _STR),
        count=_INT,
        code_generation=_INT,
    ),
    "LogLine": _object(seq=_INT, at=_STR, stream=_STR, level=_STR, text=_STR),
    "Problem": _object(
        type=_STR, title=_STR, status=_INT, detail=_STR, instance=_STR, request_id=_STR, session=_STR
    ),
}
_PROBLEM: Final = {
    "description": "An error, as RFC 9457 writes it; `detail` says what to do",
    "content": {"application/problem+json": {"schema": _ref("Problem")}},
}
_LIST: Final = {"type": "array"}

_PATHS: Final[dict[str, Any]] = {
    "/": {"get": _operation("Liveness, as MeshAgent asks for it", _OK)},
    "/.well-known/meshagent-service.json": {
        "get": _operation("The service specification", _json({"type": "object"}, "Kind Service, version v1"))
    },
    "/livez": {"get": _operation("The event loop turns", _json(_object(status=_STR), "Alive"))},
    "/readyz": {
        "get": _operation(
            "Calls may be sent",
            _json(_object(status=_STR, reasons=_LIST, checks={"type": "object"}), "Ready; 503 when not"),
            parameters=[_in("query", "verbose", "string", "Every check, for operators")],
        )
    },
    "/healthz": {
        "get": _operation(
            "A summary",
            _json(
                _object(
                    status={"enum": ["starting", "ok", "degraded", "draining"]},
                    version=_STR,
                    generation=_INT,
                    endpoints=_INT,
                    sessions=_INT,
                    uptime_s=_NUM,
                    admission={"type": "object"},
                ),
                "Whatever the state",
            ),
            parameters=[_in("query", "verbose", "string", "Queue, headroom and quarantine, for operators")],
        )
    },
    "/metrics": {"get": _operation("Prometheus metrics", _text("text/plain", "Text format"), operator=True)},
    "/workers": {
        "get": _operation(
            "Endpoints, bundles and sessions",
            _json(
                _object(
                    endpoints=_LIST | {"items": _ref("Endpoint")},
                    bundles=_LIST | {"items": _ref("Bundle")},
                    workers=_LIST | {"items": _ref("Worker")},
                ),
                "Live sessions, oldest first",
            ),
            operator=True,
            parameters=[_in("query", "all", "boolean", "Ended sessions too, the latest first")],
        )
    },
    "/workers/{session_id}": {
        "parameters": [_SESSION],
        "get": _operation("One session", _json(_ref("Worker"), "The session"), operator=True),
        "delete": _operation(
            "End a session and wait for its end",
            _json(_ref("Worker"), "The ended session"),
            operator=True,
            parameters=[_in("query", "grace_s", "number", "Seconds between asking and killing")],
        ),
    },
    "/workers/{session_id}/logs": {
        "parameters": [_SESSION],
        "get": _operation(
            "What a session wrote",
            _json(
                _object(session=_STR, lines=_LIST | {"items": _ref("LogLine")}, next=_INT, dropped=_INT),
                "Kept lines; with follow=1 a stream of them (ndjson, or server-sent events when accepted)",
            ),
            operator=True,
            parameters=[
                _in("query", "after", "integer", "Only lines numbered above"),
                _in("query", "follow", "boolean", "Stream lines until the session ends"),
            ],
        ),
    },
    "/workers/{session_id}/crash": {
        "parameters": [_SESSION],
        "get": _operation(
            "Why a session did not end well",
            _json(_ref("CrashReport"), "The report; 404 when it ended as it was meant to"),
            operator=True,
        ),
    },
    "/workers/{session_id}/stacks": {
        "parameters": [_SESSION],
        "get": _operation("Every thread's stack now", _text("text/plain", "Stacks"), operator=True),
    },
    "/workers/{session_id}/ping": {
        "parameters": [_SESSION],
        "post": _operation(
            "One round trip to the session's event loop",
            _json(_object(session=_STR, round_trip_ms=_NUM), "How long it took"),
            operator=True,
        ),
    },
    "/workers/{session_id}/faults": {
        "parameters": [_SESSION],
        "post": _operation(
            "Make the session misbehave; only where BULKHEAD_CHAOS is on",
            _json(_object(session=_STR, fault=_STR), "Asked of it"),
            operator=True,
        ),
    },
    "/crashes": {
        "get": _operation(
            "What ended badly, by kind and place",
            _json(_object(crashes=_LIST | {"items": _ref("CrashGroup")}), "The latest first"),
            operator=True,
        )
    },
    "/crashes/{fingerprint}": {
        "parameters": [_in("path", "fingerprint", "string", "Twelve hexadecimal digits")],
        "get": _operation(
            "One kind of crash, its sessions and its latest report",
            _json(_ref("CrashGroup"), "The group, with `sessions` and `report`"),
            operator=True,
        ),
    },
    "/events": {
        "get": _operation(
            "Everything that happens to sessions, as it happens",
            _text("text/event-stream", "Server-sent events; resume with Last-Event-ID"),
            operator=True,
            parameters=[
                _in("query", "since", "string", "An event's id to go on after; 0 for all that is kept"),
                _in("header", "Last-Event-ID", "string", "The same, as browsers send it"),
            ],
        )
    },
    "/rooms": {"get": _operation("Open rooms", _json(_LIST, "Rooms and their participants"), operator=True)},
    "/rooms/{room}": {
        "parameters": [_in("path", "room", "string", "Name of the room")],
        "get": {
            "summary": "Enter a room (websocket)",
            "parameters": [
                _in("query", "token", "string", "Participant token; or send it as Authorization: Bearer")
            ],
            "responses": {
                "101": {"description": "The room protocol follows"},
                "default": {"$ref": "#/components/responses/Problem"},
            },
        },
    },
    "/rooms/{room}/token": {
        "parameters": [_in("path", "room", "string", "Name of the room")],
        "post": _operation(
            "A token with which a person can enter",
            _json(_object(room=_STR, room_url=_STR, token=_STR), "What to connect to, and with what"),
            operator=True,
            requestBody={"content": {"application/json": {"schema": _object(name=_STR)}}},
        ),
    },
    **ROOM_PATHS,
    **USAGE_PATHS,
    "/openapi.json": {"get": _operation("This document", _json({"type": "object"}, "OpenAPI 3.1"))},
    "/{endpoint}": {
        "parameters": [
            _in("path", "endpoint", "string", "An endpoint's path, with its slashes"),
            _in("header", "Meshagent-Webhook", "string", "The webhook as JSON, instead of a body"),
        ],
        "post": _operation(
            "Call an agent into a room",
            _json(_ref("Called"), "Accepted and written down; ready, when waiting was asked for"),
            security=[{}, {"meshagent": []}, {"standardWebhooks": []}],
            parameters=[
                _in(
                    "header", "Prefer", "string", "wait=N: answer when the agent is ready, or after N seconds"
                ),
                _in("header", "Idempotency-Key", "string", "The same key is the same session"),
            ],
            requestBody={"required": True, "content": {"application/json": {"schema": _ref("Webhook")}}},
        ),
        "get": {
            "summary": "Call an agent by websocket: the socket becomes its room connection",
            "responses": {
                "101": {"description": "The room protocol follows, with the caller as the room"},
                "default": {"$ref": "#/components/responses/Problem"},
            },
        },
    },
}
