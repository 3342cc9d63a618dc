"""Host a toolkit in a room: register it, answer calls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runtime.errors import InvalidTransition, RoomError, RuntimeServiceError
from runtime.sdk.room.client import RoomClient
from runtime.sdk.room.participant import Participant, RemoteParticipant
from runtime.sdk.room.room_exception import RoomException
from runtime.sdk.tools.toolkit import Tool, ToolContext, Toolkit
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
        self._unsubscribe: Callable[[], None] = _nothing
        self._calls: set[asyncio.Task[None]] = set()
        self._max_call_count = max_call_count

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
        self._unsubscribe = room.on_push(f"agent.tool_call.{self.name}", self._called)
        try:
            self._registration = await room.agents.register_toolkit(description)
        except BaseException:
            self._unsubscribe()
            self._room = None
            raise

    async def stop(self) -> None:
        """Unregister; calls that still run are cancelled and answered with an error.  Again: nothing."""
        room, self._room = self._room, None
        if room is None:
            return
        self._unsubscribe()
        for call in list(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        if not room.is_closed:
            try:
                await room.agents.unregister_toolkit(self._registration)
            except RoomError as error:
                _log.debug("toolkit %r was not unregistered: %s", self.name, error)

    def _called(self, push: Message) -> None:
        room = self.room
        if len(self._calls) >= self._max_call_count:
            _answer(room, push, ErrorContent(f"toolkit {self.name!r} is busy: try again later", CODE_FAILED))
            return
        call = asyncio.create_task(self._answer_call(room, push), name=f"tool:{push.header.get('name')}")
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _answer_call(self, room: RoomClient, push: Message) -> None:
        try:
            content = await self._result(room, push)
        except BaseException as error:
            # Whatever it was, somebody waits for an answer.
            text = end_of_work(error, f"toolkit {self.name!r}")
            _answer(room, push, ErrorContent(text, CODE_FAILED))
            if must_go_on(error):
                raise
            _log.exception("tool %r of toolkit %r failed", push.header.get("name"), self.name)
        else:
            _answer(room, push, content)

    async def _result(self, room: RoomClient, push: Message) -> Content:
        name = str(push.header.get("name", ""))
        try:
            arguments = from_header(push.header.get("arguments") or {"type": "empty"}, push.data)
            return await self.execute(
                context=call_context(room, push.header, self.arguments),
                name=name,
                arguments=_plain(arguments, name),
                attachment=push.data or None,
            )
        except RuntimeServiceError as error:
            number = error.error_code if isinstance(error, RoomException) else None
            return ErrorContent(str(error), number or CODE_FAILED)


def must_go_on(error: BaseException) -> bool:
    """Whether an exception means more than the work that raised it: the end of its task or of the process."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, SystemExit | KeyboardInterrupt | GeneratorExit)


def end_of_work(error: BaseException, host: str) -> str:
    """What somebody who waits for the work is told of the exception that ended it."""
    if isinstance(error, asyncio.CancelledError):
        return f"{host} left the room" if must_go_on(error) else "the work was cancelled by its own code"
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return f"{host} ended its process: {type(error).__name__}"
    return str(error) or type(error).__name__


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


def _nothing() -> None:
    pass


async def start_hosted_toolkit(
    *, room: RoomClient, toolkit: Tool | Toolkit, public: bool | None = None
) -> RemoteToolkit:
    """Host a tool or toolkit in a room that is entered already; end it with ``await hosted.stop()``."""
    hosted = RemoteToolkit.of(toolkit)
    await hosted.start(room=room, public=public)
    return hosted
