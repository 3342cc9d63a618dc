"""Requests and tools ``services.*``: what is kept for a room, how it goes, and starting it anew."""

from __future__ import annotations

import json
from collections.abc import Callable

from runtime.containers.contract import Home
from runtime.containers.errors import ServiceNotFound
from runtime.errors import PermissionDenied
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.rooms.token import Claims
from runtime.services.in_room import ServicesOfRooms, Shown
from runtime.wire.content import EmptyContent, JsonContent
from runtime.wire.manifest.manifest import Spec
from runtime.wire.manifest.release import NEWEST, OLDEST, known_to

_FIRST_WITH_TOOLS = "0.30"


class Services:
    """The family, in both dialects.

    Args:
        given: None where nothing runs services.
    """

    def __init__(self, room: str, given: ServicesOfRooms | None) -> None:
        self._room, self._given = room, given

    def requests(self) -> Handlers:
        """What the older dialect has."""
        return {"services.list": self._list_older, "services.restart": self._restart}

    def tools(self) -> Handlers:
        """Handlers by full name."""
        return {"services.list": self._list, "services.restart": self._restart}

    def opened(self, home: Home, session_id: str, is_present: Callable[[str], bool]) -> None:
        """See `ServicesOfRooms`."""
        if self._given is not None:
            self._given.opened(home, session_id, is_present)

    async def close(self) -> None:
        """The room ends."""
        if self._given is not None:
            await self._given.closed(self._room)

    async def _list_older(self, request: Request) -> Outcome:
        shown = await self._shown(request)
        specs = [known_to(one.spec, OLDEST) for one in shown]
        states = {one.spec["id"]: dict(one.state) for one in shown}
        return JsonContent({"services": specs, "service_states": states})

    async def _list(self, request: Request) -> Outcome:
        shown = await self._shown(request)
        texts = [json.dumps(_for_all(one.spec)) for one in shown]
        return JsonContent({"services_json": texts, "service_states": [dict(one.state) for one in shown]})

    async def _shown(self, request: Request) -> list[Shown]:
        _check(request.peer.participant.claims, "list")
        return [] if self._given is None else await self._given.listed(self._room)

    async def _restart(self, request: Request) -> Outcome:
        _check(request.peer.participant.claims, "restart")
        service_id = request.text("service_id")
        if self._given is None:
            raise ServiceNotFound(f"no service {service_id[:80]!r}")
        await self._given.restart(self._room, service_id)
        return EmptyContent()


def _check(claims: Claims, verb: str) -> None:
    """Tokens without the family are older than it, or an agent's: they may look, and not touch."""
    limits = claims.family("services")
    granted = verb == "list" or claims.role == "user" or claims.is_admin
    if not (granted if limits is None else limits.get(verb, True)):
        raise PermissionDenied(
            f"the token does not allow to {verb} services", cure="It takes the services grant."
        )


def _for_all(spec: Spec) -> Spec:
    """What every release with this dialect can read."""
    shown = known_to(known_to(spec, NEWEST), _FIRST_WITH_TOOLS)
    if "container" in shown:
        shown["container"].pop("pull_secret", None)
    return shown
