"""Revisions of services: history, what differs, and going back to one."""

from __future__ import annotations

import difflib
from typing import Final

from quart import Blueprint

from runtime.clock import iso
from runtime.errors import Conflict, NotFound
from runtime.front.http.contract import asks, belongs, gives, takes
from runtime.front.openapi.shapes.deploying.revisions import (
    Difference,
    DiffQuery,
    OneRevision,
    Revisions,
    RolledBack,
    WantedRevision,
)
from runtime.front.operator.room.services import BASE, OF_ROOM
from runtime.front.operator.room.whose import service_of, services_of
from runtime.front.state import Front, caller
from runtime.services.deployed.deployments import is_bundle
from runtime.services.service import PROJECT, Revision
from runtime.wire.manifest.written import as_yaml

_BACK: Final = WantedRevision(revision=1)


def routes(front: Front) -> Blueprint:
    """``…/services/{id}/revisions``, ``/diff`` and ``/rollback``, of the project and of rooms."""
    paths = Blueprint("revisions", __name__)
    belongs(paths, "accounts", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    async def history(project: str, service_id: str, room: str = PROJECT) -> Revisions:
        service = await service_of(front, project, service_id, room)
        found = await services_of(front, project, room)[0].history(service_id)
        return Revisions(
            service=service.name,
            revisions=[_shown(one, is_current=one.number == service.revision) for one in found],
        )

    async def diff(project: str, service_id: str, asked: DiffQuery, room: str = PROJECT) -> Difference:
        service = await service_of(front, project, service_id, room)
        found = await services_of(front, project, room)[0].history(service_id)
        new = asked.new or service.revision
        old = asked.old or _before(found, new)
        return Difference(old=old, new=new, diff=_differs(_one(found, old), _one(found, new)))

    async def back(project: str, service_id: str, asked: WantedRevision, room: str = PROJECT) -> RolledBack:
        store, household = services_of(front, project, room)
        service = await service_of(front, project, service_id, room)
        to = asked.revision or _before(await store.history(service_id), service.revision)
        if to == service.revision:
            raise Conflict(f"revision {to} of {service.name} is in force", cure="Name another one.")
        by = front.access.how(caller())
        old = _one(await store.history(service_id), to)
        going_on = 0
        if front.deployments is not None and is_bundle(old.spec):
            candidate = await front.deployments.tried(service, old)
            now = await front.deployments.rolled_back(
                candidate, lambda: store.roll_back(service_id, to, by=by)
            )
            going_on = front.deployments.going_on(now)
        else:
            now = await store.roll_back(service_id, to, by=by)
        # Containers of a room follow by themselves; those of the project and sessions do when they are told.
        if asked.now and (is_bundle(old.spec) or room == PROJECT):
            await household.anew(now)
            going_on = 0
        household.changed(room)
        return RolledBack(
            name=now.name, id=now.id, revision=now.revision, was=service.revision, to=to, going_on=going_on
        )

    @paths.get(f"{BASE}/<service_id>/revisions")
    @gives(Revisions)
    async def history_of_project(project: str, service_id: str) -> Revisions:
        """Revisions of a service of the project, the newest first"""
        return await history(project, service_id)

    @paths.get(f"{OF_ROOM}/<service_id>/revisions")
    @gives(Revisions)
    async def history_of_room(project: str, room: str, service_id: str) -> Revisions:
        """Revisions of a service of a room, the newest first"""
        return await history(project, service_id, room)

    @paths.get(f"{BASE}/<service_id>/diff")
    @asks(DiffQuery)
    @gives(Difference)
    async def diff_of_project(project: str, service_id: str, query_args: DiffQuery) -> Difference:
        """What differs between two revisions of a service of the project"""
        return await diff(project, service_id, query_args)

    @paths.get(f"{OF_ROOM}/<service_id>/diff")
    @asks(DiffQuery)
    @gives(Difference)
    async def diff_of_room(project: str, room: str, service_id: str, query_args: DiffQuery) -> Difference:
        """What differs between two revisions of a service of a room"""
        return await diff(project, service_id, query_args, room)

    @paths.post(f"{BASE}/<service_id>/rollback")
    @takes(WantedRevision, example=_BACK)
    @gives(RolledBack)
    async def back_in_project(project: str, service_id: str, data: WantedRevision) -> RolledBack:
        """Put an earlier revision of a service of the project in force, as a new one"""
        return await back(project, service_id, data)

    @paths.post(f"{OF_ROOM}/<service_id>/rollback")
    @takes(WantedRevision, example=_BACK)
    @gives(RolledBack)
    async def back_in_room(project: str, room: str, service_id: str, data: WantedRevision) -> RolledBack:
        """Put an earlier revision of a service of a room in force, as a new one"""
        return await back(project, service_id, data, room)

    return paths


def _before(found: list[Revision], number: int) -> int:
    older = [one.number for one in found if one.number < number]
    if not older:
        raise NotFound(f"no revision before {number} is kept", cure="Its history lists those that are.")
    return max(older)


def _one(found: list[Revision], number: int) -> Revision:
    for one in found:
        if one.number == number:
            return one
    kept = ", ".join(str(one.number) for one in found)
    raise NotFound(f"revision {number} is not kept", cure=f"Kept are {kept}.")


def _shown(revision: Revision, *, is_current: bool) -> OneRevision:
    return OneRevision(
        revision=revision.number,
        at=iso(revision.at),
        by=revision.by,
        what=revision.what,
        image=str((revision.spec.get("container") or {}).get("image", "")),
        image_digest=revision.image_digest,
        secrets=dict(revision.secret_versions),
        is_current=is_current,
        manifest=revision.spec,
    )


def _differs(old: Revision, new: Revision) -> str:
    lines = difflib.unified_diff(
        _lines(old), _lines(new), f"revision {old.number}", f"revision {new.number}", lineterm=""
    )
    return "\n".join(lines)


def _lines(revision: Revision) -> list[str]:
    """A revision as YAML; what it was given of secrets stands in it by version."""
    given = {f"secret {name}": f"version {version}" for name, version in revision.secret_versions.items()}
    return as_yaml({**revision.spec, **({"(given)": given} if given else {})}).splitlines()
