"""Which names stand in which ``meshagent`` module, and what they are here.

A value is ``"module:attribute"`` below ``runtime``.  Names that are spelled alike in several modules are the
same object.
"""

from __future__ import annotations

from collections.abc import Mapping

_RESPONSES = {
    "BinaryContent": "wire.content:BinaryContent",
    "Content": "wire.content:Content",
    "EmptyContent": "wire.content:EmptyContent",
    "EmptyResponse": "sdk.response:EmptyResponse",
    "ErrorContent": "wire.content:ErrorContent",
    "ErrorResponse": "sdk.response:ErrorResponse",
    "FileContent": "wire.content:FileContent",
    "FileResponse": "sdk.response:FileResponse",
    "JsonContent": "wire.content:JsonContent",
    "JsonResponse": "sdk.response:JsonResponse",
    "LinkContent": "wire.content:LinkContent",
    "LinkResponse": "sdk.response:LinkResponse",
    "Response": "sdk.response:Response",
    "TextContent": "wire.content:TextContent",
    "TextResponse": "sdk.response:TextResponse",
}
_PARTICIPANTS = {
    "LocalParticipant": "sdk.participant:LocalParticipant",
    "Participant": "sdk.participant:Participant",
    "RemoteParticipant": "sdk.participant:RemoteParticipant",
}
_REQUIREMENTS = {
    "RequiredSchema": "sdk.requirements:RequiredSchema",
    "RequiredToolkit": "sdk.requirements:RequiredToolkit",
    "Requirement": "sdk.requirements:Requirement",
}
_ROOM = {
    **_PARTICIPANTS,
    **_REQUIREMENTS,
    "AgentDescription": "sdk.room_agents:AgentDescription",
    "AgentsClient": "sdk.room_agents:AgentsClient",
    "DeveloperClient": "sdk.developer:DeveloperClient",
    "FileHandle": "sdk.storage:FileHandle",
    "MeshDocument": "sdk.document:Document",
    "MessagingClient": "sdk.messaging:MessagingClient",
    "Queue": "sdk.queues:Queue",
    "QueuesClient": "sdk.queues:QueuesClient",
    "RoomClient": "sdk.client:RoomClient",
    "RoomException": "sdk.room_exception:RoomException",
    "RoomMessage": "sdk.messaging:RoomMessage",
    "StorageClient": "sdk.storage:StorageClient",
    "StorageEntry": "sdk.storage:StorageEntry",
    "SyncClient": "sdk.sync:SyncClient",
    "ToolDescription": "sdk.room_agents:ToolDescription",
    "ToolkitDescription": "sdk.room_agents:ToolkitDescription",
}
_TOKENS = {
    "AdminGrant": "compat.participant_token:AdminGrant",
    "AgentsGrant": "compat.participant_token:AgentsGrant",
    "ApiScope": "compat.participant_token:ApiScope",
    "ContainersGrant": "compat.participant_token:ContainersGrant",
    "DatabaseGrant": "compat.participant_token:DatabaseGrant",
    "DeveloperGrant": "compat.participant_token:DeveloperGrant",
    "LivekitGrant": "compat.participant_token:LivekitGrant",
    "MessagingGrant": "compat.participant_token:MessagingGrant",
    "ParticipantGrant": "compat.participant_token:ParticipantGrant",
    "ParticipantToken": "compat.participant_token:ParticipantToken",
    "QueuesGrant": "compat.participant_token:QueuesGrant",
    "SecretsGrant": "compat.participant_token:SecretsGrant",
    "StorageGrant": "compat.participant_token:StorageGrant",
    "StoragePathGrant": "compat.participant_token:StoragePathGrant",
    "SyncGrant": "compat.participant_token:SyncGrant",
    "SyncPathGrant": "compat.participant_token:SyncPathGrant",
}
_HELPERS = {
    "meshagent_base_url": "compat.addresses:meshagent_base_url",
    "participant_token": "compat.addresses:participant_token",
    "websocket_protocol": "compat.addresses:websocket_protocol",
    "websocket_room_url": "compat.addresses:websocket_room_url",
}
_WEBSOCKET = {"WebSocketClientProtocol": "sdk.transport:WebSocketClientProtocol"}
_SERVICES = {
    "Portable": "sdk.endpoint:Portable",
    "ServiceHost": "sdk.host:ServiceHost",
}
_CONTEXT = {
    "AgentCallContext": "sdk.task_context:TaskContext",
    "AgentChatContext": "sdk.context:AgentChatContext",
    "AgentSessionContext": "sdk.context:AgentChatContext",
    "TaskContext": "sdk.task_context:TaskContext",
}
_AGENT = {
    "Agent": "sdk.agent:Agent",
    "RoomTool": "sdk.room_tool:RoomTool",
    "SingleRoomAgent": "sdk.agent:SingleRoomAgent",
    "TaskRunner": "sdk.task_runner:TaskRunner",
}
_ADAPTERS = {
    "LLMAdapter": "sdk.llm.adapter:LLMAdapter",
}
_TOOL = {
    "BaseTool": "sdk.toolkit:BaseTool",
    "FunctionTool": "sdk.function_tool:FunctionTool",
    "RoomToolContext": "sdk.toolkit:ToolContext",
    "Tool": "sdk.toolkit:Tool",
    "ToolContext": "sdk.toolkit:ToolContext",
    "tool": "sdk.function_tool:tool",
}
_TOOLKIT = {"Toolkit": "sdk.toolkit:Toolkit"}
_HOSTING = {
    "RemoteToolkit": "sdk.remote_toolkit:RemoteToolkit",
    "start_hosted_toolkit": "sdk.remote_toolkit:start_hosted_toolkit",
}
_OPENAI = {
    "OpenAIResponsesAdapter": "sdk.llm.openai_responses:OpenAIResponsesAdapter",
    "OpenAIResponsesToolResponseAdapter": "sdk.llm.openai_responses:OpenAIResponsesToolResponseAdapter",
}

