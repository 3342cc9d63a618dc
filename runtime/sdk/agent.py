"""Agents: what they have in common, and the life of one in a room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtime.errors import InvalidTransition
from runtime.sdk.room.requirements import RequiredToolkit, Requirement, install
from runtime.sdk.tools.keywords import refuse_unknown
from runtime.sdk.tools.room_tool import bind_toolkit
from runtime.sdk.tools.toolkit import ToolContext, Toolkit

if TYPE_CHECKING:
    from runtime.sdk.context import AgentChatContext
    from runtime.sdk.room.client import RoomClient


class Agent:
    """Something with a name that works in rooms.

    Args:
        name: Its name; the name of the participant it joins as when None.
        title: For people.
        description: For people and models.
        requires: What must be in the room before it starts.
        labels: Texts to find it by; ``annotations`` is the newer word for the same.

    Raises:
        TypeError: An argument that no release of MeshAgent's SDK has; with the nearest name.
    """

    _is_constructed = False

    def __init__(
        self,
        *,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        requires: Sequence[Requirement] | None = None,
        labels: Sequence[str] | None = None,
        annotations: Sequence[str] | Mapping[str, str] | None = None,
        **newer: Any,
    ) -> None:
        refuse_unknown(self, Agent.__init__, newer, elsewhere=("skill_dirs", "skills_dirs"))
        self._is_constructed = True
        self._name = name
        self._title = title
        self._description = description
        self._requires = list(requires or ())
        self._labels = list(labels or annotations or ())
        self.arguments: dict[str, Any] = {}

    @property
    def name(self) -> str | None:
        """The agent's name."""
        return self._name

    @property
    def title(self) -> str | None:
        """For people; the name when it has none."""
        return self._title or self.name

    @property
    def description(self) -> str | None:
        """What it does."""
        return self._description

    @property
    def requires(self) -> list[Requirement]:
        """What must be in the room before it starts."""
        return self._requires

    @property
    def labels(self) -> list[str]:
        """Texts to find it by."""
        return self._labels

    @property
    def annotations(self) -> list[str]:
        """The newer word for ``labels``."""
        return self._labels

    async def init_chat_context(self) -> AgentChatContext:
        """An empty conversation for this agent's model; override to begin with something."""
        from runtime.sdk.context import AgentChatContext

        return AgentChatContext()

    def to_json(self) -> dict[str, Any]:
        """How it describes itself to others."""
        return {
            "name": self.name,
            "title": self.title or "",
            "description": self.description or "",
            "requires": [requirement.to_json() for requirement in self.requires],
            "labels": self.labels,
        }


class SingleRoomAgent(Agent):
    """An agent in one room.

    Override ``start`` and ``stop`` to work there, and call theirs first.  ``arguments`` is what the
    call brought along; ``self.room`` is the room from ``start`` to ``stop``.
    """

    _room: RoomClient | None = None

    @property
    def name(self) -> str | None:
        """The agent's own name, or that of the participant it joined as."""
        if self._name is None and self._room is not None:
            return self._room.local_participant.name
        return self._name

    @property
    def room(self) -> RoomClient:
        """The room.  Raises InvalidTransition before ``start``."""
        if self._room is None:
            raise InvalidTransition(
                f"{type(self).__name__} is not in a room", cure="Call `await super().start(room=room)` first."
            )
        return self._room

    async def start(self, *, room: RoomClient) -> None:
        """Begin to work in the room; what the agent requires is there when this returns.

        Raises:
            RoomException: Something it requires did not appear in time.
            InvalidTransition: It is in a room already.
        """
        if self._room is not None:
            raise InvalidTransition(f"{type(self).__name__} is started already")
        self._room = room
        try:
            await self.install_requirements()
        except BaseException:
            self._room = None
            raise

    async def stop(self) -> None:
        """Leave off.  A second call does nothing."""
        self._room = None

    async def install_requirements(self, participant_id: str | None = None) -> None:
        """Wait until everything in ``requires`` is in the room, calling in what has an address.

        Args:
            participant_id: Count the private toolkits of this participant too.
        """
        for requirement in self.requires:
            await install(requirement, self.room, participant_id)

    async def get_required_toolkits(self, context: ToolContext) -> list[Toolkit]:
        """The required toolkits as toolkits whose tools call the room."""
        wanted = [one for one in self.requires if isinstance(one, RequiredToolkit)]
        return await self.get_toolkits(context, wanted)

    async def get_toolkits(
        self, context: ToolContext, remote_toolkits: Sequence[RequiredToolkit]
    ) -> list[Toolkit]:
        """The named toolkits of the room, with the tools that are asked for.

        Raises:
            RoomException: A toolkit or tool is not there.
        """
        if not remote_toolkits:
            return []
        here = {
            one.name: one for one in await self.room.agents.list_toolkits(participant_id=context.caller.id)
        }
        return [bind_toolkit(self.room, wanted, here, context) for wanted in remote_toolkits]
