"""Host a toolkit in a room: register it, answer calls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runtime.errors import InvalidTransition, RoomError, RuntimeServiceError
from runtime.sdk.room.client import RoomClient
from runtime.sdk.room.participant import Participant, RemoteParticipant
from runtime.sdk.room.room_exception import RoomException
from runtime.sdk.tools.ongoing import Ongoing, must_go_on
from runtime.sdk.tools.toolkit import Tool, ToolContext, Toolkit
from runtime.telemetry import gen_ai
from runtime.wire.content import (
    CODE_FAILED,
    Content,
    EmptyContent,
    ErrorContent,
    JsonContent,
    from_header,
)
from runtime.wire.room import Message

MAX_CALL_COUNT = 256

_log = logging.getLogger("tools")


class RemoteToolkit(Toolkit):
    """A toolkit that others in the room can call.

    Calls run side by side, 256 at most (more are answered with an error).  A tool that raises answers
    its caller with an error and stays registered.  ``arguments`` is what the call brought along that
    called the host into the room; tools find it in their context.

    Args:
        name: The toolkit's name in the room; None for the name of the participant that hosts it.
        ends_with_caller: A call is cancelled when its caller leaves the room or waits no more.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        tools: Iterable[Tool] = (),
        title: str | None = None,
        description: str | None = None,
        rules: Sequence[str] = (),
        thumbnail_url: str | None = None,
        public: bool = True,
        annotations: Mapping[str, str] | None = None,
        max_call_count: int = MAX_CALL_COUNT,
        ends_with_caller: bool = False,
        **newer: Any,
    ) -> None:
        super().__init__(
            **newer,
            name=name or "",
            tools=tools,
            title=title,
            description=description,
            rules=rules,
            thumbnail_url=thumbnail_url,
            public=public,
            annotations=annotations,
        )
        self.arguments: dict[str, Any] = {}
        self._room: RoomClient | None = None
        self._registration = ""
        self._listens: list[Callable[[], None]] = []
        self._calls = Ongoing(lambda: f"toolkit {self.name!r}")
        self._max_call_count = max_call_count
        self._ends_with_caller = ends_with_caller

    @classmethod
    def of(cls, hosted: Tool | Toolkit) -> RemoteToolkit:
        """Host a bare tool, under the participant's name, or a bare toolkit, under its own."""
        if isinstance(hosted, RemoteToolkit):
            return hosted
        if isinstance(hosted, Tool):
            return cls(tools=[hosted], title=hosted.title, description=hosted.description, rules=hosted.rules)
        return cls(
            name=hosted.name,
            tools=hosted.tools,
            title=hosted.title,
            description=hosted.description,
            rules=hosted.rules,
            thumbnail_url=hosted.thumbnail_url,
            public=hosted.public,
            annotations=hosted.annotations,
        )

    @property
    def room(self) -> RoomClient:
        """The room it is hosted in.  Raises InvalidTransition before ``start``."""
        if self._room is None:
            raise InvalidTransition(f"toolkit {self.name!r} is not hosted in a room yet")
        return self._room

    async def start(self, *, room: RoomClient, public: bool | None = None) -> None:
        """Register in the room and answer calls until ``stop``."""
        if self._room is not None:
            raise InvalidTransition(f"toolkit {self.name!r} is started already")
        if public is not None:
            self.public = public
        if not self.name:
            self.name = room.local_participant.name or "toolkit"
            self.title = self.title or self.name
        description = self.to_json()  # compiles every schema: a wrong one fails here, not in a call
        self._room = room
        listens = [room.on_push(f"agent.tool_call.{self.name}", self._called)]
        if self._ends_with_caller:
            listens.append(room.on_push(f"agent.cancel_tool_call.{self.name}", self._calls.cancelled))
        self._listens = listens
        try:
            self._registration = await room.agents.register_toolkit(description)
        except BaseException:
            self._stop_listening()
            self._room = None
            raise

    async def stop(self) -> None:
        """Unregister; calls that still run are cancelled and answered with an error.  Again: nothing."""
        room, self._room = self._room, None
        if room is None:
            return
        self._stop_listening()
        await self._calls.end()
        if not room.is_closed:
            try:
                await room.agents.unregister_toolkit(self._registration)
            except RoomError as error:
                _log.debug("toolkit %r was not unregistered: %s", self.name, error)

    async def loaded_again(self, *, within_s: float) -> None:
        """Take no more calls, as the program was loaded again; return when those that run are done.

        After `within_s` seconds it returns anyway; ``stop`` then tells their callers to ask again.
        """
        await self._calls.finish(within_s=within_s)

    def to_json(self) -> dict[str, Any]:
        """The toolkit as it is registered in a room."""
        described = super().to_json()
        return {**described, "cancellable": True} if self._ends_with_caller else described

    def _stop_listening(self) -> None:
        while self._listens:
            self._listens.pop()()

    def _called(self, push: Message) -> None:
        room = self.room
        if (refusal := self._calls.refusal(self._max_call_count)) is not None:
            _answer(room, push, refusal)
            return
        name = f"tool:{push.header.get('name')}"
        self._calls.begin(push.header.get("tool_call_id") or "", self._answer_call(room, push), name=name)

    async def _answer_call(self, room: RoomClient, push: Message) -> None:
        try:
            content = await self._result(room, push)
        except BaseException as error:
            # Whatever it was, somebody waits for an answer.
            _answer(room, push, self._calls.failure(error))
            if must_go_on(error):
                raise
            _log.exception("tool %r of toolkit %r failed", push.header.get("name"), self.name)
        else:
            _answer(room, push, content)

    async def _result(self, room: RoomClient, push: Message) -> Content:
        name = str(push.header.get("name", ""))
        try:
            arguments = from_header(push.header.get("arguments") or {"type": "empty"}, push.data)
            given = _plain(arguments, name)
            with gen_ai.tool(name, arguments=given):
                return await self.execute(
                    context=call_context(room, push.header, self.arguments),
                    name=name,
                    arguments=given,
                    attachment=push.data or None,
                )
        except RuntimeServiceError as error:
            number = error.error_code if isinstance(error, RoomException) else None
            return ErrorContent(str(error), number or CODE_FAILED)


