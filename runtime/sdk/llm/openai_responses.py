"""The adapter that agents name: a real model when one is configured, the built-in offline model when none is.

Order: an explicit `client`, then the environment (`OPENAI_API_KEY`, `OPENAI_BASE_URL`), then the offline one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtime.model.contract import (
    DEFAULT_MODEL,
    Completed,
    Model,
    ModelError,
    ModelRequest,
    TextDelta,
    ToolCall,
    Usage,
)
from runtime.model.offline import NAME, OfflineModel
from runtime.sdk.context import AgentChatContext
from runtime.sdk.llm.adapter import EventHandler, LLMAdapter
from runtime.sdk.llm.catalog import ToolCatalog, output_text
from runtime.sdk.llm.openai_model import OpenAIModel, is_configured, preload
from runtime.sdk.meter import meter
from runtime.sdk.tools.keywords import refuse_unknown
from runtime.sdk.tools.toolkit import ToolContext
from runtime.telemetry import gen_ai

if TYPE_CHECKING:
    from runtime.sdk.room.client import RoomClient
    from runtime.sdk.room.participant import Participant
    from runtime.sdk.tools.toolkit import Toolkit

_NEWER = frozenset(
    {
        *("allowed_models", "annotations", "api_key", "base_url", "capabilities", "compaction_threshold"),
        *("context_management", "description", "friendly_name", "images_dataset", "max_output_tokens"),
        *("max_retries", "max_tool_call_length", "max_tool_call_lines", "tool_search", "user_agent"),
        *("websocket_timeout",),
    }
)
"""What some release of MeshAgent's adapter takes beyond."""

MODEL_VARIABLE = "OPENAI_MODEL"
MAX_ROUNDS = 12
MAX_PARALLEL_CALLS = 16
MAX_ANSWER_CHARS = 200_000

_log = logging.getLogger("llm")

# In a zygote this runs once, before the forks; see openai_model.
preload()


