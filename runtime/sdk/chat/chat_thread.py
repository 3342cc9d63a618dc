"""One chat thread of a chatbot: a queue of what people said, and a task that answers it.

Theory: messages of one thread are answered one after the other, threads side by side.  A turn runs in a task
of its own, so that `cancel` ends the turn and not the thread.  Whatever fails in a turn is said in the
thread; the thread goes on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from runtime.errors import ProtocolError, RoomError, RuntimeServiceError
from runtime.model.contract import rules_of
from runtime.sdk.chat.answer_writer import AnswerWriter
from runtime.sdk.chat.chat_hooks import ChatHooks, ChatThreadContext
from runtime.sdk.chat.chat_message import Said
from runtime.sdk.chat.reply_decision import LOOK_BACK, Question
from runtime.sdk.chat.thread import Thread, ThreadMessage
from runtime.sdk.chat.turn_log import TurnLog
from runtime.sdk.context import AgentChatContext, is_rules
from runtime.sdk.meter import meter
from runtime.sdk.room.participant import Participant
from runtime.telemetry import gen_ai
from runtime.telemetry.tracer import Work

if TYPE_CHECKING:
    from runtime.sdk.room.client import RoomClient

MAX_WAITING = 32
HISTORY_MESSAGES = 100

_log = logging.getLogger("chat")


class ChatThread:
    """A thread and the task that serves it.

    Args:
        bot: Whose thread; its hooks decide what the model is told.
        path: The document; empty for a chat without one, whose answers go to the asker alone.
    """

    def __init__(self, bot: ChatHooks, room: RoomClient, path: str) -> None:
        self.path = path
        self._bot = bot
        self._room = room
        self._openers: list[Participant] = []
        self._unheard: list[ThreadMessage] = []
        self._standing_rules: list[str] = []
        self._waiting: asyncio.Queue[Said] = asyncio.Queue(MAX_WAITING)
        self._context = ChatThreadContext(chat=AgentChatContext(), path=path)
        self._turn: asyncio.Task[None] | None = None
        self._answered: Said | None = None
        self._ended = ""  # what became of the turn
        self._ready = asyncio.Event()
        self._task = asyncio.create_task(self._serve(), name=f"chat:{path or 'direct'}")

    @property
    def is_over(self) -> bool:
        return self._task.done()

    @property
    def is_idle(self) -> bool:
        return self._turn is None and self._waiting.empty()

    def opened_by(self, participant: Participant) -> None:
        """Tell a participant when the thread listens: now, or once it is open, or why it cannot be."""
        if len(self._openers) < MAX_WAITING:
            self._openers.append(participant)
        if self._ready.is_set() and not self.is_over:
            self._listen()

    def say(self, said: Said) -> bool:
        """Queue a message for an answer; False when too many are waiting."""
        try:
            self._waiting.put_nowait(said)
        except asyncio.QueueFull:
            return False
        return True

    def cancel(self, turn_id: str = "") -> None:
        """End the turn that runs, with none running drop what waits; or only the turn that is named."""
        if self._turn is not None and (not turn_id or (self._answered and self._answered.id == turn_id)):
            self._ended = "cancelled"
            self._turn.cancel()
        elif turn_id or self._turn is None:
            self._drop_waiting("cancelled", turn_id)

    async def clear(self) -> None:
        """Forget the chat: end the turn, drop what waits, empty the document."""
        self._drop_waiting("cancelled")
        self.cancel()
        await self._ready.wait()
        if self._turn is not None:
            await asyncio.wait([self._turn])
        await self._forget()
        self._unheard.clear()
        if self._context.thread is not None:
            self._context.thread.clear()
            await self._room.sync.flush(self.path)

    async def close(self) -> None:
        """End the turn, leave the document."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    # ---- the task

    async def _serve(self) -> None:
        opened = False
        try:
            await self._forget()
            if self.path:
                document = await self._room.sync.open(self.path)
                opened = True
                await self._opened(Thread(document))
            self._listen()
            while True:
                said = self._answered = await self._waiting.get()
                self._ended = "cut"
                self._turn = asyncio.create_task(self._measured(said), name=f"turn:{self.path or 'direct'}")
                try:
                    await asyncio.wait([self._turn])
                finally:
                    turn, self._turn = self._turn, None
                    await _ended(turn)
                    self._tell_over(said, self._ended)
        except Exception as error:  # noqa: BLE001 - the edge of a task: an agent's own hooks run in it
            text = f"I cannot open this chat. {self._apology(error, after='')}"
            for opener in self._openers:
                self._tell(opener, "chat", {"path": self.path, "text": text})
        finally:
            self._ready.set()
            self._drop_waiting("cut")
            if opened and not self._room.is_closed:
                try:
                    await self._room.sync.close(self.path)
                except RoomError as error:
                    _log.warning("the thread %s was not closed: %s", self.path, error)

    async def _forget(self) -> None:
        self._context.chat = await self._bot.init_chat_context()
        told = [message for message in self._context.chat.messages if is_rules(message)]
        self._standing_rules = [rule for message in told for rule in rules_of(message["content"])]

    def _drop_waiting(self, ended: str, turn_id: str = "") -> None:
        for _ in range(self._waiting.qsize()):
            said = self._waiting.get_nowait()
            if turn_id and said.id != turn_id:
                self._waiting.put_nowait(said)
            else:
                self._tell_over(said, ended)

    def _tell_over(self, said: Said, ended: str) -> None:
        """Say that nobody works on a message any more, and what became of it: done, cancelled or cut off."""
        over = {"path": self.path, "thinking": False, "turn_id": said.id, "ended": ended}
        self._tell_all("thinking", over, asker=said.sender)

    async def _opened(self, thread: Thread) -> None:
        self._context.thread = thread
        name = self._bot.participant_name
        thread.add_member(name)
        history = thread.messages[-HISTORY_MESSAGES:]
        several = len({message.author_name for message in history if not self._is_own(message)}) > 1
        # What nobody has answered yet waits: its `chat` message may still be on its way.
        answered = len(history)
        while answered and not self._is_own(history[answered - 1]):
            answered -= 1
        self._unheard = history[answered:]
        for message in history[:answered]:
            if self._is_own(message):
                self._context.chat.append_assistant_message(message.text)
            else:
                self._context.chat.append_user_message(
                    message.text, name=message.author_name if several else None
                )
        if not history and self._waiting.empty():
            await self._greet(thread)

    async def _greet(self, thread: Thread) -> None:
        try:
            greeting = await self._bot.greet(thread_context=self._context)
        except RuntimeServiceError as error:
            greeting = self._apology(error, after="")
        if greeting:
            thread.append_message(author_name=self._bot.participant_name, text=greeting, role="agent")
            self._context.chat.append_assistant_message(greeting)
            await self._flush()

    def _listen(self) -> None:
        self._ready.set()
        for opener in self._openers:
            self._tell(opener, "listening", {"path": self.path, "listening": True})
        self._openers.clear()

    def _hear_earlier(self, said: Said, *, named: bool) -> None:
        """Tell the model what stood unanswered in the thread before this message."""
        ids = [message.id for message in self._unheard]
        texts = [message.text for message in self._unheard]
        if said.id in ids:
            until = ids.index(said.id)
        else:
            until = texts.index(said.text) if said.text in texts else len(texts)
        for message in self._unheard[:until]:
            self._context.chat.append_user_message(message.text, name=message.author_name if named else None)
        del self._unheard[: until + 1]

    def _is_own(self, message: ThreadMessage) -> bool:
        return message.author_name == self._bot.participant_name

    # ---- one turn

    async def _measured(self, said: Said) -> None:
        waited_ms = round((time.monotonic() - said.at) * 1000)
        with gen_ai.turn(
            self._bot.participant_name, conversation=self.path, turn_id=said.id, waited_ms=waited_ms
        ) as work:
            await self._answer(said, waited_ms, work)

    async def _answer(self, said: Said, waited_ms: int, work: Work) -> None:
        context = self._context
        context.participants = self._here(said.sender)
        people = self._people(said)
        author = str(said.sender.name or "somebody")
        chat = context.chat
        question = Question(
            bot=self._bot.participant_name,
            titles=[self._bot.title] if self._bot.title else [],
            author=author,
            text=said.text,
            others=people,
            recent=self._before(said),
        )
        self._hear_earlier(said, named=bool(people))
        chat.append_user_message(said.for_model(), name=author if people else None)
        writer = AnswerWriter(
            context.thread,
            author_name=self._bot.participant_name,
            turn_id=said.id,
            flush=self._flush,
            written_by=self._room.local_participant.id,
        )
        log = TurnLog(self._room, self.path, said.id)
        thinking = {"path": self.path, "thinking": True, "turn_id": said.id}
        failed = False
        try:
            if not await self._bot.should_reply(thread_context=context, question=question):
                self._ended = "done"
                return
            self._tell_all("thinking", thinking, asker=said.sender)
            log.write("turn", asker=author, waited_ms=waited_ms)
            answer = await self._run_model(said, writer, log)
            if answer.strip() and not writer.text.endswith(answer):
                writer.replace(answer)
        except asyncio.CancelledError:
            log.write("ended", ended=self._ended, chars=len(writer.text))
            await self._leave(writer)
            if writer.text.strip():
                chat.append_assistant_message(writer.text)
            raise
        except Exception as error:  # noqa: BLE001 - the edge of a turn: an agent's own code runs in it
            writer.add(self._apology(error, after=writer.text))
            work.fail(type(error).__name__)
            failed = True
        self._ended = "done"
        log.write("ended", ended="failed" if failed else "done", chars=len(writer.text))
        await self._finish(said, writer, failed=failed)

    async def _run_model(self, said: Said, writer: AnswerWriter, log: TurnLog) -> str:
        bot, context = self._bot, self._context
        started = False

        def hear(event: dict[str, Any]) -> None:
            nonlocal started
            if event.get("type") == "response.output_text.delta":
                if not started and writer.text:
                    writer.add("\n\n")  # the model speaks again after a tool
                started = True
                writer.add(str(event.get("delta", "")))
            elif event.get("type") == "response.function_call.started":
                started = False
            log.hear(event)
            bot.on_llm_event(thread_context=context, event=event)

        rules = await bot.get_rules(thread_context=context, participant=said.sender)
        context.chat.replace_rules([*self._standing_rules, *rules])
        toolkits = await bot.get_thread_toolkits(thread_context=context, participant=said.sender)
        tools = [tool.name for toolkit in toolkits for tool in toolkit.tools]
        log.write("request", model=said.model, rules=rules, tools=tools, asker=said.sender.name)
        answer = await bot.llm_adapter.next(
            context=context.chat,
            room=self._room,
            toolkits=toolkits,
            tool_adapter=bot.tool_adapter,
            event_handler=hear,
            model=said.model,
            on_behalf_of=said.sender,
        )
        return answer if isinstance(answer, str) else str(answer)

    async def _leave(self, writer: AnswerWriter) -> None:
        try:
            await writer.leave(self._ended)
        except (RoomError, ProtocolError) as error:
            _log.warning("the thread %s does not say that its answer was cut: %s", self.path, error)

    async def _finish(self, said: Said, writer: AnswerWriter, *, failed: bool) -> None:
        meter.add(turns=1)
        try:
            await writer.finish()
        except (RoomError, ProtocolError) as error:
            _log.error("an answer did not reach the thread %s: %s", self.path, error)
        message: dict[str, Any] = {"text": writer.text, "turn_id": said.id}
        if failed:  # for programs: people read it in the words
            message["failed"] = True
        if self.path:
            message["path"] = self.path
        self._tell_all("chat", message, asker=said.sender)

    def _apology(self, error: Exception, *, after: str) -> str:
        if isinstance(error, RuntimeServiceError):
            _log.warning("a turn failed: %s", error)
            sentence = str(error)
        else:
            _log.exception("a turn failed in the agent's own code")
            sentence = f"This agent failed: {type(error).__name__}: {error}. Its log says where."
        return f"\n\n⚠ {sentence}" if after.strip() else f"⚠ {sentence}"

    async def _flush(self) -> None:
        if self.path:
            await self._room.sync.flush(self.path)

    # ---- who is here

    def _before(self, said: Said) -> list[ThreadMessage]:
        messages = self._context.thread.tail(LOOK_BACK + 1) if self._context.thread else []
        if messages and messages[-1].text == said.text and not self._is_own(messages[-1]):
            messages.pop()
        return messages

    def _people(self, said: Said) -> list[str]:
        """Members who are neither the author, nor this bot, nor another agent."""
        if self._context.thread is None:
            return []
        agents = {one.name for one in self._room.messaging.get_participants() if one.role != "user"}
        not_counted = {self._bot.participant_name, said.sender.name, *agents}
        return [name for name in self._context.thread.members if name not in not_counted]

    def _here(self, asker: Participant | None = None) -> list[Participant]:
        members = set(self._context.thread.members) if self._context.thread else set()
        # Not the agents among them: another chatbot would take our answer for a question.
        people = [one for one in self._room.messaging.get_participants() if one.role == "user"]
        here: list[Participant] = [one for one in people if one.name in members]
        if asker is not None and asker.id not in {one.id for one in here}:
            here.append(asker)
        return here

    def _tell_all(self, type: str, message: dict[str, Any], *, asker: Participant | None = None) -> None:
        """Send a message to the people of the thread who are in the room, and to the asker."""
        for participant in self._here(asker):
            self._tell(participant, type, message)

    def _tell(self, participant: Participant, type: str, message: dict[str, Any]) -> None:
        if self._room.is_closed:
            return
        try:
            self._room.messaging.send_message_nowait(to=participant, type=type, message=message)
        except RoomError as error:
            _log.warning("%s could not be told: %s", participant.name, error)


async def _ended(turn: asyncio.Task[None]) -> None:
    """Wait for a turn that is over or must be; its failures have been told already."""
    if not turn.done():
        turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)
