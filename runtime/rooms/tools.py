"""Toolkits of participants: registering, listing, and relaying calls and streams between dialects.

A call in progress is known by its host and the id of the message that carried it there: the host answers
under that id.  Request chunks are known by the caller and the caller's own ``tool_call_id``.  A caller speaks
contents when its request has a ``tool_call_id``; a host, when it registered tools with an ``input_spec``.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from runtime.errors import Conflict, InvalidRequest, NotFound, PermissionDenied, RemoteProtocolError, RoomFull
from runtime.rooms.connection import Peer
from runtime.rooms.developer.runs import Runs
from runtime.rooms.live import LiveRoom
from runtime.rooms.registry import Spelling
from runtime.rooms.request import Handlers, Outcome, Request, error_content
from runtime.rooms.room import ParticipantId
from runtime.wire.content import (
    CODE_FAILED,
    CODE_NOT_FOUND,
    ControlContent,
    EmptyContent,
    ErrorContent,
    JsonContent,
    from_header,
)
from runtime.wire.room import Message


class _Call(msgspec.Struct):
    caller: Peer
    request_id: int
    caller_id: str  # the tool_call_id that the caller chose, or one made for it
    caller_spelling: Spelling
    streams: bool  # the caller can take a streamed answer
    host: Peer
    push_id: int
    toolkit: str
    host_spelling: Spelling
    is_open: bool = False  # the host has answered `open` and sends chunks
    input_open: bool = False  # the caller still sends chunks
    acknowledge: bool = False  # a message stream: its opening is acknowledged by a chunk
    run: str = ""
    is_cancellable: bool = False  # the host asked to be told when nobody waits any more


class Tools:
    """Requests about toolkits, spelled ``agent.…`` or ``room.…``, and the messages of calls in progress.

    Args:
        built_in: Listings, by name, of toolkits that the room itself offers.
    """

    def __init__(self, live: LiveRoom, runs: Runs, *, built_in: Mapping[str, Any]) -> None:
        self._live = live
        self._runs = runs
        self._built_in = built_in
        self._by_host: dict[tuple[ParticipantId, int], _Call] = {}
        self._by_caller: dict[tuple[ParticipantId, str], _Call] = {}
        self._unaddressed: dict[tuple[ParticipantId, str], Request] = {}

    def requests(self) -> Handlers:
        """Both spellings, except the calls themselves, which the dispatcher hands to `invoke`."""
        return {
            "agent.register_toolkit": lambda request: self._register(request, "agent"),
            "room.register_toolkit": lambda request: self._register(request, "room"),
            "agent.unregister_toolkit": self._unregister,
            "room.unregister_toolkit": self._unregister,
            "agent.list_toolkits": self._list,
            "room.list_toolkits": self._list,
        }

    def invoke(self, request: Request, spelling: Spelling) -> None:
        """Relay a call to its host.  Deferred: the host's answer is the answer."""
        caller = request.peer
        toolkit, tool = request.text("toolkit"), request.text("tool")
        if not caller.participant.claims.allows_toolkit(toolkit):
            raise PermissionDenied(f"the token does not allow calling toolkit {toolkit!r}")
        target = request.optional_text("participant_id")
        kit = self._live.registry.host(toolkit, tool, participant_id=target)
        host = self._live.peers[kit.owner]
        tool_call_id = request.optional_text("tool_call_id")
        arguments = _bridge(
            request.arguments.get("arguments"),
            from_content=tool_call_id is not None,
            to_content=kit.takes_content,
        )
        call = self._begin(
            request,
            spelling,
            tool_call_id,
            host,
            toolkit=toolkit,
            host_spelling=kit.spelling,
            input_open=_is_open_control(arguments),
        )
        call.is_cancellable = kit.is_cancellable
        call.run = self._runs.begin("tool", caller, host, name=toolkit, tool=tool, input=arguments)
        header = {
            "name": tool,
            "arguments": arguments,
            "caller_id": caller.id,
            "on_behalf_of_id": request.optional_text("on_behalf_of_id"),
            "caller_context": request.arguments.get("caller_context"),
            "tool_call_id": call.caller_id,
        }
        self._push_call(call, header, request.data)
        self._live.emit("tool_called", caller, toolkit=toolkit, tool=tool, host=host.participant.name)

    def invoke_message_stream(self, request: Request) -> None:
        """``messaging.stream``: a streamed call whose first chunk names the participant it goes to."""
        if not request.peer.participant.claims.allows_messaging("send"):
            raise PermissionDenied("the token does not allow sending messages")
        key = (request.peer.id, request.text("tool_call_id"))
        if key in self._unaddressed or key in self._by_caller:
            raise Conflict("this tool_call_id is in use")
        if len(self._unaddressed) >= self._live.limits.max_pending_requests:
            raise RoomFull("too many message streams are opening")
        self._unaddressed[key] = request.remembered()

    def request_chunk(self, peer: Peer, message: Message) -> bool:
        """Take a caller's chunk; False when it belongs to no call that is relayed."""
        key = (peer.id, str(message.header.get("tool_call_id")))
        opening = self._unaddressed.pop(key, None)
        if opening is not None:
            try:
                self._address(opening, key[1], message)
            except (InvalidRequest, NotFound, Conflict, RoomFull) as error:
                opening.fail(error)
            return True
        call = self._by_caller.get(key)
        if call is None:
            return False
        chunk = message.header.get("chunk")
        if isinstance(chunk, dict) and chunk.get("type") == "control" and chunk.get("method") == "close":
            call.input_open = False
        self._push_request_chunk(call, chunk, message.data)
        return True

    def response(self, host: Peer, message: Message) -> None:
        """Take a host's answer and forward it unchanged."""
        call = self._by_host.get((host.id, message.id))
        if call is None or call.is_open:
            return  # the caller has gone, or the host answered twice
        header = message.header
        if _is_open_control(header):
            if not call.streams:
                text = f"toolkit {call.toolkit!r} streams its result"
                self._end(call, error=text)
                call.caller.respond(call.request_id, ErrorContent(text, CODE_FAILED))
                return
            call.is_open = True
            call.caller.respond_raw(call.request_id, header, message.data)
            if call.acknowledge:
                accepted = JsonContent({"kind": "accepted", "stream_id": call.caller_id})
                self._push_response_chunk(call, accepted.to_header(), b"")
            return
        if not isinstance(header.get("type"), str):
            text = "the tool's answer cannot be read"
            self._end(call, error=text)
            call.caller.respond(call.request_id, ErrorContent(text, CODE_FAILED))
            return
        error = str(header.get("text")) if header["type"] == "error" else None
        self._end(call, result=header, error=error)
        call.caller.respond_raw(call.request_id, header, message.data)

    def response_chunk(self, host: Peer, message: Message) -> None:
        """Take a chunk of a streamed answer and forward it."""
        call = self._by_host.get((host.id, message.id)) or self._stream_of(host, message)
        if call is None or not call.is_open:
            return
        chunk = message.header.get("chunk")
        self._push_response_chunk(call, chunk, message.data)
        if isinstance(chunk, dict) and chunk.get("type") == "control" and chunk.get("method") == "close":
            self._end(call, result={"type": "stream"})

    def leave(self, peer: Peer) -> None:
        """End every call of a participant that has gone: callers get an error, hosts the end of the input."""
        for key in [key for key in self._unaddressed if key[0] == peer.id]:
            del self._unaddressed[key]
        for call in list(self._by_host.values()):
            if call.host is peer:
                gone = NotFound(f"the host of toolkit {call.toolkit!r} has left the room")
                self._end(call, error=str(gone))
                if call.is_open:
                    end = ControlContent("close", CODE_FAILED, str(gone))
                    self._push_response_chunk(call, end.to_header(), b"")
                else:
                    call.caller.respond(call.request_id, error_content(gone))
            elif call.caller is peer:
                why = "whoever called has left the room"
                self._end(call, error=why)
                self._tell_cancelled(call, why)
                if call.input_open:
                    end = ControlContent("close", CODE_NOT_FOUND, "the caller has left the room")
                    self._push_request_chunk(call, end.to_header(), b"")

    def cancel(self, caller: Peer, request_id: object) -> None:
        """The caller does not wait for the answer any more.  One that is answered already goes on."""
        for call in list(self._by_host.values()):
            if call.caller is caller and call.request_id == request_id and not call.is_open:
                why = "whoever called does not wait any more"
                self._end(call, error=why)
                self._tell_cancelled(call, why)

    def _tell_cancelled(self, call: _Call, why: str) -> None:
        if call.is_cancellable:
            kind = f"{call.host_spelling}.cancel_tool_call.{call.toolkit}"
            call.host.push(kind, {"tool_call_id": call.caller_id, "reason": why})

    # ---- toolkits

    def _register(self, request: Request, spelling: Spelling) -> Outcome:
        verb = "register_public_toolkit" if request.flag("public") else "register_private_toolkit"
        if not request.peer.participant.claims.allows_agents(verb):
            raise PermissionDenied(f"the token does not allow {verb}")
        toolkit = self._live.registry.add_toolkit(request.peer.id, request.arguments, spelling=spelling)
        return JsonContent({"id": toolkit.id})

    def _unregister(self, request: Request) -> Outcome:
        self._live.registry.remove(request.peer.id, request.text("id"))
        return EmptyContent()

    def _list(self, request: Request) -> Outcome:
        if not request.peer.participant.claims.allows_agents("use_tools"):
            raise PermissionDenied("the token does not allow using tools")
        target, name = request.optional_text("participant_id"), request.optional_text("participant_name")
        only = None if name is None else {member.id for member in self._live.members.named(name)}
        listed = self._live.registry.listing(participant_id=target, only=only)
        return JsonContent({"tools": listed if only is not None else {**self._built_in, **listed}})

    # ---- calls

    def _begin(
        self,
        request: Request,
        spelling: Spelling,
        tool_call_id: str | None,
        host: Peer,
        *,
        toolkit: str,
        host_spelling: Spelling,
        input_open: bool,
    ) -> _Call:
        caller = request.peer
        mine = sum(1 for call in self._by_host.values() if call.caller is caller)
        if mine >= self._live.limits.max_pending_requests:
            raise RoomFull(f"more than {self._live.limits.max_pending_requests} calls in progress")
        chosen = tool_call_id or uuid.uuid4().hex
        if (caller.id, chosen) in self._by_caller or any(
            call.host is host and call.caller_id == chosen for call in self._by_host.values()
        ):
            raise Conflict("this tool_call_id is in use")
        call = _Call(
            caller=caller,
            request_id=request.id,
            caller_id=chosen,
            caller_spelling=spelling,
            streams=tool_call_id is not None,
            host=host,
            push_id=host.outbox.next_id(),
            toolkit=toolkit,
            host_spelling=host_spelling,
            input_open=input_open,
        )
        self._by_host[(host.id, call.push_id)] = call
        self._by_caller[(caller.id, chosen)] = call
        return call

    def _address(self, request: Request, tool_call_id: str, message: Message) -> None:
        try:
            first = from_header(message.header.get("chunk"), message.data)
        except RemoteProtocolError as error:
            raise InvalidRequest("the first chunk of a message stream cannot be read") from error
        if not isinstance(first, JsonContent) or not isinstance(first.json, dict):
            raise InvalidRequest("the first chunk of a message stream is JSON and names the recipient")
        recipient = self._live.members.get(first.json.get("to_participant_id"))
        if recipient is None:
            raise NotFound("the recipient is not in the room")
        host = self._live.peers[recipient.id]
        call = self._begin(
            request, "room", tool_call_id, host, toolkit="messaging", host_spelling="room", input_open=True
        )
        call.acknowledge = True
        header = {
            "name": "stream",
            "arguments": ControlContent("open").to_header(),
            "caller_id": request.peer.id,
            "tool_call_id": tool_call_id,
        }
        self._push_call(call, header, b"")
        told = JsonContent({**first.json, "from_participant_id": request.peer.id})
        self._push_request_chunk(call, told.to_header(), b"")

    def _stream_of(self, host: Peer, message: Message) -> _Call | None:
        wanted = message.header.get("tool_call_id")
        for call in self._by_host.values():
            if call.host is host and call.caller_id == wanted:
                return call
        return None

    def _push_call(self, call: _Call, header: dict[str, Any], data: bytes) -> None:
        kind = f"{call.host_spelling}.tool_call.{call.toolkit}"
        call.host.outbox.put(Message(call.push_id, kind, header, data))

    def _push_request_chunk(self, call: _Call, chunk: object, data: bytes) -> None:
        kind = f"{call.host_spelling}.tool_call_request_chunk.{call.toolkit}"
        call.host.push(kind, {"tool_call_id": call.caller_id, "chunk": chunk}, data)

    def _push_response_chunk(self, call: _Call, chunk: object, data: bytes) -> None:
        kind = f"{call.caller_spelling}.tool_call_response_chunk"
        call.caller.push(kind, {"tool_call_id": call.caller_id, "chunk": chunk}, data)

    def _end(self, call: _Call, *, result: object = None, error: str | None = None) -> None:
        if call.run:
            self._runs.end(call.run, call.caller, result=result, error=error)
        self._by_host.pop((call.host.id, call.push_id), None)
        self._by_caller.pop((call.caller.id, call.caller_id), None)


def _is_open_control(header: object) -> bool:
    return isinstance(header, dict) and header.get("type") == "control" and header.get("method") == "open"


def _bridge(arguments: object, *, from_content: bool, to_content: bool) -> Any:
    """Arguments as the host expects them."""
    if from_content == to_content:
        return {} if arguments is None and not to_content else arguments
    if to_content:
        return {"type": "json", "json": {} if arguments is None else arguments}
    kind: Literal["json", "empty"] | object = arguments.get("type") if isinstance(arguments, dict) else None
    if kind == "json" and isinstance(arguments, dict):
        return arguments.get("json")
    if kind == "empty":
        return {}
    raise InvalidRequest("this tool is hosted by an older client, which takes JSON arguments only")
