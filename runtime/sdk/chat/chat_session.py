"""A person's side of a chat: open a thread with an agent, say things, hear answers as they are written."""

from __future__ import annotations

import asyncio
import shlex
import uuid
from collections.abc import AsyncIterator, Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from runtime.errors import NotFound, RoomError
from runtime.sdk.chat.chat_turn import Turn, within
from runtime.sdk.chat.thread import Thread, ThreadMessage
from runtime.sdk.room.messaging import RoomMessage

if TYPE_CHECKING:
    from runtime.sdk.room.client import RoomClient
    from runtime.sdk.room.participant import RemoteParticipant

FIND_TIMEOUT_S = 15.0
PATIENCE_S = 2.0
"""How long nothing is said while the agent is not there."""

ANSWER_TIMEOUT_S = 300.0
LISTEN_TIMEOUT_S = 2.0
STATUS = "thread.status."


class ChatSession:
    """A chat with one agent in a room, as `bulkhead chat` and tests use it.

    Use it as ``async with ChatSession(room) as chat: async for text in chat.say("hello"): …``.

    Args:
        room: A connected client; messaging is enabled if it is not.
        to: The agent's participant name.
        path: The thread document; None makes one named after both, so that a person finds it again.
        find_timeout_s: How long to wait for the agent to be in the room.
        answer_timeout_s: How long an answer may pause before `say` gives up.
        on_waiting: Called once when the agent is not there and is waited for.
    """

    def __init__(
        self,
        room: RoomClient,
        to: str = "chatbot",
        path: str | None = None,
        *,
        find_timeout_s: float = FIND_TIMEOUT_S,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        on_waiting: Callable[[], None] | None = None,
    ) -> None:
        self._room = room
        self._to = to
        self._name = str(room.local_participant.name or "user")
        self.path = path or f".threads/{_segment(to)}/{_segment(self._name)}.thread"
        self._find_timeout_s = find_timeout_s
        self._answer_timeout_s = answer_timeout_s
        self._on_waiting = on_waiting
        self._thread: Thread | None = None
        self._agent: RemoteParticipant | None = None
        self._turn: Turn | None = None
        self._listening = asyncio.Event()
        self.notice = ""
        """What the agent said when it could not open the thread; empty when it could."""
        self.is_failed = False
        """Whether the last answer said that the agent failed, as agents of ours do."""
        self.is_cut = False
        """Whether the last answer ended because its agent was stopped, as agents of ours say."""

    async def __aenter__(self) -> ChatSession:
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Find the agent, open the thread, become a member, and tell the agent.

        Raises:
            NotFound: The agent did not come into the room in time.
            RoomException, RoomLost: The room refused, or is gone.
        """
        messaging = self._room.messaging
        messaging.on("message", self._received)
        messaging.on("participant_removed", self._left)
        messaging.on("participant_attributes_updated", self._described)
        self._room.on("close", self._closed)
        try:
            if not messaging.is_enabled:
                await messaging.enable()
            self._agent = await self._find()
            document = await self._room.sync.open(self.path)
            self._thread = Thread(document)
            document.on_change(self._changed)
            self._thread.add_member(self._name)
            self._thread.add_member(self._to)
            # The agent must find us among the members, and messages overtake document updates.
            await self._room.sync.flush(self.path)
            await self._send("opened", {"path": self.path})
            # An agent that does not say so, or is busy, is talked to all the same.
            await within(self._listening, LISTEN_TIMEOUT_S)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Leave the thread; what was said stays in the room.  A second call does nothing."""
        self._room.messaging.off("message", self._received)
        self._room.messaging.off("participant_removed", self._left)
        self._room.messaging.off("participant_attributes_updated", self._described)
        self._room.off("close", self._closed)
        thread, self._thread = self._thread, None
        if thread is not None and not self._room.is_closed:
            await self._room.sync.close(self.path)

    async def say(self, text: str) -> AsyncIterator[str]:
        """Say something, and yield the answer piece by piece until it is finished.

        An answer that is cancelled, here or by somebody else, just ends.  When the agent rewrites what it
        has already shown, the rewritten end comes as another piece.  One `say` at a time.

        Raises:
            RoomError: The agent left, or answered nothing for `answer_timeout_s`.
        """
        thread = self._opened()
        if self._turn is not None:
            raise RoomError("an answer is still coming", cure="Wait for it, or cancel it.")
        turn = self._turn = Turn(str(uuid.uuid4()))
        turn.known.update(message.id for message in thread.messages)
        try:
            said = thread.append_message(author_name=self._name, text=text, id=turn.id)
            turn.known.add(said.id)
            await self._room.sync.flush(self.path)
            await self._send("chat", {"path": self.path, "text": text, "id": turn.id})
            async for piece in turn.pieces(thread, self._to, self._answer_timeout_s):
                yield piece
        finally:
            self.is_failed, self.is_cut = turn.is_failed, turn.is_cut
            self._turn = None

    async def cancel(self) -> None:
        """Ask the agent to stop answering; `say` then ends with what was written."""
        if self._turn is not None:
            self._turn.is_cancelled = True
        await self._send("cancel", {"path": self.path})

    async def clear(self) -> None:
        """Ask the agent to forget the chat, and return once the thread is empty."""
        thread = self._opened()
        emptied = asyncio.Event()

        def check() -> None:
            if not thread.tail(1):
                emptied.set()

        stop = thread.document.on_change(check)
        try:
            check()
            await self._send("clear", {"path": self.path})
            async with asyncio.timeout(self._answer_timeout_s):
                await emptied.wait()
        except TimeoutError as error:
            raise RoomError(f"{self._to} did not clear the thread") from error
        finally:
            stop()

    def history(self) -> list[ThreadMessage]:
        """Everything said in the thread, oldest first."""
        return self._opened().messages

    async def _find(self) -> RemoteParticipant:
        messaging = self._room.messaging
        arrived = asyncio.Event()

        def look(participant: Any = None) -> None:
            if messaging.get_participant_by_name(self._to) is not None:
                arrived.set()

        messaging.on("participant_added", look)
        try:
            look()
            if not await within(arrived, min(PATIENCE_S, self._find_timeout_s)):
                await self._refuse_other_kinds()
                if self._on_waiting is not None and self._find_timeout_s > PATIENCE_S:
                    self._on_waiting()
                if not await within(arrived, self._find_timeout_s - PATIENCE_S):
                    others = [one for one in messaging.get_participants() if one.role == "agent"]
                    here = sorted({str(one.name) for one in others})
                    near = get_close_matches(self._to, here, n=1)
                    guess = f"Did you mean {near[0]}? " if near else ""
                    there = f"You can talk to: {', '.join(here)}." if here else "No agent is there."
                    raise NotFound(
                        f"there is no {self._to} in the room {self._room.room_name}", cure=guess + there
                    )
        finally:
            messaging.off("participant_added", look)
        found = messaging.get_participant_by_name(self._to)
        if found is None:
            raise NotFound(f"{self._to} has just left the room {self._room.room_name}")
        if found.role == "user":
            room = shlex.quote(str(self._room.room_name))
            raise NotFound(
                f"{self._to} is a person in the room, and no agent",
                cure=f"Agents are listed by: bulkhead agents list --room {room}",
            )
        return found

    async def _refuse_other_kinds(self) -> None:
        """Raise NotFound when the name is that of a toolkit or of an agent that only takes tasks."""
        agents = self._room.agents
        if any(agent.name == self._to for agent in await agents.list_agents()):
            raise NotFound(
                f"{self._to} is in the room, but is not one to chat with: it takes tasks",
                cure=f"Give it one: bulkhead agents ask {self._named('--agent')} --input '{{}}'",
            )
        for kit in await agents.list_toolkits():
            if kit.name == self._to:
                tool = shlex.quote(kit.tools[0].name) if kit.tools else "NAME"
                command = f"bulkhead agents invoke-tool {self._named('--toolkit')} --tool {tool}"
                raise NotFound(
                    f"{self._to} is in the room, but is not one to chat with: it offers tools",
                    cure=f"Call one: {command} --arguments '{{}}'",
                )

    def _named(self, option: str) -> str:
        return shlex.join(["--room", str(self._room.room_name), option, self._to])

    async def _send(self, type: str, message: dict[str, Any]) -> None:
        if self._agent is None:
            raise RoomError("the chat is not open", cure="Use `async with ChatSession(room)`.")
        # It may have been restarted: the same name, another participant.
        agent = self._room.messaging.get_participant_by_name(self._to) or self._agent
        self._agent = agent
        await self._room.messaging.send_message(to=agent, type=type, message=message)

    def _opened(self) -> Thread:
        if self._thread is None:
            raise RoomError("the chat is not open", cure="Use `async with ChatSession(room)`.")
        return self._thread

    def _changed(self) -> None:
        if self._turn is not None:
            self._turn.changed.set()

    def _received(self, *, message: RoomMessage) -> None:
        if self._agent is None or message.from_participant_id != self._agent.id:
            return
        if message.message.get("path") != self.path:
            return
        if self._turn is not None:
            self._turn.hear(message.type, message.message)
        elif message.type == "listening":
            self._listening.set()
        elif message.type == "chat" and not self._listening.is_set():
            self.notice = str(message.message.get("text", ""))
            self._listening.set()

    def _described(self, *, participant: RemoteParticipant) -> None:
        if self._turn is not None and self._agent is not None and participant.id == self._agent.id:
            self._turn.see(participant.get_attribute(f"{STATUS}{self.path}"))

    def _closed(self, *, reason: str = "") -> None:
        if self._turn is not None:
            self._turn.lose(f"the room was lost: {reason}")

    def _left(self, *, participant: RemoteParticipant) -> None:
        if self._turn is not None and self._agent is not None and participant.id == self._agent.id:
            self._turn.lose(f"{self._to} left the room in mid-answer")


def _segment(name: str) -> str:
    """A participant name as one segment of a path."""
    return "".join(char if char.isalnum() or char in "._-@" else "_" for char in name).strip(".") or "_"