NAMES: Mapping[str, Mapping[str, str]] = {
    "meshagent": {},
    "meshagent.agents": {**_AGENT, **_CONTEXT, **_ADAPTERS, **_REQUIREMENTS},
    "meshagent.agents.adapter": _ADAPTERS,
    "meshagent.agents.agent": {**_AGENT, **_CONTEXT, **_REQUIREMENTS},
    "meshagent.agents.chat": {
        "ChatBot": "sdk.chatbot:ChatBot",
        "ChatBotBase": "sdk.chatbot:ChatBot",
        "ChatThreadContext": "sdk.chat_thread:ChatThreadContext",
    },
    "meshagent.agents.context": _CONTEXT,
    "meshagent.agents.task_runner": {"TaskRunner": _AGENT["TaskRunner"], **_CONTEXT},
    "meshagent.api": {**_ROOM, **_TOKENS, **_RESPONSES, **_HELPERS, **_WEBSOCKET},
    "meshagent.api.helpers": _HELPERS,
    "meshagent.api.messaging": {**_RESPONSES, "ensure_response": "sdk.response:ensure_content"},
    "meshagent.api.participant": {"Participant": _PARTICIPANTS["Participant"]},
    "meshagent.api.participant_token": _TOKENS,
    "meshagent.api.room_server_client": _ROOM,
    "meshagent.api.services": _SERVICES,
    "meshagent.api.websocket_protocol": _WEBSOCKET,
    "meshagent.openai": _OPENAI,
    "meshagent.openai.tools": _OPENAI,
    "meshagent.openai.tools.responses_adapter": _OPENAI,
    "meshagent.otel": {"otel_config": "sdk.otel:otel_config"},
    "meshagent.tools": {
        **_TOOL,
        **_TOOLKIT,
        **_HOSTING,
        **_RESPONSES,
        **_WEBSOCKET,
        "ParticipantToken": _TOKENS["ParticipantToken"],
        "RoomClient": _ROOM["RoomClient"],
        "websocket_protocol": _HELPERS["websocket_protocol"],
    },
    "meshagent.tools.hosting": _HOSTING,
    "meshagent.tools.tool": _TOOL,
    "meshagent.tools.toolkit": {**_TOOLKIT, "ToolContext": _TOOL["ToolContext"]},
}
