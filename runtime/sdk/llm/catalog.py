"""Toolkits as a model sees them: function names that are legal and unique, results as text."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runtime.errors import RuntimeServiceError
from runtime.model.contract import FunctionSpec, ToolCall
from runtime.sdk.context import cut
from runtime.wire.content import (
    Content,
    EmptyContent,
    ErrorContent,
    FileContent,
    JsonContent,
    LinkContent,
    RawContent,
    TextContent,
)

if TYPE_CHECKING:
    from runtime.sdk.tools.toolkit import Tool, ToolContext, Toolkit

MAX_TOOLS = 128
MAX_NAME_CHARS = 64
MAX_OUTPUT_CHARS = 64_000

_log = logging.getLogger("llm.tools")


class ToolCatalog:
    """The functions of one turn, and the way back from a function's name to its tool.

    Args:
        toolkits: Their tools in order; beyond 128 the rest is left out, with a warning.
        max_output_chars: A longer result is cut before the model sees it.
        tool_adapter: Its `to_plain_text(room=, response=)` makes a result text; None uses `output_text`.
    """

    def __init__(
        self,
        toolkits: Sequence[Toolkit],
        *,
        max_output_chars: int = MAX_OUTPUT_CHARS,
        tool_adapter: Any = None,
    ) -> None:
        self._tool_adapter = tool_adapter
        self._tools: dict[str, tuple[Toolkit, Tool]] = {}
        self._max_output_chars = max_output_chars
        self._rules = [rule for toolkit in toolkits for rule in toolkit.rules]
        pairs = [(toolkit, tool) for toolkit in toolkits for tool in toolkit.tools]
        if len(pairs) > MAX_TOOLS:
            _log.warning(
                "%d tools are too many for a model; those after the first %d are left out",
                len(pairs),
                MAX_TOOLS,
            )
        for toolkit, tool in pairs[:MAX_TOOLS]:
            name = _legal(tool.name)
            if name in self._tools:
                name = _legal(f"{toolkit.name}_{tool.name}")
            number = 2
            while name in self._tools:
                name = f"{_legal(tool.name)[: MAX_NAME_CHARS - 4]}_{number}"
                number += 1
            self._tools[name] = (toolkit, tool)

    def functions(self) -> list[FunctionSpec]:
        return [
            FunctionSpec(name, tool.description or tool.title or name, _parameters(tool))
            for name, (_, tool) in self._tools.items()
        ]

    def rules(self) -> list[str]:
        """What toolkits and tools want the model to know about their use."""
        return self._rules + [rule for _, tool in self._tools.values() for rule in tool.rules]

    async def call(self, context: ToolContext, call: ToolCall) -> str:
        """Run a tool; whatever goes wrong is told to the model as ``{"error": …}``, never raised.

        Cancelling the caller cancels the tool.
        """
        found = self._tools.get(call.name)
        if found is None:
            return _error(
                f"there is no tool called {call.name}; there are {', '.join(self._tools) or 'none'}"
            )
        try:
            arguments = json.loads(call.arguments or "{}")
        except ValueError as error:
            return _error(f"the arguments are not JSON: {error}")
        if not isinstance(arguments, dict):
            return _error("the arguments must be a JSON object")
        toolkit, tool = found
        try:
            content = await toolkit.execute(context=context, name=tool.name, arguments=arguments)
            if self._tool_adapter is None:
                text = output_text(content)
            else:
                text = str(await self._tool_adapter.to_plain_text(room=context.room, response=content))
        except asyncio.CancelledError:
            raise
        except RuntimeServiceError as error:
            return _error(str(error))
        except Exception as error:  # noqa: BLE001 - a tool is somebody else's code: its failure is its answer
            _log.exception("tool %s failed", tool.name)
            return _error(str(error) or type(error).__name__)
        return cut(text, self._max_output_chars)


def output_text(content: Content) -> str:
    """A tool's result as the text that goes back to the model."""
    match content:
        case JsonContent(json=value):
            return json.dumps(value, ensure_ascii=False, default=str)
        case TextContent(text=text):
            return text
        case EmptyContent():
            return "ok"
        case ErrorContent(text=text):
            return _error(text)
        case LinkContent(name=name, url=url):
            return json.dumps({"name": name, "url": url}, ensure_ascii=False)
        case FileContent(name=name, mime_type=mime_type, data=data):
            return _file(name, mime_type, data)
        case RawContent(outputs=outputs):
            return json.dumps(outputs, ensure_ascii=False, default=str)
        case _:
            return _error(f"the tool answered with a {type(content).__name__}, which has no text form")


def _file(name: str, mime_type: str, data: bytes) -> str:
    if mime_type.startswith("text/") or mime_type == "application/json":
        return data.decode("utf-8", "replace")
    encoded = base64.b64encode(data[:24_000]).decode()
    return json.dumps({"name": name, "mime_type": mime_type, "size_bytes": len(data), "base64": encoded})


def _parameters(tool: Tool) -> dict[str, Any]:
    schema = dict(tool.schema)
    # The API refuses functions whose schema leaves these to be guessed.
    schema.setdefault("type", "object")
    schema.setdefault("properties", {})
    return schema


def _legal(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:MAX_NAME_CHARS] or "tool"


def _error(text: str) -> str:
    return json.dumps({"error": text}, ensure_ascii=False)
