"""Having an endpoint of a run in the room: called in, or, of an MCP server, by a toolkit of its tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runtime.errors import RuntimeServiceError
from runtime.logs import get_logger
from runtime.services.deployed.deployments import Deployments
from runtime.services.life.means import Means, Offer
from runtime.services.life.reach import ports_of, url_of
from runtime.services.service import Service
from runtime.services.terms import Tell

MISTAKE = "the server made a mistake; its log has the details"
_log = get_logger("services")


class GoesOn(Exception):
    """A session of an older revision is there for it, and stays."""


class NotCalled(Exception):
    """It is not there; says why."""


async def bring(
    means: Means,
    service: Service,
    name: str,
    *,
    room: str,
    reached: Mapping[int, int],
    secret: str,
    deployed: Deployments | None,
    tell: Callable[[Tell], None],
) -> Offer | None:
    """Bring an endpoint into a room; what offers its tools there, of an MCP server.

    Args:
        name: Of the endpoint.
        reached: Where this machine reaches each port of its container.
        secret: Signs the call.
        deployed: What has the service, if it is a bundle that was sent here.
        tell: Called with what becomes of an MCP server's tools later.

    Raises:
        GoesOn, NotCalled: See there.
    """
    spec = service.spec
    port, endpoint = next(
        (port, one) for port in ports_of(spec) for one in port.endpoints if one.name == name
    )
    if deployed is not None and deployed.runs(service, endpoint.path, room):
        raise GoesOn
    is_inside = "container" in spec and deployed is None
    role = "agent" if endpoint.mcp is None else "tool"
    try:
        token = means.mint(room, endpoint.identity, role=role, scope=endpoint.api, service=service.id)
        url = deployed.url(service.id, endpoint.path) if deployed is not None else ""
        url = url or url_of(spec, port, endpoint.path, reached)
        if endpoint.mcp is not None:
            return await means.offer(url, endpoint.mcp, room=room, token=token, is_near=is_inside, tell=tell)
        await means.call(
            url,
            room=room,
            token=token,
            room_url=means.boxes.room_url(room) if is_inside else None,
            secret=secret if is_inside else "",
        )
    except (RuntimeServiceError, OSError) as failed:
        raise NotCalled(str(failed)) from failed
    except Exception as error:
        _log.exception("service.not_called", service=service.name, room=room)
        raise NotCalled(MISTAKE) from error
    return None
