"""TaskRunner: an agent that takes one task at a time from whoever asks, and answers it.

It is in the room twice, so that clients of every age find it: registered as an agent that answers
``ask``, and as a toolkit of the same name whose one tool, ``run_<name>_task``, runs a task.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtime.errors import RoomError, RuntimeServiceError
from runtime.sdk.agent import SingleRoomAgent
from runtime.sdk.room.requirements import RequiredToolkit, Requirement
from runtime.sdk.task_context import TaskContext
from runtime.sdk.tools.keywords import refuse_unknown
from runtime.sdk.tools.ongoing import Ongoing, must_go_on
from runtime.sdk.tools.remote_toolkit import RemoteToolkit, participant_of
from runtime.sdk.tools.response import ensure_content, plain_value
from runtime.sdk.tools.schema import Schema
from runtime.sdk.tools.toolkit import Tool, ToolContext, Toolkit
from runtime.telemetry import gen_ai
from runtime.wire.content import CODE_LOADED_AGAIN, Content, ErrorContent
from runtime.wire.room import Message

if TYPE_CHECKING:
    from runtime.sdk.room.client import RoomClient

MAX_TASK_COUNT = 64

AgentCallContext = TaskContext

_log = logging.getLogger("agents")


class TaskRunner(SingleRoomAgent):
    """Subclass it and override ``ask``.

    Args:
        name: Its name in the room; the participant's when None.
        title: For people.
        description: For people and models.
        requires: What must be in the room before it starts.
        supports_tools: Callers may lend it toolkits; they are in ``context.toolkits``.
        input_schema: JSON Schema of the arguments, or a class that has one: a pydantic model, a dataclass, a
            TypedDict.  Any object when None.  ``ask`` gets a dict in any case.
        output_schema: The same of the answer, which may be an object of the class; anything when None.
        labels: Texts to find it by; ``annotations`` is the newer word for the same.
        toolkits: Its own toolkits, in ``context.toolkits`` of each task.
        max_task_count: Tasks at once; more are answered with an error.
        keeps_running: A task goes on when whoever asked leaves the room or waits no more, instead of being
            cancelled.

    Raises:
        ConfigError: A schema is not a schema.
        TypeError: A schema is neither JSON Schema nor a class that has one, or an argument is unknown.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        requires: Sequence[Requirement] | None = None,
        supports_tools: bool | None = None,
        input_schema: Mapping[str, Any] | type[Any] | None = None,
        output_schema: Mapping[str, Any] | type[Any] | None = None,
        labels: Sequence[str] | None = None,
        annotations: Sequence[str] | Mapping[str, str] | None = None,
        toolkits: Sequence[Toolkit] | None = None,
        max_task_count: int = MAX_TASK_COUNT,
        keeps_running: bool = False,
        **newer: Any,
    ) -> None:
        refuse_unknown(self, TaskRunner.__init__, newer)
        super().__init__(
            name=name,
            title=title,
            description=description,
            requires=requires,
            labels=labels,
            annotations=annotations,
        )
        called = name or type(self).__name__
        self._input = Schema(input_schema or {"type": "object"}, of=f"the input schema of {called!r}")
        self._output = (
            None if output_schema is None else Schema(output_schema, of=f"the output schema of {called!r}")
        )
        self._supports_tools = bool(supports_tools)
        self.toolkits = list(toolkits or ())
        self._max_task_count = max_task_count
        self._keeps_running = keeps_running
        self._tasks = Ongoing(lambda: repr(self.name))
        self._registration = ""
        self._toolkit: RemoteToolkit | None = None
        self._listens: list[Callable[[], None]] = []

    @property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments."""
        return self._input.json

    @property
    def output_schema(self) -> dict[str, Any] | None:
        """JSON Schema of the answer."""
        return None if self._output is None else self._output.json

    @property
    def supports_tools(self) -> bool:
        """Whether callers may lend it toolkits."""
        return self._supports_tools

    async def ask(
        self, *, context: TaskContext, arguments: dict[str, Any], attachment: bytes | None = None
    ) -> Any:
        """Do a task and return its answer: a dict, a text, None, or a response.

        Raise to answer with an error.  ``attachment`` may be left out of the signature.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not override `async def ask(self, *, context, arguments)`"
        )

    async def validate_arguments(self, arguments: Any) -> None:
        """Raise SchemaMismatch, naming the place, when the arguments do not fit ``input_schema``."""
        self._input.check(arguments, what=f"arguments of {self.name!r}")

    async def validate_response(self, response: Any) -> None:
        """Raise SchemaMismatch, naming the place, when the answer does not fit ``output_schema``."""
        if self._output is not None:
            self._output.check(response, what=f"the answer of {self.name!r}")

    async def run(
        self,
        *,
        context: TaskContext | None = None,
        arguments: Mapping[str, Any],
        attachment: bytes | None = None,
        room: RoomClient | None = None,
        caller: Any = None,
    ) -> Content:
        """Check the arguments, ``ask``, check the answer; what every way of giving a task goes through."""
        plain = dict(arguments)
        await self.validate_arguments(plain)
        if context is None:
            context = TaskContext(room=room or self.room, caller=caller, toolkits=self.toolkits)
        given: dict[str, Any] = {"context": context, "arguments": plain}
        parameters = inspect.signature(self.ask).parameters
        if "attachment" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            given["attachment"] = attachment
        with gen_ai.turn(self.name or type(self).__name__):
            answer = self.ask(**given)
            content = ensure_content(await answer if inspect.isawaitable(answer) else answer)
        if self._output is not None:
            await self.validate_response(plain_value(content))
        return content

    def to_json(self) -> dict[str, Any]:
        """How it registers itself."""
        return {
            **super().to_json(),
            "input_schema": self.input_schema,
            "output_schema": self.output_schema,
            "supports_tools": self.supports_tools,
            "annotations": None,
            **({} if self._keeps_running else {"cancellable": True}),
        }

    async def start(self, *, room: RoomClient) -> None:
        """Register, and take tasks until ``stop``."""
        await super().start(room=room)
        name = self.name or "agent"
        try:
            self._listens.append(room.on_push("agent.ask", self._asked))
            if not self._keeps_running:
                self._listens.append(room.on_push("agent.cancel_task", self._tasks.cancelled))
            self._toolkit = RemoteToolkit(
                name=name,
                title=self.title,
                description=self.description,
                tools=[_RunTaskTool(self, name)],
                max_call_count=self._max_task_count,
                ends_with_caller=not self._keeps_running,
            )
            await self._toolkit.start(room=room)
            self._registration = await room.agents.register_agent(self.to_json())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Unregister; tasks that still run are cancelled and answered with an error."""
        room = self._room
        if room is None:
            return
        while self._listens:
            self._listens.pop()()
        await self._tasks.end()
        if self._toolkit is not None:
            await self._toolkit.stop()
            self._toolkit = None
        registration, self._registration = self._registration, ""
        if registration and not room.is_closed:
            try:
                await room.agents.unregister_agent(registration)
            except RoomError as error:
                _log.debug("agent %r was not unregistered: %s", self.name, error)
        await super().stop()

    async def loaded_again(self, *, within_s: float) -> None:
        """Take no more tasks, as the program was loaded again; return when those that run are done.

        After `within_s` seconds it returns anyway; ``stop`` then tells who asked to ask again.
        """
        waits = [self._tasks.finish(within_s=within_s)]
        if self._toolkit is not None:
            waits.append(self._toolkit.loaded_again(within_s=within_s))
        await asyncio.gather(*waits)

    # ---- tasks that come by `ask`

    def _asked(self, push: Message) -> None:
        if (refusal := self._tasks.refusal(self._max_task_count)) is not None:
            self._respond(self.room, push, _as_response(refusal))
            return
        self._tasks.begin(push.header.get("task_id"), self._answer(self.room, push), name=f"ask:{self.name}")

    async def _answer(self, room: RoomClient, push: Message) -> None:
        try:
            header = push.header
            behalf = header.get("on_behalf_of_id")
            context = TaskContext(
                room=room,
                caller=participant_of(room, str(header.get("caller_id") or "")),
                on_behalf_of=participant_of(room, behalf) if isinstance(behalf, str) and behalf else None,
                toolkits=[*self.toolkits, *await self._lent(room, push)],
            )
            content = await self.run(
                context=context, arguments=header.get("arguments") or {}, attachment=push.data or None
            )
            response = {"answer": plain_value(content), "caller_context": {}}
        except RuntimeServiceError as error:
            response = {"error": str(error)}
        except BaseException as error:
            # Whatever it was, somebody waits for an answer.
            response = _as_response(self._tasks.failure(error))
            if must_go_on(error):
                self._respond(room, push, response)
                raise
            _log.exception("a task of %r failed", self.name)
        self._respond(room, push, response)

    async def _lent(self, room: RoomClient, push: Message) -> list[Toolkit]:
        """The toolkits that the asker lends, when the agent takes any."""
        listed = push.header.get("toolkits")
        if not self.supports_tools or not isinstance(listed, list):
            return []
        wanted = [
            RequiredToolkit(name=str(one["name"]))
            for one in listed
            if isinstance(one, dict) and "name" in one
        ]
        caller = participant_of(room, str(push.header.get("caller_id") or ""))
        return await self.get_toolkits(ToolContext(room=room, caller=caller), wanted)

    def _respond(self, room: RoomClient, push: Message, response: dict[str, Any]) -> None:
        if room.is_closed:
            return
        header = {"task_id": push.header.get("task_id"), **response}
        try:
            room.send_nowait("agent.ask_response", header)
        except RuntimeServiceError as error:
            _log.warning("the answer of %r could not be sent: %s", self.name, error)
            if "error" not in response and not room.is_closed:
                self._respond(room, push, {"error": f"the answer could not be sent: {error.message}"})


def _as_response(failure: ErrorContent) -> dict[str, Any]:
    if failure.code == CODE_LOADED_AGAIN:
        return {"error": failure.text, "error_code": failure.code}
    return {"error": failure.text}


class _RunTaskTool(Tool):
    """Runs a task of the agent; its result has the form of the answer."""

    def __init__(self, agent: TaskRunner, name: str) -> None:
        super().__init__(
            name=f"run_{name}_task",
            title=f"Run {agent.title or name}",
            description=agent.description or f"Gives a task to {name}.",
            input_schema=agent.input_schema,
        )
        self._agent = agent

    async def execute(self, context: ToolContext, **kwargs: Any) -> Content:
        """Not used: ``call`` goes to the agent, which checks the arguments itself."""
        return await self.call(context=context, arguments=kwargs)

    async def call(
        self, *, context: ToolContext, arguments: Mapping[str, Any], attachment: bytes | None = None
    ) -> Content:
        """Run the task."""
        task = TaskContext(
            room=context.room,
            caller=context.caller,
            on_behalf_of=context.on_behalf_of,
            toolkits=self._agent.toolkits,
        )
        return await self._agent.run(context=task, arguments=arguments, attachment=attachment)
