"""From a message to its handler: the two dialects' names, side by side.

Older clients name a request by the message's type.  Newer ones call tools of built-in toolkits with
``room.invoke_tool``.  Some messages are one-way and must not be answered; everything else always is.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec
import structlog

from runtime.errors import (
    InvalidRequest,
    NotSupported,
    RemoteProtocolError,
    RoomError,
    RoomFull,
    RuntimeServiceError,
    ToolNotFound,
)
from runtime.rooms.agents import Agents
from runtime.rooms.built_in.containers.family import Containers
from runtime.rooms.built_in.database.database import Database
from runtime.rooms.built_in.database.dataset import Dataset
from runtime.rooms.built_in.database.dataset_sql import TAKE_BYTES as DATASET_TAKES_BYTES
from runtime.rooms.built_in.database.streamed import StreamedDatabase
from runtime.rooms.built_in.memory.requests import Memory
from runtime.rooms.built_in.secrets.requests import TAKE_BYTES, Secrets
from runtime.rooms.built_in.services import Services as KeptServices
from runtime.rooms.built_in.sqlite.toolkit import TAKE_BYTES as SQLITE_TAKES_BYTES
from runtime.rooms.built_in.sqlite.toolkit import Sqlite
from runtime.rooms.built_in.storage_toolkit import StorageToolkit
from runtime.rooms.connection import Peer
from runtime.rooms.developer.log import DeveloperLog
from runtime.rooms.documents import Documents
from runtime.rooms.live import LiveRoom
from runtime.rooms.messaging import Messaging
from runtime.rooms.queues import Queues
from runtime.rooms.registry import no_tool
from runtime.rooms.request import Handler, Outcome, Request, error_content
from runtime.rooms.storage import Storage
from runtime.rooms.streams import ServerStream
from runtime.rooms.tools import Tools
from runtime.wire.content import (
    CODE_FAILED,
    BinaryContent,
    ControlContent,
    EmptyContent,
    ErrorContent,
    JsonContent,
    from_header,
)
from runtime.wire.room import Message

log = structlog.get_logger(__name__)

StreamHandler: TypeAlias = Callable[[ServerStream], Awaitable[None]]

BUILT_IN_TOOLKITS: Final = frozenset(
    {
        "containers",
        "database",
        "dataset",
        "developer",
        "memory",
        "messaging",
        "queues",
        "secrets",
        "services",
        "sqlite",
        "storage",
        "sync",
    }
)
REFUSED_TOOLKITS: Final = frozenset(
    {
        "livekit",
        "llm",
        "mounts",
        "tunnels",
    }
)
"""Toolkits of the protocol that this server does not have; a participant may offer one of these names."""
_TAKE_BYTES: Final = TAKE_BYTES | DATASET_TAKES_BYTES | SQLITE_TAKES_BYTES
_MESSAGE_STREAM: Final = "messaging.stream"
_BY_HAND: Final = ("agent.invoke_tool", "room.invoke_tool", "set_attributes", "room.cancel_request")
"""Requests that `Dispatcher._route` knows itself."""
_CURE: Final = "The reference lists what rooms serve, by family: 'What rooms serve'."


class Served(msgspec.Struct, frozen=True):
    """What a room answers, by full names.

    Attributes:
        requests: Messages of the older dialects.
        tools: Tools of the built-in toolkits, which the newer dialect calls.
        streams: Those of them that are called as streams.
        offered: Tools that a model may be given.
        refused: Toolkits of the protocol that this server does not have.
    """

    requests: tuple[str, ...]
    tools: tuple[str, ...]
    streams: tuple[str, ...]
    offered: tuple[str, ...]
    refused: tuple[str, ...]


class Services(msgspec.Struct, frozen=True):
    """Everything a room does for its participants."""

    messaging: Messaging
    tools: Tools
    agents: Agents
    documents: Documents
    storage: Storage
    storage_toolkit: StorageToolkit
    database: Database
    dataset: Dataset
    sqlite: Sqlite
    queues: Queues
    secrets: Secrets
    memory: Memory
    developer: DeveloperLog
    containers: Containers
    services: KeptServices


class Dispatcher:
    """Routes the messages of one room's participants."""

    def __init__(self, live: LiveRoom, services: Services) -> None:
        self._live = live
        self._services = services
        self._requests: dict[str, Handler] = {
            **services.messaging.requests(),
            **services.tools.requests(),
            **services.agents.requests(),
            **services.documents.requests(),
            **services.storage.requests(),
            **services.database.requests(),
            **services.queues.requests(),
            **services.secrets.requests(),
            **services.developer.requests(),
            **services.containers.requests(),
            **services.services.requests(),
        }
        self._tools: dict[str, Handler] = {
            **services.messaging.tools(),
            **services.documents.tools(),
            **services.storage.tools(),
            **services.database.tools(),
            **services.dataset.tools(),
            **services.sqlite.tools(),
            **services.queues.requests(),
            **services.secrets.tools(),
            **services.memory.tools(),
            **services.developer.tools(),
            **services.containers.tools(),
            **services.services.tools(),
        }
        self._offered: dict[str, Handler] = {**services.storage_toolkit.tools()}
        """Tools of the room itself that a participant's toolkit of the same name takes the place of."""
        self._streams: dict[str, StreamHandler] = {
            "storage.upload": services.storage.upload,
            "storage.download": services.storage.download,
            "sync.open": services.documents.open,
            "developer.logs": services.developer.logs,
            **StreamedDatabase(services.database, max_bytes=live.limits.max_message_bytes).streams(),
            **services.containers.streams(),
            **services.dataset.streams(),
            **services.sqlite.streams(),
        }
        self._running: dict[tuple[str, str], ServerStream] = {}

    def served(self) -> Served:
        """What there is a handler for, and what is known to be missing."""
        return Served(
            requests=(*sorted(self._requests), *_BY_HAND),
            tools=tuple(sorted(self._tools)),
            streams=(*sorted(self._streams), _MESSAGE_STREAM),
            offered=tuple(sorted(self._offered)),
            refused=tuple(sorted(REFUSED_TOOLKITS)),
        )

    def receive(self, peer: Peer, message: Message) -> None:
        """Act on one message.  Never waits, never raises; what takes time runs as the participant's task."""
        try:
            self._route(peer, message)
        except Exception:
            log.exception("room.message_failed", room=self._live.name, participant=peer.id)

    def _route(self, peer: Peer, message: Message) -> None:
        match message.type:
            case "set_attributes":
                self._services.messaging.set_attributes(
                    Request(peer, message.id, message.type, message.header)
                )
            case "room.cancel_request":
                request_id = message.header.get("request_id")
                self._services.agents.cancel(peer, request_id)
                self._services.tools.cancel(peer, request_id)
            case "agent.ask_response":
                self._services.agents.ask_response(peer, message)
            case "agent.tool_call_response" | "room.tool_call_response":
                self._services.tools.response(peer, message)
            case "agent.tool_call_response_chunk" | "room.tool_call_response_chunk":
                self._services.tools.response_chunk(peer, message)
            case "agent.tool_call_request_chunk" | "room.tool_call_request_chunk":
                # Some clients send the next chunk only after this answer.
                peer.respond(message.id, EmptyContent())
                self._request_chunk(peer, message)
            case "agent.invoke_tool" | "room.invoke_tool":
                request = Request(peer, message.id, message.type, message.header, message.data)
                self._guard(request, self._invoke)
            case _:
                request = Request(peer, message.id, message.type, message.header, message.data)
                self._guard(request, self._requests.get(message.type, _refuse))

    def _guard(self, request: Request, handler: Handler) -> None:
        try:
            outcome = handler(request)
            if inspect.iscoroutine(outcome):
                self._live.spawn(request.peer, self._finish(request, outcome))
                return
        except RuntimeServiceError as error:
            request.answer(error_content(error))
        except Exception:
            log.exception("room.request_failed", request=request.name)
            request.answer(ErrorContent(f"{request.name} failed inside the server", CODE_FAILED))
        else:
            if outcome is not None:
                request.answer(outcome)  # type: ignore[arg-type]

    async def _finish(self, request: Request, outcome: Awaitable[Outcome]) -> None:
        try:
            content = await outcome
        except RuntimeServiceError as error:
            request.answer(error_content(error))
        except OSError as error:
            log.warning("room.request_failed", request=request.name, error=str(error))
            request.answer(ErrorContent(f"{request.name} failed: {error.strerror}", CODE_FAILED))
        except Exception:
            log.exception("room.request_failed", request=request.name)
            request.answer(ErrorContent(f"{request.name} failed inside the server", CODE_FAILED))
        else:
            if content is not None:
                request.answer(content)

    # ---- tool calls

    def _invoke(self, request: Request) -> Outcome:
        toolkit, tool = request.text("toolkit"), request.text("tool")
        name = f"{toolkit}.{tool}"
        addressed = request.optional_text("participant_id") is not None
        is_offered = name in self._offered
        is_built_in = toolkit in BUILT_IN_TOOLKITS and not addressed and not is_offered
        if request.name == "room.invoke_tool" and is_built_in:
            if name == _MESSAGE_STREAM:
                self._services.tools.invoke_message_stream(request)
            elif name in self._streams:
                self._open_stream(request, name, self._streams[name])
            elif name in self._tools:
                self._call_built_in(request, name, self._tools[name])
            else:
                raise NotSupported(f"not supported by this server: {name}", cure=_CURE)
            return None
        try:
            self._services.tools.invoke(request, "agent" if request.name == "agent.invoke_tool" else "room")
        except ToolNotFound as error:
            if is_offered:
                self._call_built_in(request, name, self._offered[name])
                return None
            if toolkit in REFUSED_TOOLKITS and not addressed:
                raise NotSupported(f"not supported by this server: {name}", cure=_CURE) from error
            known = [one.partition(".")[2] for one in self._offered if one.startswith(f"{toolkit}.")]
            if known and not addressed and not self._live.registry.offers(toolkit):
                raise no_tool(toolkit, tool, known) from error
            raise
        return None

    def _call_built_in(self, request: Request, name: str, handler: Handler) -> None:
        arguments = request.arguments.get("arguments")
        if request.name == "agent.invoke_tool" and request.optional_text("tool_call_id") is None:
            arguments = {"type": "json", "json": arguments or {}}  # older clients send them bare
        content = EmptyContent() if arguments is None else from_header(arguments, request.data)
        if isinstance(content, BinaryContent) and name in _TAKE_BYTES:
            taken = Request(request.peer, request.id, name, content.headers, content.data, is_tool=True)
            self._guard(taken, handler)
            return
        given = content.json if isinstance(content, JsonContent) else {}
        if not isinstance(content, JsonContent | EmptyContent) or not isinstance(given, dict):
            raise InvalidRequest(f"{name} takes a JSON object")
        self._guard(Request(request.peer, request.id, name, given, is_tool=True), handler)

    def _open_stream(self, request: Request, name: str, handler: StreamHandler) -> None:
        arguments = request.arguments.get("arguments")
        if from_header(arguments) != ControlContent("open"):
            raise InvalidRequest(f"{name} is called as a stream")
        tool_call_id = request.text("tool_call_id")
        key = (request.peer.id, tool_call_id)
        if key in self._running:
            raise InvalidRequest("this tool_call_id is in use")
        if sum(1 for owner, _ in self._running if owner == key[0]) >= self._live.limits.max_pending_requests:
            raise RoomFull("too many streams are open")
        named = Request(request.peer, request.id, name, request.arguments, is_tool=True)
        stream = ServerStream(named, tool_call_id, max_bytes=2 * self._live.limits.max_message_bytes)
        # Chunks may come right behind the call, so the stream is there before anything else is read.
        self._running[key] = stream
        self._live.spawn(request.peer, self._run_stream(key, stream, handler))

    async def _run_stream(self, key: tuple[str, str], stream: ServerStream, handler: StreamHandler) -> None:
        try:
            await handler(stream)
        except RuntimeServiceError as error:
            stream.fail(error)
        except OSError as error:
            log.warning("room.stream_failed", tool=stream.name, error=str(error))
            stream.fail(RoomError(f"{stream.name} failed: {error.strerror}"))
        except Exception:
            log.exception("room.stream_failed", tool=stream.name)
            stream.fail(RoomError(f"{stream.name} failed inside the server"))
        else:
            stream.finish()
        finally:
            self._running.pop(key, None)
            stream.let_go()

    def _request_chunk(self, peer: Peer, message: Message) -> None:
        stream = self._running.get((peer.id, str(message.header.get("tool_call_id"))))
        if stream is None:
            self._services.tools.request_chunk(peer, message)
            return
        try:
            stream.feed(from_header(message.header.get("chunk"), message.data), peer.arriving_bytes)
        except RemoteProtocolError as error:
            stream.fail(error)


def _refuse(request: Request) -> Outcome:
    raise NotSupported(f"not supported by this server: {request.name[:200]}", cure=_CURE)
