"""Services in MeshAgent's accounts API, as its clients of all releases ask.

Their readers refuse a whole list for one key that they do not know, and do not say which release they are; so
who sends ``Consistency`` (0.49 and later) is answered in the newest words, and everybody else in the oldest.
Clients of this server's own send ``Bulkhead-Manifest: whole``, and are answered with all that is kept.  What
one of the newest sends back is completed by what it could not be told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from quart import Blueprint, current_app, request

from runtime.errors import InvalidRequest, ManifestInvalid
from runtime.front.http.body import read_body
from runtime.front.http.contract import asks, belongs, gives, sends, takes
from runtime.front.openapi.shapes.rooms import Nothing
from runtime.front.openapi.shapes.services import (
    ChangeQuery,
    LogQuery,
    Manifest,
    SentService,
    SentTemplate,
    ServiceLog,
    Services,
    ServicesInRoom,
)
from runtime.front.operator.room.whose import service_of, services_of
from runtime.front.state import Front, caller
from runtime.services.life.household import Household
from runtime.services.service import PROJECT, Service, Spec
from runtime.services.service_store import ServiceStore
from runtime.wire.manifest.manifest import read
from runtime.wire.manifest.release import NEWEST, OLDEST, known_to, with_untold
from runtime.wire.manifest.template import read_template

BASE: Final = "/accounts/projects/<project>/services"
OF_ROOM: Final = "/accounts/projects/<project>/rooms/<room>/services"
STATES: Final = "/accounts/projects/<project>/rooms/<room>/service-states"
_EXAMPLE: Final = SentService(
    version="v1", kind="Service", metadata={"name": "greeter"}, container={"image": "greeter:1"}
)
WHOLE: Final = {"Bulkhead-Manifest": "whole"}
_TEMPLATE: Final = SentTemplate(
    template="version: v1\nkind: ServiceTemplate\nmetadata: {name: greeter}\ncontainer: {image: greeter:1}\n"
)


class _Sent(msgspec.Struct, frozen=True):
    spec: Spec
    obscured: Mapping[str, str] = msgspec.field(default_factory=dict)
    wants_text: bool = False


def routes(front: Front) -> Blueprint:
    """``/accounts/projects/…/services`` and ``…/rooms/…/services``."""
    paths = Blueprint("services", __name__)
    belongs(paths, "accounts", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    def kept(project: str, room: str = PROJECT) -> tuple[ServiceStore, Household]:
        return services_of(front, project, room)

    async def one(project: str, service_id: str, room: str = PROJECT) -> Service:
        return await service_of(front, project, service_id, room)

    async def create(project: str, room: str = PROJECT) -> Any:
        store, household = kept(project, room)
        sent = await _sent(creating=True)
        made = await store.create(sent.spec, by=front.access.how(caller()), room=room, obscured=sent.obscured)
        household.changed(room)
        return await answered(made, sent)

    async def update(project: str, service_id: str, asked: ChangeQuery, room: str = PROJECT) -> Any:
        store, household = kept(project, room)
        before = await one(project, service_id, room)
        sent = await _sent(creating=False)
        if sent.spec.get("id", service_id) != service_id:
            raise InvalidRequest("the manifest has the id of another service", cure="Leave its id out.")
        by = front.access.how(caller())
        spec = sent.spec
        if _vocabulary() == NEWEST:
            spec = with_untold(spec, before.spec, NEWEST, await entries(before))
        changed = await store.update(service_id, spec, by=by, expected=asked.revision, obscured=sent.obscured)
        household.changed(room)
        return await answered(changed, sent)

    async def delete(project: str, service_id: str, room: str = PROJECT) -> Nothing:
        store, household = kept(project, room)
        await one(project, service_id, room)
        await store.delete(service_id)
        household.changed(room)
        return Nothing()

    async def entries(service: Service) -> dict[str, tuple[str, ...]]:
        assert front.store is not None
        container = service.spec.get("container") or {}
        return await front.store.secrets.entries(container.get("secrets", ()))

    async def shown(service: Service) -> Spec:
        vocabulary = _vocabulary()
        if not vocabulary:
            return service.spec
        return known_to(service.spec, vocabulary, await entries(service) if vocabulary == NEWEST else None)

    async def answered(service: Service, sent: _Sent) -> Any:
        told = await shown(service)
        return json.dumps(told) if sent.wants_text and service.room == PROJECT else told

    # ---- of the project

    @paths.get(BASE)
    @gives(Services)
    async def of_project(project: str) -> Services:
        """Services of the project, which run in every room"""
        return Services(services=[await shown(one) for one in await kept(project)[0].listed()])

    @paths.post(BASE)
    @sends(SentService, example=_EXAMPLE)
    @gives(Manifest)
    async def create_in_project(project: str) -> Any:
        """Keep a service for every room"""
        return await create(project)

    @paths.get(f"{BASE}/by-name/<name>")
    @gives(Manifest)
    async def named_in_project(project: str, name: str) -> Spec:
        """A service of the project by its name"""
        return await shown(await kept(project)[0].named(name))

    @paths.get(f"{BASE}/<service_id>")
    @gives(Manifest)
    async def one_of_project(project: str, service_id: str) -> Spec:
        """A service of the project"""
        return await shown(await one(project, service_id))

    @paths.put(f"{BASE}/<service_id>")
    @asks(ChangeQuery)
    @sends(SentService, example=_EXAMPLE)
    @gives(Manifest)
    async def update_in_project(project: str, service_id: str, query_args: ChangeQuery) -> Any:
        """Change a service of the project: rooms that are open run it from their next opening"""
        return await update(project, service_id, query_args)

    @paths.delete(f"{BASE}/<service_id>")
    @gives(Nothing)
    async def delete_from_project(project: str, service_id: str) -> Nothing:
        """Delete a service of the project, which ends in every room"""
        return await delete(project, service_id)

    # ---- of a room

    @paths.get(OF_ROOM)
    @gives(Services)
    async def of_room(project: str, room: str) -> Services:
        """Services of one room"""
        listed = await kept(project, room)[0].listed(room=room)
        return Services(services=[await shown(one) for one in listed])

    @paths.post(OF_ROOM)
    @sends(SentService, example=_EXAMPLE)
    @gives(Manifest)
    async def create_in_room(project: str, room: str) -> Any:
        """Keep a service for a room, and start it where the room is open"""
        return await create(project, room)

    @paths.get(f"{OF_ROOM}/by-name/<name>")
    @gives(Manifest)
    async def named_in_room(project: str, room: str, name: str) -> Spec:
        """A service of a room by its name"""
        return await shown(await kept(project, room)[0].named(name, room=room))

    @paths.get(f"{OF_ROOM}/<service_id>")
    @gives(Manifest)
    async def one_of_room(project: str, room: str, service_id: str) -> Spec:
        """A service of a room"""
        return await shown(await one(project, service_id, room))

    @paths.put(f"{OF_ROOM}/<service_id>")
    @asks(ChangeQuery)
    @sends(SentService, example=_EXAMPLE)
    @gives(Manifest)
    async def update_in_room(project: str, room: str, service_id: str, query_args: ChangeQuery) -> Any:
        """Change a service of a room, which follows at once"""
        return await update(project, service_id, query_args, room)

    @paths.delete(f"{OF_ROOM}/<service_id>")
    @gives(Nothing)
    async def delete_from_room(project: str, room: str, service_id: str) -> Nothing:
        """Delete a service of a room, which ends at once"""
        return await delete(project, service_id, room)

    # ---- in a room

    @paths.get(STATES)
    @gives(ServicesInRoom)
    async def state(project: str, room: str) -> ServicesInRoom:
        """How the services of a room and of the project go in it"""
        there = await kept(project, room)[1].listed(room)
        return ServicesInRoom(
            services=[one.spec for one in there],
            states={one.spec["id"]: dict(one.state) for one in there},
        )

    @paths.post(f"{OF_ROOM}/<service_id>/restart")
    @gives(Nothing)
    async def restart(project: str, room: str, service_id: str) -> Nothing:
        """Start a service anew in a room, by its newest revision"""
        await kept(project, room)[1].restart(room, service_id)
        return Nothing()

    @paths.get(f"{OF_ROOM}/<service_id>/logs")
    @asks(LogQuery)
    @gives(ServiceLog)
    async def log(project: str, room: str, service_id: str, query_args: LogQuery) -> ServiceLog:
        """What a service wrote in a room that is open"""
        household = kept(project, room)[1]
        return ServiceLog(lines=await household.log(room, service_id, previous=query_args.previous))

    @paths.post("/templates/render")
    @takes(SentTemplate, example=_TEMPLATE)
    @gives(Manifest)
    async def render(data: SentTemplate) -> Spec:
        """What a template becomes with values; nothing is kept"""
        return known_to(read_template(data.template).render(data.values or {}).template, NEWEST)

    return paths


async def _sent(*, creating: bool) -> _Sent:
    """The manifest in the body of the request."""
    raw = await read_body(request, timeout_s=current_app.config["READ_BODY_S"])
    try:
        text = raw.decode()
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the body is no JSON: {str(error)[:100]}", cure="Send a manifest.") from None
    if not isinstance(body, dict):
        raise InvalidRequest("the body is no JSON object", cure="Send a manifest.")
    if isinstance(template := body.get("template"), str):
        values = body.get("values") or {}
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            raise InvalidRequest("'values' must be texts by name")
        rendered = read_template(template).render(values)
        return _Sent(rendered.service, rendered.obscured)
    if body.keys() & {"template", "values"} and not (body.get("template") or body.get("values")):
        text = json.dumps({name: value for name, value in body.items() if name not in ("template", "values")})
    manifest = read(text, creating=creating)
    if manifest.kind != "Service":
        raise ManifestInvalid(
            "this is a template", cure='Send {"template": its text, "values": {…}} instead.'
        )
    return _Sent(manifest.spec, wants_text=_wants_text(body))


def _wants_text(body: Mapping[str, Any]) -> bool:
    """Whether it is from 0.22 to 0.24, which read the answer's JSON from a text of JSON.

    They send every key that they know, and know ``on_demand``, but neither ``private`` nor ``published``.
    """
    if not body.keys() >= {"id", "agents", "ports", "container", "external"}:
        return False
    container = body["container"]
    if isinstance(container, dict):
        return "on_demand" in container and "private" not in container
    ports = body["ports"] if isinstance(body["ports"], list) else []
    return container is None and not any("published" in port for port in ports if isinstance(port, dict))


def _vocabulary() -> str:
    """The release in whose words the client is answered; empty for one that is told everything."""
    ((name, value),) = WHOLE.items()
    if request.headers.get(name) == value:
        return ""
    return NEWEST if "Consistency" in request.headers else OLDEST
