"""How a server describes itself: its service specification, and the paths that are not for agents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

ANY_PORT: Final = "*"
"""As ``num`` of a port: whoever runs the image chooses it, and says so in ``MESHAGENT_PORT``."""

UNNAMED: Final = "<YOUR_SERVICE_NAME>"
WELL_KNOWN: Final = "/.well-known/meshagent-service.json"

RESERVED: Final[Mapping[str, str]] = {
    "/": "liveness",
    "/.well-known": "the service specification",
    "/accounts": "MeshAgent's accounts API",
    "/api": "a later version of this API",
    "/closed-rooms": "rooms that are not open",
    "/anthropic": "the model",
    "/config": "what MeshAgent's clients ask first",
    "/crashes": "the reports of crashes",
    "/events": "the event stream",
    "/favicon.ico": "the Studio's icon",
    "/healthz": "the health summary",
    "/livez": "the liveness probe",
    "/mail": "mail of rooms",
    "/metrics": "metrics",
    "/nodes": "machines that run sessions",
    "/openai": "the model",
    "/openapi.json": "the description of this API",
    "/quarantine": "inputs that killed their sessions",
    "/readyz": "the readiness probe",
    "/relay": "callers of sessions on other machines",
    "/rooms": "the room server",
    "/settings": "the settings in force",
    "/snapshot": "copies for a backup",
    "/studio": "the dashboard",
    "/templates": "templates of services",
    "/usage": "what sessions used",
    "/workers": "the state of sessions",
}
"""Paths the front keeps for itself, each with everything below it, and what it keeps them for."""


def reserved_by(path: str) -> str | None:
    """The reserved path that `path` would hide, or None when an agent may have it."""
    if path in RESERVED:
        return path
    return next((kept for kept in RESERVED if kept != "/" and path.startswith(f"{kept}/")), None)


class EndpointSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a specification.

    Attributes:
        api: The API scope that tokens for it should get; None for a caller's default.
    """

    path: str
    identity: str
    api: Mapping[str, Any] | None = None


def service_spec(
    endpoints: Iterable[EndpointSpec],
    *,
    port: int,
    name: str = "",
    image: str = "",
    command: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The specification in the least form, which every version of MeshAgent's strict reader takes.

    Keys that are not needed are left out: each version forbids keys that it does not know.
    """
    container: dict[str, Any] = {"image": image}
    if command is not None:
        container["command"] = command
    if environment:
        container["environment"] = [{"name": key, "value": value} for key, value in environment.items()]
    listed = []
    for endpoint in endpoints:
        meshagent: dict[str, Any] = {"identity": endpoint.identity}
        if endpoint.api is not None:
            meshagent["api"] = dict(endpoint.api)
        listed.append({"path": endpoint.path, "meshagent": meshagent})
    return {
        "version": "v1",
        "kind": "Service",
        "metadata": {"name": name or UNNAMED},
        "container": container,
        "ports": [{"num": port, "type": "http", "endpoints": listed}],
    }
