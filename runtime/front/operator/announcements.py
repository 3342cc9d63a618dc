"""What the feed, the webhooks and rooms are told of rooms, bundles and machines."""

from __future__ import annotations

from typing import Any, Final

from runtime.dispatch.session_registry import SessionRegistry
from runtime.front.access.deliverer import Deliverer
from runtime.front.state import Front
from runtime.placement.machines import NodeEvent
from runtime.rooms.live import RoomEvent

_ROOMS_HEAR: Final = ("node.suspect", "node.lost", "node.draining")


def tell_room(registry: SessionRegistry, event: RoomEvent) -> None:
    """Something happened in a room of this server."""
    more = {"room": event.room, "participant": event.participant_name, "role": event.role}
    registry.announce(f"room.{event.kind.removeprefix('room_')}", more | {"detail": dict(event.detail)})


def tell_webhooks(deliverer: Deliverer, event: RoomEvent, room_url: str) -> None:
    """A room of this server was opened or closed."""
    if event.kind == "room_opened":
        deliverer.tell("room.started", {"room_name": event.room, "room_url": room_url})
    elif event.kind == "room_closed":
        deliverer.tell("room.ended", {"room_name": event.room})


def tell_bundles(front: Front) -> None:
    """Bundles or their endpoints changed."""
    bundles = [
        {
            "name": bundle.name,
            "state": bundle.state,
            "code_generation": bundle.generation,
            "generation": bundle.generation,  # as it was called before
            "error": bundle.error,
        }
        for bundle in front.placement.bundles()
    ]
    front.registry.announce("bundles.changed", {"bundles": bundles})


def tell_node(front: Front, event: NodeEvent) -> None:
    """Something happened to a machine that runs sessions: to whoever follows events, and to their rooms."""
    data: dict[str, Any] = {"node": event.name, "boot": event.boot, "sessions": event.sessions}
    if event.bundle:
        data |= {"bundle": event.bundle, "digest": event.digest, "message": event.message}
    front.registry.announce(event.kind, data)
    if event.kind not in _ROOMS_HEAR or front.rooms is None:
        return
    agents: dict[str, list[str]] = {}
    for record in front.registry.live():
        if record.node_id == event.name:
            agents.setdefault(record.spec.room, []).append(record.spec.identity)
    for room, names in agents.items():
        front.rooms.note(room, event.kind, {"node": event.name, "agents": sorted(names)})


def tell_changes(front: Front) -> None:
    """Have bundles and machines told of from here on, as they change."""
    front.placement.changed.append(lambda: tell_bundles(front))
    if front.placement.machines is not None:
        front.placement.machines.told.append(lambda event: tell_node(front, event))
