"""What agent authors import: ``from runtime.sdk import ServiceHost, ChatBot, tool``.

Each name is imported when it is first used, so that a bundle pays only for what it serves with.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.confinement.confine import Confine
    from runtime.sdk.agent import Agent, SingleRoomAgent
    from runtime.sdk.chat.chatbot import ChatBot
    from runtime.sdk.context import AgentChatContext
    from runtime.sdk.host import ServiceHost
    from runtime.sdk.llm.adapter import LLMAdapter
    from runtime.sdk.llm.openai_responses import OpenAIResponsesAdapter
    from runtime.sdk.otel import otel_config
    from runtime.sdk.room.client import RoomClient
    from runtime.sdk.room.messaging import RoomMessage
    from runtime.sdk.room.participant import LocalParticipant, Participant, RemoteParticipant
    from runtime.sdk.room.requirements import RequiredSchema, RequiredTable, RequiredToolkit
    from runtime.sdk.room.room_exception import LoadedAgain, RoomException
    from runtime.sdk.room.tables.data_type import (
        BinaryDataType,
        BoolDataType,
        DataType,
        DateDataType,
        FloatDataType,
        IntDataType,
        ListDataType,
        StructDataType,
        TextDataType,
        TimestampDataType,
        VectorDataType,
    )
    from runtime.sdk.room.transport import WebSocketClientProtocol
    from runtime.sdk.task_context import TaskContext
    from runtime.sdk.task_runner import TaskRunner
    from runtime.sdk.tools.function_tool import FunctionTool, tool
    from runtime.sdk.tools.remote_toolkit import RemoteToolkit
    from runtime.sdk.tools.response import (
        EmptyResponse,
        ErrorResponse,
        FileResponse,
        JsonResponse,
        LinkResponse,
        TextResponse,
    )
    from runtime.sdk.tools.toolkit import Tool, ToolContext, Toolkit
    from runtime.session.spec import Limits

__all__ = [
    "Agent",
    "AgentChatContext",
    "BinaryDataType",
    "BoolDataType",
    "ChatBot",
    "Confine",
    "DataType",
    "DateDataType",
    "EmptyResponse",
    "ErrorResponse",
    "FileResponse",
    "FloatDataType",
    "FunctionTool",
    "IntDataType",
    "JsonResponse",
    "LLMAdapter",
    "Limits",
    "LinkResponse",
    "ListDataType",
    "LoadedAgain",
    "LocalParticipant",
    "OpenAIResponsesAdapter",
    "Participant",
    "RemoteParticipant",
    "RemoteToolkit",
    "RequiredSchema",
    "RequiredTable",
    "RequiredToolkit",
    "RoomClient",
    "RoomException",
    "RoomMessage",
    "ServiceHost",
    "SingleRoomAgent",
    "StructDataType",
    "TaskContext",
    "TaskRunner",
    "TextDataType",
    "TextResponse",
    "TimestampDataType",
    "Tool",
    "ToolContext",
    "Toolkit",
    "VectorDataType",
    "WebSocketClientProtocol",
    "otel_config",
    "tool",
]

_HOMES = {
    "Agent": "agent",
    "AgentChatContext": "context",
    "BinaryDataType": "room.tables.data_type",
    "BoolDataType": "room.tables.data_type",
    "ChatBot": "chat.chatbot",
    "Confine": "host",
    "DataType": "room.tables.data_type",
    "DateDataType": "room.tables.data_type",
    "EmptyResponse": "tools.response",
    "ErrorResponse": "tools.response",
    "FileResponse": "tools.response",
    "FloatDataType": "room.tables.data_type",
    "FunctionTool": "tools.function_tool",
    "IntDataType": "room.tables.data_type",
    "JsonResponse": "tools.response",
    "LLMAdapter": "llm.adapter",
    "Limits": "host",
    "LinkResponse": "tools.response",
    "ListDataType": "room.tables.data_type",
    "LoadedAgain": "room.room_exception",
    "LocalParticipant": "room.participant",
    "OpenAIResponsesAdapter": "llm.openai_responses",
    "Participant": "room.participant",
    "RemoteParticipant": "room.participant",
    "RemoteToolkit": "tools.remote_toolkit",
    "RequiredSchema": "room.requirements",
    "RequiredTable": "room.requirements",
    "RequiredToolkit": "room.requirements",
    "RoomClient": "room.client",
    "RoomException": "room.room_exception",
    "RoomMessage": "room.messaging",
    "ServiceHost": "host",
    "SingleRoomAgent": "agent",
    "StructDataType": "room.tables.data_type",
    "TaskContext": "task_context",
    "TaskRunner": "task_runner",
    "TextDataType": "room.tables.data_type",
    "TextResponse": "tools.response",
    "TimestampDataType": "room.tables.data_type",
    "Tool": "tools.toolkit",
    "ToolContext": "tools.toolkit",
    "Toolkit": "tools.toolkit",
    "VectorDataType": "room.tables.data_type",
    "WebSocketClientProtocol": "room.transport",
    "otel_config": "otel",
    "tool": "tools.function_tool",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
