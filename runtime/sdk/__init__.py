"""What agent authors import: ``from runtime.sdk import ServiceHost, ChatBot, tool``.

Each name is imported when it is first used, so that a bundle pays only for what it serves with.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.sdk.agent import Agent, SingleRoomAgent
    from runtime.sdk.chatbot import ChatBot
    from runtime.sdk.client import RoomClient
    from runtime.sdk.context import AgentChatContext
    from runtime.sdk.function_tool import FunctionTool, tool
    from runtime.sdk.host import ServiceHost
    from runtime.sdk.llm.adapter import LLMAdapter
    from runtime.sdk.llm.openai_responses import OpenAIResponsesAdapter
    from runtime.sdk.messaging import RoomMessage
    from runtime.sdk.otel import otel_config
    from runtime.sdk.participant import LocalParticipant, Participant, RemoteParticipant
    from runtime.sdk.remote_toolkit import RemoteToolkit
    from runtime.sdk.requirements import RequiredSchema, RequiredToolkit
    from runtime.sdk.response import (
        EmptyResponse,
        ErrorResponse,
        FileResponse,
        JsonResponse,
        LinkResponse,
        TextResponse,
    )
    from runtime.sdk.room_exception import RoomException
    from runtime.sdk.task_context import TaskContext
    from runtime.sdk.task_runner import TaskRunner
    from runtime.sdk.toolkit import Tool, ToolContext, Toolkit
    from runtime.sdk.transport import WebSocketClientProtocol
    from runtime.session.spec import Limits

__all__ = [
    "Agent",
    "AgentChatContext",
    "ChatBot",
    "EmptyResponse",
    "ErrorResponse",
    "FileResponse",
    "FunctionTool",
    "JsonResponse",
    "LLMAdapter",
    "Limits",
    "LinkResponse",
    "LocalParticipant",
    "OpenAIResponsesAdapter",
    "Participant",
    "RemoteParticipant",
    "RemoteToolkit",
    "RequiredSchema",
    "RequiredToolkit",
    "RoomClient",
    "RoomException",
    "RoomMessage",
    "ServiceHost",
    "SingleRoomAgent",
    "TaskContext",
    "TaskRunner",
    "TextResponse",
    "Tool",
    "ToolContext",
    "Toolkit",
    "WebSocketClientProtocol",
    "otel_config",
    "tool",
]

_HOMES = {
    "Agent": "agent",
    "AgentChatContext": "context",
    "ChatBot": "chatbot",
    "EmptyResponse": "response",
    "ErrorResponse": "response",
    "FileResponse": "response",
    "FunctionTool": "function_tool",
    "JsonResponse": "response",
    "LLMAdapter": "llm.adapter",
    "Limits": "host",
    "LinkResponse": "response",
    "LocalParticipant": "participant",
    "OpenAIResponsesAdapter": "llm.openai_responses",
    "Participant": "participant",
    "RemoteParticipant": "participant",
    "RemoteToolkit": "remote_toolkit",
    "RequiredSchema": "requirements",
    "RequiredToolkit": "requirements",
    "RoomClient": "client",
    "RoomException": "room_exception",
    "RoomMessage": "messaging",
    "ServiceHost": "host",
    "SingleRoomAgent": "agent",
    "TaskContext": "task_context",
    "TaskRunner": "task_runner",
    "TextResponse": "response",
    "Tool": "toolkit",
    "ToolContext": "toolkit",
    "Toolkit": "toolkit",
    "WebSocketClientProtocol": "transport",
    "otel_config": "otel",
    "tool": "function_tool",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
