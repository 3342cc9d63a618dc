"""MCP as far as a room needs it: messages, the events that carry them, tools and what they answer."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from runtime.errors import RemoteProtocolError, ToolFailed
from runtime.wire.content import Content, FileContent, JsonContent, TextContent

OFFERED: Final = "2025-06-18"
SPOKEN: Final = ("2024-11-05", "2025-03-26", OFFERED, "2025-11-25")
"""Releases of the protocol that begin with ``initialize``."""

TOOLS_CHANGED: Final = "notifications/tools/list_changed"
ENDPOINT: Final = "endpoint"
"""The kind of event by which a server of the older transport says where messages go."""

MAX_NAME_CHARS: Final = 128
MAX_TEXT_CHARS: Final = 4_000
"""Of a tool's description; the rest is cut off."""
MAX_ERROR_CHARS: Final = 1_000

_LINE_END: Final = re.compile(rb"\r\n|\n|\r(?!\Z)")


class McpTool(msgspec.Struct, frozen=True):
    """One tool as its server describes it.

    Attributes:
        changes_nothing: Its server says so.
    """

    name: str
    title: str
    description: str
    schema: dict[str, Any]
    changes_nothing: bool


class Event(NamedTuple):
    """One event of a stream; most are of kind ``message``."""

    kind: str
    data: bytes


class Events:
    """A ``text/event-stream`` that is read piece by piece.

    Attributes:
        held_bytes: How much of an event is there that has not ended, its empty lines included.
    """

    def __init__(self) -> None:
        self.held_bytes = 0
        self._line = bytearray()
        self._data = bytearray()
        self._kind = b""

    def take(self, piece: bytes) -> list[Event]:
        """The events that end in this piece; those that say nothing are left out."""
        # What began without an end is looked through once, however many pieces it comes in.
        is_more = b"\n" not in piece and b"\r" not in piece and not self._line.endswith(b"\r")
        self._line += piece
        self.held_bytes += len(piece)
        if is_more:
            return []
        *lines, rest = _LINE_END.split(self._line)
        self._line, said = bytearray(rest), []
        for line in lines:
            if not line:
                if data := bytes(self._data[:-1]):
                    said.append(Event(self._kind.decode(errors="replace") or "message", data))
                self._data, self._kind = bytearray(), b""
            elif line.startswith(b"data:"):
                self._data += line[5:].removeprefix(b" ") + b"\n"
            elif line.startswith(b"event:"):
                self._kind = line[6:].removeprefix(b" ")
        self.held_bytes = len(rest) + len(self._data) + len(self._kind)
        return said


def message(method: str, params: Mapping[str, Any], *, number: int | None = None) -> bytes:
    """A request, or without a number a notification."""
    sent: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(sent if number is None else {**sent, "id": number}).encode()


def reply(asked: Mapping[str, Any]) -> bytes:
    """What a server is answered that asks something of us: only whether we are there is answered."""
    answer: dict[str, Any] = {"jsonrpc": "2.0", "id": asked.get("id")}
    if asked.get("method") == "ping":
        return json.dumps({**answer, "result": {}}).encode()
    return json.dumps({**answer, "error": {"code": -32601, "message": "not done by this client"}}).encode()


def read(data: bytes) -> dict[str, Any]:
    """One message.

    Raises:
        RemoteProtocolError: It is none.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"what it says is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise RemoteProtocolError("what it says is no message of JSON-RPC")
    return found


def result_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What a request was answered.

    Raises:
        ToolFailed: It was refused, in the words of the server.
        RemoteProtocolError: It has no result.
    """
    if (error := answer.get("error")) is not None:
        said = error.get("message") if isinstance(error, dict) else error
        raise ToolFailed(f"the MCP server refused: {str(said)[:MAX_ERROR_CHARS]}")
    result = answer.get("result")
    if not isinstance(result, dict):
        raise RemoteProtocolError("its answer has no result")
    return result


def tools_of(result: Mapping[str, Any]) -> list[McpTool]:
    """The tools of one page.

    Raises:
        RemoteProtocolError: They are not listed as tools are.
    """
    listed = result.get("tools")
    if not isinstance(listed, list):
        raise RemoteProtocolError("its list of tools is none")
    return [_tool(one) for one in listed]


def allowed(tools: Iterable[McpTool], rules: Sequence[Mapping[str, Any]] | None) -> list[McpTool]:
    """Those that a manifest lets be used.

    Args:
        rules: Its ``allowed_tools``; None allows all.  A rule without ``read_only``, or with false, allows
            all tools that it names.
    """
    if rules is None:
        return list(tools)
    return [
        tool
        for tool in tools
        if any(
            tool.name in rule.get("tool_names", ()) and (tool.changes_nothing or not rule.get("read_only"))
            for rule in rules
        )
    ]


def content_of(result: Mapping[str, Any]) -> Content:
    """What a tool answered, as a content of the room: its JSON, its text, its one file, or else all of it.

    Raises:
        ToolFailed: It says that it failed.
        RemoteProtocolError: It is no answer of a tool.
    """
    parts = result.get("content", [])
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise RemoteProtocolError("the tool's answer has no content")
    text = "\n".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
    if result.get("isError") is True:
        raise ToolFailed(text[:MAX_ERROR_CHARS] or "the tool failed, and did not say why")
    if isinstance(structured := result.get("structuredContent"), dict):
        return JsonContent(structured)
    if all(part.get("type") == "text" for part in parts):
        return TextContent(text)
    if len(parts) == 1 and (file := _file(parts[0])) is not None:
        return file
    return JsonContent({"content": parts})


def _tool(described: Any) -> McpTool:
    name = described.get("name") if isinstance(described, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
        raise RemoteProtocolError(f"one of its tools has no name of at most {MAX_NAME_CHARS} characters")
    hints = described.get("annotations")
    hints = hints if isinstance(hints, dict) else {}
    schema = described.get("inputSchema")
    return McpTool(
        name=name,
        title=str(described.get("title") or hints.get("title") or name)[:MAX_TEXT_CHARS],
        description=str(described.get("description") or "")[:MAX_TEXT_CHARS],
        schema=schema if isinstance(schema, dict) else {"type": "object"},
        changes_nothing=hints.get("readOnlyHint") is True,
    )


def _file(part: Mapping[str, Any]) -> FileContent | None:
    """An image, a sound, or what a resource has, if it is there whole."""
    resource = part.get("resource")
    holder = resource if part.get("type") == "resource" and isinstance(resource, dict) else part
    encoded = holder.get("blob", holder.get("data"))
    if not isinstance(encoded, str):
        return None
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise RemoteProtocolError("a file of the tool's answer is not in base64") from None
    name = str(holder.get("uri") or part.get("type")).rsplit("/", 1)[-1]
    return FileContent(name, str(holder.get("mimeType") or "application/octet-stream"), data)
