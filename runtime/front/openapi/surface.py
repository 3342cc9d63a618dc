"""What the description of the API says of it as a whole: its parts, who may use them, what its paths name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

TAGS: Final[Mapping[str, str]] = {
    "calls": "Webhooks: calling agents into rooms",
    "sessions": "What runs: sessions, their processes, logs, stacks and ends",
    "crashes": "Why sessions ended badly, by kind and place",
    "events": "Everything that happens to sessions, as it happens",
    "usage": "What sessions used",
    "quarantine": "Inputs that killed their sessions",
    "rooms": "The embedded room server",
    "mail": "Mail of rooms: addresses, what providers post, what is kept here",
    "nodes": "Machines that run sessions, where there are several",
    "model": "The model, for agents that reach it through their room",
    "accounts": "MeshAgent's accounts API, as far as its command line needs it",
    "studio": "The dashboard: its pages, its stream, who is let in",
    "server": "Probes, metrics, settings, descriptions",
}

PATH_PARAMETERS: Final[Mapping[str, tuple[str, str]]] = {
    "account": ("Name or id of a service account", "default"),
    "address": ("A mail address", "support@example.com"),
    "deployment": ("Id of a deployment", "0123456789abcdef"),
    "delivery_id": ("Id of a delivery", "msg_0123456789abcdef0123456789abcdef"),
    "endpoint": ("An endpoint's path, with its slashes", "chat"),
    "fingerprint": ("Name of a kind of crash: twelve hexadecimal digits", "0123456789ab"),
    "hash": ("Name of an input, as /quarantine lists it", "0123456789ab"),
    "key_id": ("Id of an API key", "11111111-2222-4333-8444-555555555555"),
    "letter": ("Id of a message, as /mail lists it", "01700000000000-0123abcd"),
    "page": ("A page, or a file of the Studio", "sessions"),
    "name": ("Name of a service", "greeter"),
    "node": ("Name of a machine", "n1"),
    "path": ("Path of the file in the room", "notes.txt"),
    "project": ("Id of the project", "00000000-0000-4000-8000-000000000000"),
    "room": ("Name of the room", "myroom"),
    "secret_id": ("Id of a secret", "11111111-2222-4333-8444-555555555555"),
    "service_id": ("Id of a service", "11111111-2222-4333-8444-555555555555"),
    "session_id": ("Id of a session", "s_7Q4M2XKB9TEV"),
    "version_id": ("Id of a version of a secret", "11111111-2222-4333-8444-555555555555"),
    "webhook_id": ("Id of a webhook that goes out", "11111111-2222-4333-8444-555555555555"),
}
"""By name: what a part of a path is, and an example."""


def security(cookie: str) -> dict[str, Any]:
    """The ways to prove who asks.

    Args:
        cookie: Name of the cookie that holds a browser session.
    """
    return {
        "operator": {
            "type": "http",
            "scheme": "bearer",
            "description": "BULKHEAD_API_TOKEN. Not needed by your own processes on this machine while no "
            "API token, webhook secret or public URL is set",
        },
        "browserSession": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie,
            "description": "From a link with a one-time code, for the Studio's pages",
        },
        "participant": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A participant token of the room",
        },
        "meshagent": {
            "type": "apiKey",
            "in": "header",
            "name": "Meshagent-Signature",
            "description": "Bearer HS256 JWT with the claim sha256 of the body",
        },
        "standardWebhooks": {
            "type": "apiKey",
            "in": "header",
            "name": "webhook-signature",
            "description": "As standardwebhooks.com describes it",
        },
    }
