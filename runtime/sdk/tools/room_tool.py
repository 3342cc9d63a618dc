"""Tools that live elsewhere in the room, called like one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runtime.sdk.room.requirements import RequiredToolkit
from runtime.sdk.room.room_agents import ToolkitDescription
from runtime.sdk.room.room_exception import RoomException
from runtime.sdk.tools.toolkit import Tool, ToolContext, Toolkit
from runtime.wire.content import Content

if TYPE_CHECKING:
    from runtime.sdk.room.client import RoomClient


class RoomTool(Tool):
    """A tool of the room that can be called like one's own.

    Args:
        toolkit_name: Where it is registered.
        room: The room; that of the call's context when None.
        participant_id: Its host, when the toolkit is private.
        on_behalf_of_id: Whom the calls are made for.
    """

    def __init__(
        self,
        *,
        toolkit_name: str,
        room: RoomClient | None = None,
        participant_id: str | None = None,
        on_behalf_of_id: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.toolkit_name = toolkit_name
        self._room = room
        self._participant_id = participant_id
        self._on_behalf_of_id = on_behalf_of_id

    async def execute(self, context: ToolContext, **kwargs: Any) -> Content:
        """Call it in the room."""
        room = self._room or context.room
        return await room.agents.invoke_tool(
            toolkit=self.toolkit_name,
            tool=self.name,
            arguments=kwargs,
            participant_id=self._participant_id,
            on_behalf_of_id=self._on_behalf_of_id,
            caller_context=context.caller_context,
        )


def bind_toolkit(
    room: RoomClient, wanted: RequiredToolkit, here: Mapping[str, ToolkitDescription], context: ToolContext
) -> Toolkit:
    """A required toolkit as one whose tools call the room; ``here`` is the room's listing by name.

    Raises:
        RoomException: The toolkit, or a tool that is asked for, is not there.
    """
    name = wanted.short_name
    found = here.get(name)
    if found is None:
        raise RoomException(
            f"the room has no toolkit {name!r}", cure=f"It has: {', '.join(sorted(here)) or 'none'}"
        )
    missing = [tool for tool in wanted.tools or () if found.get_tool(tool) is None]
    if missing:
        raise RoomException(f"toolkit {name!r} has no tool {missing[0]!r}")
    behalf = context.on_behalf_of or context.caller
    return Toolkit(
        name=found.name,
        title=found.title,
        description=found.description,
        thumbnail_url=found.thumbnail_url,
        tools=[
            RoomTool(
                toolkit_name=found.name,
                room=room,
                participant_id=found.participant_id,
                on_behalf_of_id=behalf.id,
                name=tool.name,
                title=tool.title,
                description=tool.description,
                input_schema=tool.input_schema or {"type": "object"},
                defs=tool.defs,
                thumbnail_url=tool.thumbnail_url,
            )
            for tool in found.tools
            if wanted.tools is None or tool.name in wanted.tools
        ],
    )
