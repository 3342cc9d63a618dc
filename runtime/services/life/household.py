"""The services of all rooms that are open: which are to run where, now and after each change.

A room's own services follow every change at once.  A project's are started when a room opens; a change of one
waits for the room's next run, but one that is disabled or deleted ends at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from runtime.containers.contract import BoxId, Home
from runtime.containers.errors import ServiceNotFound, WrongState
from runtime.errors import NotFound, RuntimeServiceError
from runtime.logs import get_logger
from runtime.services.in_room import Shown
from runtime.services.life.life import Life
from runtime.services.life.means import Means
from runtime.services.life.reach import ports_of
from runtime.services.life.telling import Telling
from runtime.services.service import PROJECT, Service
from runtime.services.terms import State, Tell
from runtime.tasks import Tasks
from runtime.wire.manifest.manifest import OWN_API_KEY

_log = get_logger("services")


class _Room(msgspec.Struct, eq=False):
    home: Home
    session_id: str
    is_present: Callable[[str], bool] = lambda _: False
    lives: dict[str, Life] = msgspec.field(default_factory=dict)


class Household:
    """See `ServicesOfRooms`.  Runs in: the front's event loop."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._rooms: dict[str, _Room] = {}
        self._turn = asyncio.Lock()  # what is read from the store is acted on before anybody reads anew
        self._tasks = Tasks(_log, "services.task_failed")

    def opened(self, home: Home, session_id: str, is_present: Callable[[str], bool]) -> None:
        """See `ServicesOfRooms`; so the others."""
        room = self._rooms[home.room] = _Room(home, session_id, is_present)
        self._tasks.spawn(self._look(room, is_new=True), f"services of {home.room}")

    async def closed(self, room: str) -> None:
        held = self._rooms.pop(room, None)
        if held is not None:
            await asyncio.gather(*(life.aclose() for life in held.lives.values()))

    async def listed(self, room: str) -> list[Shown]:
        held = self._rooms.get(room)
        found = []
        for service in await self._kept(room):
            life = held.lives.get(service.id) if held is not None else None
            state = life.state() if life is not None else self._idle(service)
            found.append(Shown(service.spec, state))
        return found

    def going(self) -> dict[str, dict[str, Any]]:
        """How each service goes in each room that runs it or did: by service, then by room."""
        found: dict[str, dict[str, Any]] = {}
        for room, held in self._rooms.items():
            for service_id, life in held.lives.items():
                found.setdefault(service_id, {})[room] = {**life.state(), "revision": life.revision}
        return found

    async def restart(self, room: str, service_id: str) -> None:
        async with self._turn:
            (await self._wanted(room, service_id)).restart()

    async def run(self, room: str, service_id: str, more: Mapping[str, str]) -> BoxId:
        async with self._turn:
            life = await self._wanted(room, service_id)
        return await life.run(more)

    async def anew(self, service: Service) -> None:
        """Start a service anew, by its newest revision, in every room that is open and has it."""
        async with self._turn:
            for held in self._rooms.values():
                life = held.lives.get(service.id)
                if life is not None and life.is_wanted:
                    life.want(service)
                    life.restart()

    async def log(self, room: str, service_id: str, *, previous: bool = False) -> list[str]:
        """What a service wrote in a room that is open, line by line.

        Raises:
            ServiceNotFound, WrongState: There is no such service; the room is not open.
        """
        service = await self._named(room, service_id)
        held = self._rooms.get(room)
        if held is None:
            raise WrongState(f"room {room!r} is not open", cure="Logs of services end with their room.")
        life = held.lives.get(service.id)
        return await life.log(previous=previous) if life is not None else []

    def changed(self, room: str = PROJECT) -> None:
        """Services of a room, or of the project, were made, changed or deleted."""
        self._tasks.spawn(self._means.store.keys.forget_services(self._keys), "keys of services")
        if self._means.deployed is not None:
            self._means.deployed.look()
        for name, held in self._rooms.items():
            if room in (PROJECT, name):
                self._tasks.spawn(self._look(held, is_new=False), f"services of {name}")

    async def aclose(self) -> None:
        """Do nothing more."""
        await asyncio.gather(*(self.closed(room) for room in list(self._rooms)))
        await self._tasks.aclose()

    # ---- within

    async def _look(self, held: _Room, *, is_new: bool) -> None:
        """Have a room run what is kept for it."""
        room = held.home.room
        async with self._turn:
            try:
                kept = await self._kept(room)
            except RuntimeServiceError as error:
                _log.error("services.unreadable", room=room, error=str(error))
                return
            if self._rooms.get(room) is not held:
                return  # it closed meanwhile
            wanted = {service.id: service for service in kept if service.is_enabled}
            for service_id, life in held.lives.items():
                if service_id not in wanted:
                    life.want_not()
            for service in wanted.values():
                if is_new or service.room != PROJECT:
                    self._want(held, service)
            _tell_of_twins(held, wanted.values())
            gone = {service_id for service_id, life in held.lives.items() if life.is_idle}
            for service_id in gone - {service.id for service in kept}:
                del held.lives[service_id]

    async def _keys(self) -> dict[str, str]:
        """The name of the key that is made for each service that asks for one."""
        kept = await self._means.store.services.listed(room=None)
        asked = {one.id: (one.spec.get("container") or {}).get(OWN_API_KEY) for one in kept}
        return {
            service: key["name"] for service, key in asked.items() if key and key.get("auto_provision", True)
        }

    async def _wanted(self, room: str, service_id: str) -> Life:
        """One that can run in a room, and is to."""
        service = await self._named(room, service_id)
        held = self._rooms.get(room)
        if held is None:
            raise WrongState(f"room {room!r} is not open", cure="Its services start when somebody enters.")
        if not service.is_enabled:
            raise WrongState(f"service {service.name!r} is disabled", cure="Enable it.")
        if "container" not in service.spec:
            raise WrongState(f"service {service.name!r} runs elsewhere", cure="Start it there.")
        return self._want(held, service)

    def _want(self, held: _Room, service: Service) -> Life:
        life = held.lives.get(service.id)
        if life is None:
            life = Life(service, held.home, held.session_id, self._means, held.is_present)
            held.lives[service.id] = life
        life.want(service)
        return life

    async def _kept(self, room: str) -> list[Service]:
        services = self._means.store.services
        found = [*await services.listed(room=PROJECT), *await services.listed(room=room)]
        return sorted(found, key=lambda service: (service.name, service.room))

    async def _named(self, room: str, service_id: str) -> Service:
        try:
            service = await self._means.store.services.get(service_id)
        except NotFound:
            service = None
        if service is None or service.room not in (PROJECT, room):
            raise ServiceNotFound(f"no service {service_id[:80]!r} in room {room!r}")
        return service

    def _idle(self, service: Service) -> dict[str, Any]:
        telling = Telling(self._means.clock.wall, self._means.hide)
        return telling.shown(service.id, State.IDLE, restarts=0, container=None)


def _tell_of_twins(held: _Room, services: Iterable[Service]) -> None:
    """Services that call somebody of the same name into a room: nobody there can tell the two apart."""
    first: dict[str, Service] = {}
    for service in services:
        for identity in {one.identity for port in ports_of(service.spec) for one in port.endpoints}:
            other = first.setdefault(identity, service)
            if other is not service and service.id in held.lives:
                told = f"{identity!r} is called in by service {other.name!r} as well"
                held.lives[service.id].telling.note(Tell("SameIdentity", told, is_warning=True))
