"""What the feed and the webhooks say of rooms and bundles."""

from __future__ import annotations

from runtime.dispatch.session_registry import SessionRegistry
from runtime.front.access.deliverer import Deliverer
from runtime.front.state import Front
from runtime.rooms.live import RoomEvent


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
