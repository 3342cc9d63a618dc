"""Deployments: a bundle is announced, sent, and then loaded beside what serves.

They are resources, so that whoever sent one may lose its connection and still learn what became of it.
"""

from __future__ import annotations

from typing import Final

from quart import Blueprint, request

from runtime.errors import NotFound
from runtime.front.http.body import read_body
from runtime.front.http.contract import also, asks, belongs, gives, takes
from runtime.front.openapi.shapes.deploying.deployments import (
    AllDeployments,
    DeploymentError,
    OneDeployment,
    ProgressQuery,
    WantedDeployment,
)
from runtime.front.operator.room.whose import services_of
from runtime.front.state import Front, caller
from runtime.services.deployed.deployment import Deployment
from runtime.services.deployed.deployments import Deployments

BASE: Final = "/accounts/projects/<project>/deployments"
SENT_WITHIN_S: Final = 600.0
_EXAMPLE: Final = WantedDeployment(name="greeter", room="myroom")


def routes(front: Front) -> Blueprint:
    """``/accounts/projects/…/deployments``."""
    paths = Blueprint("deployments", __name__)
    belongs(paths, "accounts", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    def there(project: str, room: str = "") -> Deployments:
        services_of(front, project, room)
        if front.deployments is None:
            raise NotFound(
                "this server runs no bundles itself",
                cure="Put the folder on the machines that run its sessions.",
            )
        if not front.configuration.containers.deploy:
            raise NotFound("this server takes no bundles", cure="Set containers.deploy to true.")
        return front.deployments

    @paths.get(BASE)
    @gives(AllDeployments)
    async def listed(project: str) -> AllDeployments:
        """The latest deployments, the newest first"""
        return AllDeployments(deployments=[_shown(one) for one in there(project).listed()])

    @paths.post(BASE)
    @takes(WantedDeployment, example=_EXAMPLE)
    @gives(OneDeployment, 201)
    async def announce(project: str, data: WantedDeployment) -> OneDeployment:
        """Announce a bundle, whose archive is then sent"""
        by = front.access.how(caller())
        one = there(project, data.room).open(data.name, data.room, data.environment, now=data.now, by=by)
        return _shown(one)

    @paths.put(f"{BASE}/<deployment>/archive")
    @also(202, "It was taken; the deployment tells what becomes of it", "application/json")
    @gives(OneDeployment, 202)
    async def archive(project: str, deployment: str) -> OneDeployment:
        """Send the bundle: a tar of its folder, packed by gzip or not"""
        deployments = there(project)
        one = deployments.get(deployment)
        deployments.begin(one, await read_body(request, timeout_s=SENT_WITHIN_S))
        return _shown(one)

    @paths.get(f"{BASE}/<deployment>")
    @asks(ProgressQuery)
    @gives(OneDeployment)
    async def progress(project: str, deployment: str, query_args: ProgressQuery) -> OneDeployment:
        """How far a deployment got; with `wait`, when there is more to tell"""
        one = there(project).get(deployment)
        if not one.is_over and query_args.wait:
            await one.news(query_args.after, query_args.state or one.state, timeout_s=query_args.wait)
        return _shown(one, after=query_args.after)

    return paths


def _shown(one: Deployment, *, after: int = 0) -> OneDeployment:
    return OneDeployment(
        id=one.id,
        name=one.name,
        room=one.room,
        state=one.state,
        lines=one.lines[max(0, after - one.dropped) :],
        next=one.dropped + len(one.lines),
        digest=one.digest,
        service=one.service.id if one.service is not None else "",
        revision=one.service.revision if one.service is not None else 0,
        going_on=one.going_on,
        error=None if one.error is None else _told(one.error),
    )


def _told(error: Exception) -> DeploymentError:
    return DeploymentError(
        code=getattr(error, "code", "internal"),
        message=getattr(error, "message", "") or "the server made a mistake; its log has the details",
        cure=getattr(error, "cure", ""),
        detail=str(getattr(error, "detail", "")),
    )