def call_context(
    room: RoomClient, header: Mapping[str, Any], arguments: Mapping[str, Any] | None = None
) -> ToolContext:
    """The context of a call that the room passed on; ``arguments`` are those of the host's session."""
    behalf, passed = header.get("on_behalf_of_id"), header.get("caller_context")
    return ToolContext(
        room=room,
        caller=participant_of(room, str(header.get("caller_id") or "")),
        on_behalf_of=participant_of(room, behalf) if isinstance(behalf, str) and behalf else None,
        caller_context=passed if isinstance(passed, Mapping) else None,
        arguments=arguments,
    )


def participant_of(room: RoomClient, id: str) -> Participant:
    """The participant of that id; a bare one when it, or we, did not enable messaging."""
    if id == room.local_participant.id:
        return room.local_participant
    return room.messaging.get_participant(id) or RemoteParticipant(id=id)


def _plain(arguments: Content, tool: str) -> dict[str, Any]:
    match arguments:
        case JsonContent(json=dict() as value):
            return value
        case EmptyContent():
            return {}
        case _:
            kind = arguments.to_header()["type"]
            raise RoomException(f"tool {tool!r} takes a JSON object as its arguments, not {kind}")


def _answer(room: RoomClient, push: Message, content: Content) -> None:
    if room.is_closed:
        return
    try:
        room.send_nowait("agent.tool_call_response", content.to_header(), content.data, message_id=push.id)
    except RuntimeServiceError as error:
        # Not JSON, or too much is waiting: the caller must still hear something.
        _log.warning("the answer of %r could not be sent: %s", push.header.get("name"), error)
        if not isinstance(content, ErrorContent) and not room.is_closed:
            _answer(
                room, push, ErrorContent(f"the tool's answer could not be sent: {error.message}", CODE_FAILED)
            )


async def start_hosted_toolkit(
    *, room: RoomClient, toolkit: Tool | Toolkit, public: bool | None = None
) -> RemoteToolkit:
    """Host a tool or toolkit in a room that is entered already; end it with ``await hosted.stop()``."""
    hosted = RemoteToolkit.of(toolkit)
    await hosted.start(room=room, public=public)
    return hosted
