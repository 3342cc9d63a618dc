"""The part of ``/openapi.json`` about rooms from outside: the model, files, MeshAgent's accounts API."""

from __future__ import annotations

from typing import Any, Final

_OBJECT: Final = {"application/json": {"schema": {"type": "object"}}}
_PROBLEM: Final = {"$ref": "#/components/responses/Problem"}


def _path(*names: str) -> list[dict[str, Any]]:
    return [
        {
            "in": "path",
            "name": name,
            "required": True,
            "schema": {"type": "string"},
            "description": _NAMES[name],
        }
        for name in names
    ]


def _does(summary: str, *, sends: bool = False, operator: bool = True) -> dict[str, Any]:
    done: dict[str, Any] = {
        "summary": summary,
        "responses": {"200": {"description": summary, "content": _OBJECT}, "default": _PROBLEM},
    }
    if sends:
        done["requestBody"] = {"content": _OBJECT}
    if operator:
        done["security"] = [{}, {"operator": []}]
    return done


_NAMES: Final = {
    "room": "Name of the room",
    "project": "Id of the project",
    "path": "Path of the file in the room",
}

_MODEL: Final[dict[str, Any]] = {
    "post": {
        "summary": "Ask the model (Responses API); stream: true for server-sent events",
        "description": "Authorization: Bearer with a participant token. The server's provider answers.",
        "requestBody": {"content": _OBJECT},
        "responses": {
            "200": {
                "description": "The model's answer",
                "content": {**_OBJECT, "text/event-stream": {"schema": {"type": "string"}}},
            },
            "default": _PROBLEM,
        },
    },
    "get": {
        "summary": "Ask the model over a websocket: one response.create per text frame",
        "responses": {"101": {"description": "Events follow, one per text frame"}, "default": _PROBLEM},
    },
}

ROOM_PATHS: Final[dict[str, Any]] = {
    "/rooms/{room}/files/{path}": {
        "parameters": [
            *_path("room", "path"),
            {
                "in": "query",
                "name": "token",
                "required": True,
                "schema": {"type": "string"},
                "description": "From the link that storage.download_url gave; good for an hour and this file",
            },
        ],
        "get": {
            "summary": "A room's file",
            "responses": {
                "200": {"description": "Its bytes", "content": {"application/octet-stream": {}}},
                "default": _PROBLEM,
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
