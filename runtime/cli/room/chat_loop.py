"""The loop of a terminal chat: a line in, an answer out as it is written."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

from runtime.cli.failure import CommandFailed, ExitCode
from runtime.cli.room.typed_lines import TypedLines
from runtime.cli.room.why import Asked
from runtime.cli.terminal import clean, note, write
from runtime.errors import RoomError
from runtime.sdk.chat.chat_session import FIND_TIMEOUT_S, ChatSession
from runtime.sdk.room.client import RoomClient


class ChatLoop:
    """One chat.  Runs in: the event loop of the command; lines are read in a thread.

    Args:
        prompt: Shown before each line; empty when nobody types.
        show_progress: Redraw a mark while the agent thinks.
        entered: What is done first in the room; whether who is talked to may still be coming, if not there.
        question: Knows why there is no answer.
    """

    def __init__(
        self,
        room: RoomClient,
        *,
        to: str,
        prompt: str,
        show_progress: bool,
        entered: Callable[[RoomClient], Awaitable[bool]] | None = None,
        question: Asked | None = None,
    ) -> None:
        self._room = room
        self._to = to
        self._prompt = prompt
        self._show_progress = show_progress
        self._entered = entered
        self._question = question
        self._answer: asyncio.Task[None] | None = None
        self._lines = TypedLines()
        self._status = ExitCode.OK

    async def run(self) -> int:
        """Talk until the input ends; returns the exit status."""
        loop = asyncio.get_running_loop()
        before = signal.getsignal(signal.SIGINT)
        try:
            async with self._room as room:
                may_come = self._entered is None or await self._entered(room)
                async with self._session(room, may_come=may_come) as session:
                    loop.add_signal_handler(signal.SIGINT, self._interrupt, session)
                    while True:
                        line = await self._lines.read(self._prompt)
                        if line is None and self._prompt:
                            note()
                        if line is None or line.strip() in ("/quit", "/exit"):
                            return self._status
                        await self._handle(session, line.strip())
        except RoomError as error:
            told = await asyncio.to_thread(self._question.why, error.message) if self._question else None
            message, cure = told or (error.message, error.cure)
            raise CommandFailed(message, cure=cure) from error
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, before)  # `demo` has its own, and goes on after a chat

    def _session(self, room: RoomClient, *, may_come: bool) -> ChatSession:
        waiting = f"{clean(self._to)} is not in the room yet; waiting …"
        return ChatSession(
            room,
            to=self._to,
            find_timeout_s=FIND_TIMEOUT_S if may_come else 0.0,
            on_waiting=lambda: note(waiting, "dim"),
        )

    async def _handle(self, session: ChatSession, line: str) -> None:
        match line:
            case "":
                return
            case "/tools":
                await self._tools()
            case "/clear":
                await session.clear()
                note("cleared", "dim")
            case "/cancel":
                note("nothing to cancel", "dim")
            case _ if line.startswith("/"):
                note(f"no such command: {clean(line)}; there are /tools /cancel /clear /quit", "yellow")
            case _:
                self._answer = asyncio.create_task(self._print_answer(session, line), name="answer")
                try:
                    await self._answer
                finally:
                    self._answer = None

    async def _print_answer(self, session: ChatSession, line: str) -> None:
        if self._show_progress:
            write("…", sys.stdout)
        if self._question is not None:
            await asyncio.to_thread(self._question.again)
        first = True
        async for piece in session.say(line):
            if first and self._show_progress:
                write("\r\x1b[K", sys.stdout)
            first = False
            write(clean(piece), sys.stdout)
        write("\r\x1b[K(no answer)\n" if first and self._show_progress else "\n", sys.stdout)
        if session.is_cut:
            note(f"{clean(self._to)} was stopped in the middle of the answer", "yellow")
        # A script reads the status, a person the words.
        if (session.is_failed or session.is_cut) and not self._lines.can_give_up:
            self._status = ExitCode.FAILED

    async def _tools(self) -> None:
        note(f"offered in the room, by whom; {clean(self._to)} has those that its own code takes:", "dim")
        for toolkit in await self._room.agents.list_toolkits():
            for tool in toolkit.tools:
                note(f"  {clean(toolkit.name)}   tool {clean(tool.name)}   {clean(tool.description or '')}")
        for agent in await self._room.agents.list_agents():
            note(f"  {clean(agent.name)}   task   {clean(agent.description or '')}")

    def _interrupt(self, session: ChatSession) -> None:
        if self._answer is not None:
            self._cancelling = asyncio.create_task(session.cancel(), name="cancel")
        elif self._lines.can_give_up:
            self._status = ExitCode.INTERRUPTED
            self._lines.give_up()
        else:
            # A thread sits in read(); only the end of the process gets it out of there.
            sys.stdout.flush()
            os._exit(ExitCode.INTERRUPTED)
