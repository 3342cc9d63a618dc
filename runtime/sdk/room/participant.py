"""Who is in the room: ourselves and the others, each with an id and attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class Participant:
    """Somebody in the room.  ``attributes["name"]`` is the name of the token it came with."""

    def __init__(
        self, *, id: str, attributes: Mapping[str, Any] | None = None, role: str | None = None
    ) -> None:
        self._id = id
        self._role = role
        self._attributes: dict[str, Any] = dict(attributes or {})

    @property
    def id(self) -> str:
        """Unique in the room; a participant that comes back gets a new one."""
        return self._id

    @property
    def role(self) -> str:
        """``agent``, ``tool`` or ``user``."""
        return self._role or "user"

    @property
    def name(self) -> str | None:
        """The name of the participant's token; several participants may share one."""
        name = self._attributes.get("name")
        return name if isinstance(name, str) else None

    def get_attribute(self, name: str) -> Any:
        """The attribute's value, or None when it has none of that name."""
        return self._attributes.get(name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self._id!r}, name={self.name!r}, role={self.role!r})"


class RemoteParticipant(Participant):
    """Another participant, as the room last described it.  The room keeps it current; agents only read it."""

    def merge(self, attributes: Mapping[str, Any]) -> None:
        """Take over changed attributes.  Called by the messaging client when the room reports a change."""
        self._attributes.update(attributes)


class LocalParticipant(Participant):
    """Ourselves in the room."""

    def __init__(
        self, *, id: str, attributes: Mapping[str, Any], publish: Callable[[dict[str, Any]], None]
    ) -> None:
        super().__init__(id=id, attributes=attributes)
        self._publish = publish

    async def set_attribute(self, name: str, value: Any) -> None:
        """Set one attribute.  Returns once the change is queued; the room does not answer it."""
        await self.set_attributes({name: value})

    async def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes in one message; values are JSON, None included."""
        changed = dict(attributes)
        self._publish(changed)
        self._attributes.update(changed)
