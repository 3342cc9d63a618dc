"""Where a service is reached: its ports and the endpoints that are called, by its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from runtime.services.service import Service, Spec
from runtime.services.terms import Plan

FIRST_PORT: Final = 49_000
"""Ports without a number of their own are numbered from here."""


_KEPT: Final = ("cpu", "memory", "pids")
"""What of `x-isolation` an engine keeps."""
_OFFERS: Final[dict[str, Any]] = {"agents": {"use_tools": False, "use_agents": False, "call": False}}
"""What who offers the tools of an MCP server may do in a room."""
_NOT_DONE: Final = {
    "oauth": "nobody can sign in to it here; give a token of yours as mcp.headers",
    "openai_connector_id": "connectors are OpenAI's own, for agents that ask its models",
    "use_proxy_secret": "no secret is added on the way; give it as mcp.headers",
}


class Endpoint(msgspec.Struct, frozen=True):
    """One path that is called into the room, or whose tools are offered there.

    Attributes:
        identity: The name of who is there for it.
        api: What it may do there; None for what agents may.
        mcp: What the manifest says of an MCP server; None for what is called.
    """

    port: int
    path: str
    identity: str
    api: dict[str, Any] | None
    mcp: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        return f"{self.port}{self.path}"


class Port(msgspec.Struct, frozen=True):
    """One port of a service.

    Attributes:
        named: As the manifest has it: a number, or ``*``.
        outer: The port of the host that is to lead there; 0 for a free one.
        liveness: The path that answers when it is ready; empty for none.
    """

    number: int
    named: int | str
    outer: int
    liveness: str
    endpoints: tuple[Endpoint, ...]


def ports_of(spec: Spec) -> tuple[Port, ...]:
    """In the manifest's order."""
    given = spec.get("ports", ())
    taken = {port["num"] for port in given if isinstance(port.get("num"), int)}
    free = (number for number in range(FIRST_PORT, 65_536) if number not in taken)
    listed = []
    for port in given:
        named = port.get("num", "*")
        number = named if isinstance(named, int) else next(free)
        endpoints = tuple(
            found for one in port.get("endpoints", ()) if (found := _endpoint(number, one)) is not None
        )
        listed.append(Port(number, named, port.get("host_port", 0), port.get("liveness", ""), endpoints))
    return tuple(listed)


def _endpoint(port: int, one: Spec) -> Endpoint | None:
    if "meshagent" in one:
        called = one["meshagent"]
        return Endpoint(port, one["path"], called["identity"], called.get("api"))
    if "mcp" in one and not _not_offered(one["mcp"]):
        return Endpoint(port, one["path"], one["mcp"]["label"], _OFFERS, one["mcp"])
    return None


def _not_offered(mcp: Spec) -> str:
    """Why the tools of an MCP server are not offered; empty when they are."""
    if mcp.get("require_approval") == "always":
        return "nobody here is asked for approval; leave require_approval out, or have an agent call it"
    return next((why for key, why in _NOT_DONE.items() if mcp.get(key)), "")


def plan_of(service: Service) -> Plan:
    """What its life depends on."""
    ports, container = ports_of(service.spec), service.spec.get("container")
    return Plan(
        revision=service.revision,
        endpoints=tuple(endpoint.name for port in ports for endpoint in port.endpoints),
        has_liveness=container is not None and any(port.liveness for port in ports),
        is_on_demand=bool((container or {}).get("on_demand")),
    )


def url_of(spec: Spec, port: Port, path: str, reached: Mapping[int, int]) -> str:
    """Where an endpoint is called.

    Args:
        reached: Where this machine reaches each port of the container.
    """
    external = spec.get("external")
    if external is None or "container" in spec:
        return f"http://127.0.0.1:{reached[port.number]}{quote(path, safe='/?&=%')}"
    base = str(external["url"]).rstrip("/")
    parts = urlsplit(base)
    if isinstance(port.named, int) and parts.port is None:
        base = f"{parts.scheme}://{parts.netloc}:{port.named}{parts.path.rstrip('/')}"
    return base + quote(path, safe="/?&=%")


def not_served(spec: Spec) -> list[str]:
    """What a manifest asks for that this server leaves out, in sentences."""
    told = [
        f"{endpoint['path']}: no toolkit {endpoint['mcp']['label']!r}: {why}"
        for port in spec.get("ports", ())
        for endpoint in port.get("endpoints", ())
        if (why := _not_offered(endpoint.get("mcp", {})))
    ]
    container = spec.get("container", {})
    storage = container.get("storage", {})
    if storage.get("configs"):
        told.append("storage.configs: spec.json is there, and no members.json")
    if left := sorted(isolation_of(spec).keys() - _KEPT):
        told.append(f"x-isolation: {', '.join(left)}: of a container only {', '.join(_KEPT)} are kept")
    return told


def isolation_of(spec: Spec) -> dict[str, Any]:
    """How a service is to be held: what its container says of it before what the manifest does."""
    own: dict[str, Any] = (spec.get("container") or {}).get("x-isolation", {})
    return {**spec.get("x-isolation", {}), **own}
