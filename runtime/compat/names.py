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
    "EmptyResponse": "sdk.tools.response:EmptyResponse",
    "ErrorContent": "wire.content:ErrorContent",
    "ErrorResponse": "sdk.tools.response:ErrorResponse",
    "FileContent": "wire.content:FileContent",
    "FileResponse": "sdk.tools.response:FileResponse",
    "JsonContent": "wire.content:JsonContent",
    "JsonResponse": "sdk.tools.response:JsonResponse",
    "LinkContent": "wire.content:LinkContent",
    "LinkResponse": "sdk.tools.response:LinkResponse",
    "Response": "sdk.tools.response:Response",
    "TextContent": "wire.content:TextContent",
    "TextResponse": "sdk.tools.response:TextResponse",
}
_PARTICIPANTS = {
    "LocalParticipant": "sdk.room.participant:LocalParticipant",
    "Participant": "sdk.room.participant:Participant",
    "RemoteParticipant": "sdk.room.participant:RemoteParticipant",
}
_REQUIREMENTS = {
    "RequiredSchema": "sdk.room.requirements:RequiredSchema",
    "RequiredTable": "sdk.room.requirements:RequiredTable",
    "RequiredToolkit": "sdk.room.requirements:RequiredToolkit",
    "Requirement": "sdk.room.requirements:Requirement",
}
_DATA_TYPES = {
    f"{name}DataType": f"sdk.room.tables.data_type:{name}DataType"
    for name in (
        "Binary",
        "Bool",
        "Date",
        "Float",
        "Int",
        "List",
        "Struct",
        "Text",
        "Timestamp",
        "Vector",
        "",
    )
}
_ROOM = {
    **_PARTICIPANTS,
    **_REQUIREMENTS,
    **_DATA_TYPES,
    "AgentDescription": "sdk.room.room_agents:AgentDescription",
    "AgentsClient": "sdk.room.room_agents:AgentsClient",
    "DatabaseClient": "sdk.room.tables.database:DatabaseClient",
    "DeveloperClient": "sdk.room.developer:DeveloperClient",
    "FileHandle": "sdk.room.storage:FileHandle",
    "MeshDocument": "sdk.room.document:Document",
    "MessagingClient": "sdk.room.messaging:MessagingClient",
    "Queue": "sdk.room.queues:Queue",
    "QueuesClient": "sdk.room.queues:QueuesClient",
    "RoomClient": "sdk.room.client:RoomClient",
    "RoomException": "sdk.room.room_exception:RoomException",
    "RoomMessage": "sdk.room.messaging:RoomMessage",
    "StorageClient": "sdk.room.storage:StorageClient",
    "StorageEntry": "sdk.room.storage:StorageEntry",
    "SyncClient": "sdk.room.sync:SyncClient",
    "TableIndex": "sdk.room.tables.database:TableIndex",
    "TableVersion": "sdk.room.tables.database:TableVersion",
    "ToolDescription": "sdk.room.room_agents:ToolDescription",
    "ToolkitDescription": "sdk.room.room_agents:ToolkitDescription",
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
_WEBSOCKET = {"WebSocketClientProtocol": "sdk.room.transport:WebSocketClientProtocol"}
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
    "RoomTool": "sdk.tools.room_tool:RoomTool",
    "SingleRoomAgent": "sdk.agent:SingleRoomAgent",
    "TaskRunner": "sdk.task_runner:TaskRunner",
}
_ADAPTERS = {
    "LLMAdapter": "sdk.llm.adapter:LLMAdapter",
}
_TOOL = {
    "BaseTool": "sdk.tools.toolkit:BaseTool",
    "FunctionTool": "sdk.tools.function_tool:FunctionTool",
    "RoomToolContext": "sdk.tools.toolkit:ToolContext",
    "Tool": "sdk.tools.toolkit:Tool",
    "ToolContext": "sdk.tools.toolkit:ToolContext",
    "tool": "sdk.tools.function_tool:tool",
}
_TOOLKIT = {"Toolkit": "sdk.tools.toolkit:Toolkit"}
_HOSTING = {
    "RemoteToolkit": "sdk.tools.remote_toolkit:RemoteToolkit",
    "start_hosted_toolkit": "sdk.tools.remote_toolkit:start_hosted_toolkit",
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
        "ChatBot": "sdk.chat.chatbot:ChatBot",
        "ChatBotBase": "sdk.chat.chatbot:ChatBot",
        "ChatThreadContext": "sdk.chat.chat_hooks:ChatThreadContext",
    },
    "meshagent.agents.context": _CONTEXT,
    "meshagent.agents.task_runner": {"TaskRunner": _AGENT["TaskRunner"], **_CONTEXT},
    "meshagent.api": {**_ROOM, **_TOKENS, **_RESPONSES, **_HELPERS, **_WEBSOCKET},
    "meshagent.api.helpers": _HELPERS,
    "meshagent.api.messaging": {**_RESPONSES, "ensure_response": "sdk.tools.response:ensure_content"},
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
