"""Whose services a request is about: the project's, or a room's."""

from __future__ import annotations

from runtime.errors import NotFound
from runtime.front.operator.room.accounts import opened_project
from runtime.front.state import Front
from runtime.services.life.household import Household
from runtime.services.service import PROJECT, Service
from runtime.services.service_store import ServiceStore
from runtime.wire.room_name import ROOM_NAME_RULE, is_room_name


def services_of(front: Front, project: str, room: str = PROJECT) -> tuple[ServiceStore, Household]:
    """Where they are kept, and what runs them.

    Raises:
        NotFound: It is another server's project, or no name of a room.
    """
    opened_project(front, project)
    if room != PROJECT and not is_room_name(room):
        raise NotFound("there is no room of that name", cure=ROOM_NAME_RULE)
    assert front.store is not None
    assert front.services is not None
    return front.store.services, front.services


async def service_of(front: Front, project: str, service_id: str, room: str = PROJECT) -> Service:
    """One of them; raises NotFound also for one that belongs elsewhere."""
    found = await services_of(front, project, room)[0].get(service_id)
    if found.room != room:
        raise NotFound(f'there is no service "{service_id[:100]}"', cure=_where(found))
    return found


def _where(found: Service) -> str:
    return f"It belongs to room {found.room}." if found.room else "It belongs to the project."
