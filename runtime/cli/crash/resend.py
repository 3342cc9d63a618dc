"""Send a replayed agent what was recorded: messages of others and calls of its tools, in their order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from runtime.cli.api import Api
from runtime.cli.terminal import clean, note
from runtime.rooms.room import SERVER_ONLY

_COME_S: Final = 60.0
_LOOK_S: Final = 0.05
_LEAVE_S: Final = 5.0


def can_be_sent(recorded: Mapping[str, Any]) -> bool:
    """Whether a recorded message is one that somebody else could send."""
    if recorded["kind"] == "messaging.send":
        return recorded["header"].get("type") not in (*SERVER_ONLY, "dismiss", None)
    return ".tool_call." in recorded["kind"] and "name" in recorded["header"]


@contextmanager
def resending(api: Api, room: str, identity: str, recorded: Sequence[Mapping[str, Any]]) -> Iterator[None]:
    """Send it again, in a thread, once the agent has come; whoever sends it stays in the room meanwhile."""
    messages = [one for one in recorded if can_be_sent(one)]
    if not messages:
        yield
        return
    sender = _Sender(api, room, identity, messages)
    thread = threading.Thread(target=lambda: asyncio.run(sender.run()), name="resend", daemon=True)
    thread.start()
    try:
        yield
    finally:
        sender.stop()
        thread.join(_LEAVE_S)


class _Sender:
    """One person in the room.  Runs in: a thread with a loop of its own; `stop` is called from another."""

    def __init__(self, api: Api, room: str, identity: str, messages: Sequence[Mapping[str, Any]]) -> None:
        self._api, self._room, self._identity, self._messages = api, room, identity, messages
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Send everything, then stay until `stop`."""
        self._loop = asyncio.get_running_loop()
        self._work = asyncio.create_task(self._send())
        await asyncio.wait([self._work])
        if not self._work.cancelled() and (error := self._work.exception()) is not None:
            note(f"  not sent again: {clean(error)}", "yellow")

    def stop(self) -> None:
        if self._loop is not None and self._work is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._work.cancel)

    async def _send(self) -> None:
        from runtime.cli.entry import client, person

        async with client(self._api, self._room, person()) as entered:
            await entered.messaging.enable()
            for one in self._messages:
                kind, header = one["kind"], one["header"]
                if kind == "messaging.send":
                    sent = await self._message(entered, header)
                else:
                    sent = await self._tool_call(entered, kind.rpartition(".tool_call.")[2], header)
                note(f"  sent again: {clean(sent)}", "dim")
            await asyncio.Event().wait()

    async def _message(self, entered: Any, header: Mapping[str, Any]) -> str:
        for _ in range(int(_COME_S / _LOOK_S)):
            agent = entered.messaging.get_participant_by_name(self._identity)
            if agent is not None:
                break
            await asyncio.sleep(_LOOK_S)
        kind, message = str(header["type"]), header.get("message") or {}
        await entered.messaging.send_message(to=agent or self._identity, type=kind, message=message)
        return kind

    async def _tool_call(self, entered: Any, toolkit: str, header: Mapping[str, Any]) -> str:
        from runtime.sdk.room.room_exception import RoomException

        arguments = header.get("arguments") or {}
        if isinstance(arguments, dict) and arguments.get("type") == "json" and "json" in arguments:
            arguments = arguments["json"]
        for _ in range(int(_COME_S / _LOOK_S)):
            if toolkit in {one.name for one in await entered.agents.list_toolkits()}:
                break
            await asyncio.sleep(_LOOK_S)
        tool = str(header["name"])
        try:
            await entered.agents.invoke_tool(toolkit=toolkit, tool=tool, arguments=arguments)
        except RoomException as error:
            return f"{toolkit}.{tool}, which answered with an error: {error}"
        return f"{toolkit}.{tool}"
