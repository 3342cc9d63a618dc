"""The part of ``/openapi.json`` about rooms from outside: the model, files, MeshAgent's accounts API."""

from __future__ import annotations

from typing import Any, Final

from runtime.front.openapi.terms import ANY, PROBLEM, STR, as_json, given_in, operation, sent

_OBJECT: Final = {"application/json": {"schema": ANY}}


def _path(*names: str) -> list[dict[str, Any]]:
    return [given_in("path", name, STR, _NAMES[name]) for name in names]


def _does(summary: str, *, sends: bool = False) -> dict[str, Any]:
    more = {"requestBody": sent(ANY)} if sends else {}
    return operation(summary, as_json(ANY, summary), operator=True, **more)


_NAMES: Final = {
    "room": "Name of the room",
    "project": "Id of the project",
    "path": "Path of the file in the room",
}

_MODEL: Final[dict[str, Any]] = {
    "post": {
        "summary": "Ask the model (Responses API); stream: true for server-sent events",
        "description": "Authorization: Bearer with a participant token. The server's provider answers.",
        "requestBody": sent(ANY),
        "responses": {
            "200": {
                "description": "The model's answer",
                "content": {**_OBJECT, "text/event-stream": {"schema": STR}},
            },
            "default": PROBLEM,
        },
    },
    "get": {
        "summary": "Ask the model over a websocket: one response.create per text frame",
        "responses": {"101": {"description": "Events follow, one per text frame"}, "default": PROBLEM},
    },
}

ROOM_PATHS: Final[dict[str, Any]] = {
    "/rooms/{room}/files/{path}": {
        "parameters": [
            *_path("room", "path"),
            given_in(
                "query",
                "token",
                STR,
                "From the link that storage.download_url gave; good for an hour and this file",
            )
            | {"required": True},
        ],
        "get": {
            "summary": "A room's file",
            "responses": {
                "200": {"description": "Its bytes", "content": {"application/octet-stream": {}}},
                "default": PROBLEM,
            },
        },
    },
    "/rooms/{room}/v1/responses": {"parameters": _path("room"), **_MODEL},
    "/rooms/{room}/openai/v1/responses": {"parameters": _path("room"), **_MODEL},
    "/openai/v1/responses": _MODEL,
    "/accounts/projects": {"get": _does("The server's one project")},
    "/accounts/projects/{project}/api-keys": {
        "parameters": _path("project"),
        "get": _does("Its API key, by name and id"),
    },
    "/accounts/projects/{project}/rooms": {
        "parameters": _path("project"),
        "get": _does("Rooms that are open or have something on disk"),
        "post": _does("Make a room", sends=True),
    },
    "/accounts/projects/{project}/rooms/{room}": {
        "parameters": _path("project", "room"),
        "get": _does("One room, by name or id"),
        "delete": _does("Delete a room with its files and documents"),
    },
    "/accounts/projects/{project}/rooms/{room}/connect": {
        "parameters": _path("project", "room"),
        "post": _does("What to enter a room with", sends=True),
    },
}
