"""Tools of MCP servers as toolkits of a room; by a server written here (a real one is asked in interop)."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from runtime.services.life.mcp import offering, server
from runtime.wire.content import CODE_FAILED
from tests.front.operator.room.test_services import LAB, House
from tests.patience import PATIENCE
from tests.rooms.conftest import RoomError

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
TOOLS: list[dict[str, Any]] = [
    {"name": "say", "description": "Says it.", "inputSchema": TEXT, "annotations": {"readOnlyHint": True}},
    {"name": "add", "inputSchema": {"type": "object"}},
    {"name": "draw", "inputSchema": {"type": "object"}},
    {"name": "wait", "inputSchema": {"type": "object"}},
    {"name": "broken", "inputSchema": {"type": 7}},
]
PICTURE = b"\x89PNG"


class McpHere:
    """A small MCP server, in this process; what it was sent, and how it is to behave."""

    def __init__(self) -> None:
        self.port = 0
        self.tools = list(TOOLS)
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.sessions: set[str] = set()
        self.status = 0
        self.location = ""
        self.waits = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.padding = 0
        self.is_older = False
        self.told_path = "messages?session="
        self.streams: dict[str, asyncio.StreamWriter] = {}
        self.listens = asyncio.Event()

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.seen]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.exchange(reader, writer)
        finally:
            writer.close()

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        verb = head[0].split()[0]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        asked = json.loads(body or b"{}")
        self.seen.append((asked.get("method", verb), headers))
        path = head[0].split()[1]
        if verb == "GET" and (self.is_older or headers.get("mcp-session-id") in self.sessions):
            await self.stream(reader, writer, headers)
            return
        if self.is_older and path != "/mcp":
            await self.older(asked, path.rpartition("=")[2], writer)
            return
        status, kind, told, more = await self.answer(verb, asked, headers)
        lines = f"HTTP/1.1 {status} so\r\nContent-Type: {kind}\r\nConnection: close\r\n{more}\r\n"
        writer.write(lines.encode() + told)
        await writer.drain()

    async def answer(
        self, verb: str, asked: dict[str, Any], headers: dict[str, str]
    ) -> tuple[int, str, bytes, str]:
        session = headers.get("mcp-session-id", "")
        if self.is_older:
            return 405, "text/plain", b"", "Allow: GET\r\n"
        if self.status:
            return self.status, "text/plain", b"no", f"Location: {self.location}\r\n"
        if verb == "DELETE":
            self.sessions.discard(session)
            return 200, "text/plain", b"", ""
        if verb == "GET":
            return 404, "text/plain", b"", ""
        method, params = asked["method"], asked.get("params", {})
        more = ""
        if method == "initialize":
            session = f"s{len(self.seen)}"
            self.sessions.add(session)
            more = f"Mcp-Session-Id: {session}\r\n"
        elif session not in self.sessions:
            return 404, "application/json", b"{}", ""
        if "id" not in asked:
            if method == "notifications/cancelled":
                self.cancelled.set()
            return 202, "text/plain", b"", ""
        answer = {"jsonrpc": "2.0", "id": asked["id"], **await self.done(method, params)}
        if method == "tools/call" and params["name"] != "add":
            # As events, after one that primes and one that tells how far it is.
            progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}}
            events = ["", json.dumps(progress), json.dumps(answer)]
            said = "".join(f"id: {at}\r\ndata: {data}\r\n\r\n" for at, data in enumerate(events))
            return 200, "text/event-stream", said.encode() + b" " * self.padding, more
        return 200, "application/json", json.dumps(answer).encode(), more

    async def stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: dict[str, str]
    ) -> None:
        """What it says by itself, until one of both ends it; all it says, of the older kind."""
        writer.write(
            b"HTTP/1.1 200 so\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: hello\n\n"
        )
        session = headers.get("mcp-session-id") or f"s{len(self.seen)}"
        self.sessions.add(session)
        if self.is_older:
            writer.write(f"event: endpoint\ndata: {self.told_path}{session}\n\n".encode())
        self.streams[session] = writer
        self.listens.set()
        try:
            await reader.read()
        finally:
            del self.streams[session]
            self.sessions.discard(session)

    async def older(self, asked: dict[str, Any], session: str, writer: asyncio.StreamWriter) -> None:
        writer.write(
            f"HTTP/1.1 {202 if session in self.streams else 404} so\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()
        if "id" in asked and session in self.streams:
            self.say({"id": asked["id"], **await self.done(asked["method"], asked.get("params", {}))})

    def say(self, said: dict[str, Any]) -> None:
        """To all who listen."""
        for writer in self.streams.values():
            writer.write(f"event: message\ndata: {json.dumps({'jsonrpc': '2.0', **said})}\n\n".encode())

    async def done(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "initialize":
            return {"result": {"protocolVersion": "2025-03-26", "capabilities": {"tools": {}}}}
        if method == "tools/list":
            at = int(params.get("cursor", 0))
            following = {"nextCursor": str(at + 2)} if at + 2 < len(self.tools) else {}
            return {"result": {"tools": self.tools[at : at + 2], **following}}
        arguments = params["arguments"]
        match params["name"]:
            case "say" if "text" not in arguments:
                return {"result": {"isError": True, "content": [{"type": "text", "text": "say what?"}]}}
            case "say":
                return {"result": {"content": [{"type": "text", "text": arguments["text"]}]}}
            case "add":
                return {"result": {"content": [], "structuredContent": {"sum": sum(arguments["numbers"])}}}
            case "draw":
                data = base64.b64encode(PICTURE).decode()
                return {"result": {"content": [{"type": "image", "data": data, "mimeType": "image/png"}]}}
            case "wait":
                self.waits.set()
                await asyncio.Event().wait()
        return {"error": {"code": -32602, "message": "no such tool"}}


@asynccontextmanager
async def listening(here: McpHere) -> AsyncIterator[None]:
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(here.serve(reader, writer)))

    listener = await asyncio.start_server(connected, "127.0.0.1", here.port)
    here.port = listener.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def wiki(port: int, path: str = "/mcp", **mcp: Any) -> dict[str, Any]:
    endpoint = {"path": path, "mcp": {"label": "wiki", "description": "Looks things up.", **mcp}}
    return {
        "version": "v1",
        "kind": "Service",
        "metadata": {"name": "wiki"},
        "ports": [{"num": port, "endpoints": [endpoint]}],
        "external": {"url": "http://127.0.0.1"},
    }


@asynccontextmanager
async def lab(serving: Any) -> AsyncIterator[House]:
    async with serving(rooms={"linger_s": 0.1}) as site:
        yield House(site)


async def told(house: House, service_id: str, reason: str) -> str:
    """What the newest event of that kind says, once there is one."""

    def found(seen: dict[str, Any]) -> list[str]:
        return [one["message"] for one in seen["events"] if one["reason"] == reason]

    return found(await house.until(service_id, lambda seen: bool(found(seen))))[-1]


async def call(client: Any, tool: str, arguments: dict[str, Any]) -> Any:
    return await client.ask("agent.invoke_tool", {"toolkit": "wiki", "tool": tool, "arguments": arguments})


async def test_what_an_mcp_server_has_is_a_toolkit_of_the_room(serving: Any) -> None:
    here = McpHere()
    async with listening(here), lab(serving) as house:
        async with house.inside() as ada:
            made = await house.send("POST", LAB, wiki(here.port, headers={"X-Key": "k"}))
            assert await told(house, made["id"], "Called") == f"{here.port}/mcp"
            kit = (await ada.json("room.list_toolkits"))["tools"]["wiki"]
            assert kit["description"] == "Looks things up."
            # All pages; one whose schema is none could be called by nobody.
            assert set(kit["tools"]) == {"say", "add", "draw", "wait"}
            assert kit["tools"]["say"]["input_schema"] == TEXT
            assert (await call(ada, "say", {"text": "hé"})).header == {"type": "text", "text": "hé"}
            assert (await call(ada, "add", {"numbers": [1, 2]})).header["json"] == {"sum": 3}
            drawn = await call(ada, "draw", {})
            assert (drawn.header["mime_type"], drawn.data) == ("image/png", PICTURE)
            with pytest.raises(RoomError, match=r"say what\?"):
                await call(ada, "say", {})
            # Its session is forgotten, as by a server that was started again.
            here.sessions.clear()
            assert (await call(ada, "add", {"numbers": [4]})).header["json"] == {"sum": 4}
            # Nobody waits any more for what takes for ever.
            async with house.inside("bob") as bob:
                waiting = {"toolkit": "wiki", "tool": "wait", "arguments": {}}
                await bob.start("agent.invoke_tool", waiting)
                await here.waits.wait()
            await here.cancelled.wait()
            assert {headers.get("x-key") for _, headers in here.seen} == {"k"}
            assert {headers.get("mcp-protocol-version") for _, headers in here.seen[1:]} >= {"2025-03-26"}
            # One without it: the room's services follow a change at once.
            only = [{"tool_names": ["say", "add"], "read_only": True}]
            await house.send("PUT", f"{LAB}/{made['id']}", wiki(here.port, allowed_tools=only))
            await house.called(made["id"], revision=2)
            assert set((await ada.json("room.list_toolkits"))["tools"]["wiki"]["tools"]) == {"say"}
            assert len(here.sessions) == 1  # it took leave of the first one
        await house.ended()
        while here.sessions:  # it takes leave when its room has ended
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("is_older", [False, True])
async def test_tools_that_change_are_announced_anew(
    serving: Any, is_older: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offering, "AGAIN_S", 0.01)
    monkeypatch.setattr(server, "AGAIN_S", 0.01)
    here = McpHere()
    here.is_older = is_older
    changed = {"method": "notifications/tools/list_changed"}

    async def has(client: Any, *tools: str) -> None:
        async with asyncio.timeout(30 * PATIENCE):
            while set((await client.json("room.list_toolkits"))["tools"]["wiki"]["tools"]) != set(tools):
                await asyncio.sleep(0.01)

    async with lab(serving) as house, house.inside() as ada, AsyncExitStack() as up:
        await up.enter_async_context(listening(here))
        only = [{"tool_names": ["say", "add", "later", "last"]}]
        made = await house.send("POST", LAB, wiki(here.port, allowed_tools=only))
        await told(house, made["id"], "Called")
        await has(ada, "say", "add")
        await here.listens.wait()
        assert (await call(ada, "add", {"numbers": [1, 2]})).header["json"] == {"sum": 3}
        with pytest.raises(RoomError, match=r"say what\?"):
            await call(ada, "say", {})
        here.tools.append({"name": "later", "inputSchema": TEXT})
        here.say({"id": 7, "method": "ping"})
        here.say(changed)
        await has(ada, "say", "add", "later")
        assert await told(house, made["id"], "ToolsChanged") == "wiki has say, add, later"
        # A list that is none leaves the tools as they were, and is told of.
        here.tools.append({"name": ""})
        here.say(changed)
        assert "wiki stays as it was: " in await told(house, made["id"], "ToolsNotChanged")
        # It is started again, and has others by then, without a word.
        here.tools = [tool for tool in TOOLS if tool["name"] != "broken"] + [{"name": "last"}]
        await up.aclose()
        assert not here.sessions
        await up.enter_async_context(listening(here))
        await has(ada, "say", "add", "last")
        assert (await call(ada, "add", {"numbers": [4]})).header["json"] == {"sum": 4}
        assert house.present("wiki") == 1


async def test_what_is_wrong_with_an_mcp_server_is_told_with_its_cure(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offering, "MAX_TOOLS", 3)
    monkeypatch.setattr(server, "MAX_ANSWER_BYTES", 4096)
    here = McpHere()
    async with listening(here):
        pass  # from here on nobody listens at its port
    async with lab(serving) as house, house.inside() as ada, AsyncExitStack() as late:
        made = await house.send(
            "POST", LAB, wiki(here.port, allowed_tools=[{"tool_names": ["say"], "read_only": False}])
        )
        assert "See whether it runs" in await told(house, made["id"], "CallFailed")
        await late.enter_async_context(listening(here))
        await told(house, made["id"], "Called")  # it is called again, and again
        assert (await call(ada, "say", {"text": "late"})).header["text"] == "late"
        here.padding = 5000
        with pytest.raises(RoomError, match="its answer has more than") as large:
            await call(ada, "say", {"text": "x"})
        assert large.value.code == CODE_FAILED
        here.status = 500
        with pytest.raises(RoomError, match="answered 500"):
            await call(ada, "say", {"text": "x"})
        await house.send("DELETE", f"{LAB}/{made['id']}")
        for number, (mcp, status, reason, says) in enumerate(
            (
                ({}, 401, "CallFailed", "Give what proves who asks among the endpoint's mcp.headers"),
                ({}, 405, "CallFailed", "neither streamable HTTP is spoken there nor the older HTTP"),
                ({}, 307, "CallFailed", "Write the address it names: /elsewhere"),
                ({}, 0, "CallFailed", "has 5 tools, and a toolkit at most 3. Name those that are wanted"),
                ({"allowed_tools": [{"tool_names": ["sya"]}]}, 0, "CallFailed", "it has say, add, draw"),
                (
                    {"allowed_tools": [{"tool_names": ["add"], "read_only": True}]},
                    0,
                    "CallFailed",
                    "leave read_only out",
                ),
                ({"require_approval": "always"}, 0, "NotServed", "nobody here is asked for approval"),
                ({"openai_connector_id": "c"}, 0, "NotServed", "connectors are OpenAI's own"),
            )
        ):
            here.status, here.location = status, "/elsewhere"
            spec = wiki(here.port, **mcp) | {"metadata": {"name": f"wiki{number}"}}
            made = await house.send("POST", LAB, spec)
            assert says in await told(house, made["id"], reason)
            await house.send("DELETE", f"{LAB}/{made['id']}")
        here.status, here.is_older, here.told_path = 0, True, "http://127.0.0.2/messages?session="
        made = await house.send("POST", LAB, wiki(here.port))
        said = await told(house, made["id"], "CallFailed")
        assert "wants its messages at http://127.0.0.2/messages" in said
        assert "Have it name a path of its own" in said