class OpenAIResponsesAdapter(LLMAdapter):
    """Answers with a model of the Responses API, or with the offline model.

    Args:
        model: Which model; None reads `OPENAI_MODEL`, else a default.
        client: An `AsyncOpenAI` to use instead of what the environment names.
        parallel_tool_calls: Whether calls of one round run at the same time.
        max_rounds: How often a turn may ask the model; in the last round it may call no tool.
        usage_handler: Hears what each request cost.
        reasoning_effort: As in MeshAgent's adapter; goes into the request.
        response_options: As in MeshAgent's adapter; goes into the request.
        provider: What traces call whoever answers.
        log_requests: Accepted and unused, as are ``mode`` and what MeshAgent's adapter may take beyond.
        backend: The model itself, for tests and for other providers.

    Raises:
        TypeError: An argument that no release of MeshAgent's adapter has.
    """

    def __init__(
        self,
        model: str | None = None,
        client: Any | None = None,
        *,
        parallel_tool_calls: bool | None = None,
        max_rounds: int = MAX_ROUNDS,
        usage_handler: Callable[[Usage], None] | None = None,
        reasoning_effort: str | None = None,
        response_options: Mapping[str, Any] | None = None,
        provider: str = "openai",
        log_requests: bool = False,
        mode: str | None = None,
        backend: Model | None = None,
        **newer: Any,
    ) -> None:
        refuse_unknown(self, OpenAIResponsesAdapter.__init__, newer, elsewhere=_NEWER)
        self._offline = backend is None and client is None and not is_configured()
        if backend is None:
            backend = OfflineModel() if self._offline else OpenAIModel(client)
        self._backend, self._provider = backend, provider
        self._model = NAME if self._offline else (model or os.environ.get(MODEL_VARIABLE) or DEFAULT_MODEL)
        self._parallel_tool_calls = parallel_tool_calls is not False
        self._max_rounds = max(1, max_rounds)
        self._options: dict[str, Any] = dict(response_options or {})
        if reasoning_effort is not None:
            self._options["reasoning"] = {"effort": reasoning_effort}
        if parallel_tool_calls is not None:
            self._options["parallel_tool_calls"] = parallel_tool_calls
        self.usage_handler = usage_handler
        self.usage = Usage(self._model, 0, 0)
        """All that this adapter has used."""

    def default_model(self) -> str:
        return self._model

    def is_offline(self) -> bool:
        return self._offline or isinstance(self._backend, OfflineModel)

    async def next(
        self,
        *,
        context: AgentChatContext,
        room: RoomClient,
        toolkits: Sequence[Toolkit],
        tool_adapter: Any = None,
        output_schema: dict[str, Any] | None = None,
        event_handler: EventHandler | None = None,
        model: str | None = None,
        on_behalf_of: Participant | None = None,
    ) -> Any:
        catalog = ToolCatalog(toolkits, tool_adapter=tool_adapter)
        tools = ToolContext(caller=room.local_participant, on_behalf_of=on_behalf_of, room=room)
        chosen = self._model if self._offline else (model or self._model)
        tell = event_handler or _ignore
        rules = catalog.rules()
        for number in range(1, self._max_rounds + 1):
            request = ModelRequest(
                model=chosen,
                messages=_with_rules(context, rules),
                functions=catalog.functions(),
                output_schema=output_schema,
                allow_tools=number < self._max_rounds,
                options={} if self._offline else self._options,
            )
            completed = await self._ask(request, tell, number)
            if not completed.calls:
                context.extend(list(completed.items))
                return _parse(completed.text) if output_schema is not None else completed.text
            outputs = await self._run(catalog, tools, completed.calls, tell)
            # Together, or a cancelled turn would leave a call without its output, which the API refuses.
            context.extend([*completed.items, *outputs])
        raise ModelError(
            f"The model asked for tools {self._max_rounds} times without coming to an answer",
            cure="Ask for less at once.",
        )

    async def _ask(self, request: ModelRequest, tell: EventHandler, number: int) -> Completed:
        completed: Completed | None = None
        length_chars = 0
        tell(
            {
                "type": "response.requested",
                "model": request.model,
                "messages": list(request.messages),
                "tools": [function.name for function in request.functions],
                "parameters": dict(request.options),
            }
        )
        provider = "bulkhead" if self.is_offline() else self._provider
        with gen_ai.Asking(request.model, provider, request.messages, number) as asking:
            async for event in self._backend.respond(request):
                match event:
                    case TextDelta(text=text):
                        asking.spoke()
                        length_chars += len(text)
                        if length_chars > MAX_ANSWER_CHARS:
                            raise ModelError(
                                f"The model's answer grew beyond {MAX_ANSWER_CHARS} characters",
                                cure="Ask for a shorter one.",
                            )
                        tell({"type": "response.output_text.delta", "delta": text})
                    case ToolCall():
                        pass  # they are all in Completed, which also says that the list is whole
                    case Completed():
                        completed = event
            if completed is None:
                raise ModelError("The model gave no answer", cure="Send your message again.")
            usage = completed.usage
            used = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
            calls = [{"name": call.name, "arguments": call.arguments} for call in completed.calls]
            answer = {"text": completed.text, "calls": calls}
            asking.answered(usage.model, usage.input_tokens, usage.output_tokens, answer)
        self._count(usage)
        tell({"type": "response.completed", "model": completed.usage.model, "usage": used, "answer": answer})
        return completed

    async def _run(
        self, catalog: ToolCatalog, context: ToolContext, calls: Sequence[ToolCall], tell: EventHandler
    ) -> list[dict[str, Any]]:
        limit = asyncio.Semaphore(MAX_PARALLEL_CALLS if self._parallel_tool_calls else 1)

        async def run(call: ToolCall) -> dict[str, Any]:
            async with limit:
                named = {"name": call.name, "call_id": call.call_id, "arguments": call.arguments}
                tell({"type": "response.function_call.started", **named})
                with gen_ai.tool(call.name, call_id=call.call_id, arguments=call.arguments) as work:
                    output = await catalog.call(context, call)
                    gen_ai.gave(work, output)
                tell({"type": "response.function_call.done", **named, "output": output})
            return {"type": "function_call_output", "call_id": call.call_id, "output": output}

        # A group: when the turn is cancelled, so is every tool of it.
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(call)) for call in calls]
        return [task.result() for task in tasks]

    def _count(self, usage: Usage) -> None:
        self.usage = Usage(
            self._model,
            self.usage.input_tokens + usage.input_tokens,
            self.usage.output_tokens + usage.output_tokens,
        )
        meter.add(
            tokens_in=usage.input_tokens, tokens_out=usage.output_tokens, model=usage.model or self._model
        )
        if self.usage_handler is not None:
            self.usage_handler(usage)


class OpenAIResponsesToolResponseAdapter:
    """Turns a tool's result into text.  MeshAgent programs pass one; the adapter does the same without it."""

    async def to_plain_text(self, *, room: RoomClient, response: Any) -> str:
        return output_text(response)


def _with_rules(context: AgentChatContext, rules: Sequence[str]) -> list[dict[str, Any]]:
    if not rules:
        return list(context.messages)
    told = context.copy()
    told.append_rules(rules)
    # Rules of tools stand before the talk: the last item must stay the one to answer.
    return [told.messages[-1], *told.messages[:-1]]


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ModelError("The model's answer is not the JSON it was asked for", cure="Try again.") from error


def _ignore(event: dict[str, Any]) -> None:
    pass
