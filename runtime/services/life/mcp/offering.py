"""The tools of MCP servers as toolkits of rooms: a participant of ours for each, which hosts them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from runtime.errors import RoomError, RuntimeServiceError
from runtime.logs import get_logger
from runtime.services.life.mcp.hosting import HostedToolkit, Port
from runtime.services.life.mcp.http import MakeClient
from runtime.services.life.mcp.server import McpServer
from runtime.services.terms import Tell
from runtime.tasks import Tasks
from runtime.wire.internet.mcp import McpTool, allowed

MAX_TOOLS: Final = 128
AGAIN_S: Final = 1.0
"""Between two looks at what a server has that says again and again that this has changed."""
_log = get_logger("mcp")


class ToolOffers:
    """A `runtime.services.life.means.OfferTools`.  Runs in: the front's event loop.

    Args:
        enter: A way into a room of this server, by its name and a token.
        client: What asks MCP servers.
    """

    def __init__(self, enter: Callable[[str, str], Port], client: MakeClient) -> None:
        self._enter, self._client = enter, client

    async def __call__(
        self,
        url: str,
        endpoint: Mapping[str, Any],
        *,
        room: str,
        token: str,
        is_near: bool,
        tell: Callable[[Tell], None],
    ) -> ToolOffer:
        """Enter the room and offer there what the server has, as long as it is there and as it changes.

        Raises:
            RoomError: The server cannot be reached, has too many tools or none that may be used; or the room
                takes nobody in.
        """
        changed = asyncio.Event()
        server = McpServer(
            url, endpoint.get("headers", {}), is_near=is_near, client=self._client, changed=changed.set
        )
        async with AsyncExitStack() as opened:
            opened.push_async_callback(server.aclose)
            await server.open()
            described = await _toolkit(server, endpoint, room)
            hosted = HostedToolkit(self._enter(room, token), described, server.call)
            opened.push_async_callback(hosted.aclose)
            await hosted.start()
            tasks = Tasks(_log, "mcp.failed")
            opened.push_async_callback(tasks.aclose)
            tasks.spawn(_follow(server, hosted, endpoint, room, changed, tell), "mcp:follow")
            return ToolOffer(opened.pop_all())


class ToolOffer:
    """A `runtime.services.life.means.Offer`."""

    def __init__(self, opened: AsyncExitStack) -> None:
        self._opened = opened

    async def aclose(self) -> None:
        """Take the tools away; again: nothing."""
        await self._opened.aclose()


async def _follow(
    server: McpServer,
    hosted: HostedToolkit,
    endpoint: Mapping[str, Any],
    room: str,
    changed: asyncio.Event,
    tell: Callable[[Tell], None],
) -> None:
    """Offer what the server has by now whenever it says that this has changed."""
    label, failed = endpoint["label"], ""
    while True:
        await changed.wait()
        changed.clear()
        try:
            described = await _toolkit(server, endpoint, room)
            if described != hosted.described:
                await hosted.change(described)
                tell(Tell("ToolsChanged", f"{label} has {', '.join(described['tools'])}"))
            failed = ""
        except RuntimeServiceError as error:
            if failed != (failed := str(error)):
                tell(Tell("ToolsNotChanged", f"{label} stays as it was: {failed}", is_warning=True))
        await asyncio.sleep(AGAIN_S)


async def _toolkit(server: McpServer, endpoint: Mapping[str, Any], room: str) -> dict[str, Any]:
    """The toolkit as it is registered."""
    listed = await server.tools()
    # In a thread: a hundred schemas are looked at.
    tools = await asyncio.to_thread(_fitting, listed, endpoint, room)
    label = endpoint["label"]
    return {
        "name": label,
        "title": label,
        "description": endpoint.get("description", ""),
        "public": True,
        "cancellable": True,
        "tools": {tool.name: _described(tool) for tool in tools},
    }


def _described(tool: McpTool) -> dict[str, Any]:
    """A tool as every release of clients reads it; that it takes contents tells the room ours of it."""
    return {
        "title": tool.title,
        "description": tool.description,
        "input_schema": tool.schema,
        "input_spec": {"types": ["json"], "stream": False, "schema": tool.schema},
        "output_spec": None,
        "defs": tool.schema.get("$defs"),
        "strict": False,
    }


def _fitting(listed: list[McpTool], endpoint: Mapping[str, Any], room: str) -> list[McpTool]:
    found = {tool.name: tool for tool in allowed(listed, endpoint.get("allowed_tools"))}
    if len(found) > MAX_TOOLS:
        raise RoomError(
            f"the MCP server has {len(found)} tools, and a toolkit at most {MAX_TOOLS}",
            cure="Name those that are wanted in mcp.allowed_tools.",
        )
    fitting = []
    for tool in found.values():
        if error := _wrong(tool.schema):
            _log.warning("mcp.tool_left_out", room=room, tool=tool.name, error=error)
        else:
            fitting.append(tool)
    if not fitting:
        had = ", ".join(tool.name for tool in listed)[:300] or "none"
        cure = "Look at mcp.allowed_tools."
        named = {name for rule in endpoint.get("allowed_tools") or () for name in rule.get("tool_names", ())}
        if not found and any(tool.name in named for tool in listed):
            cure = "It says of none that is named that it changes nothing: leave read_only out to allow them."
        raise RoomError(f"no tool of the MCP server may be used; it has {had}", cure=cure)
    return fitting


def _wrong(schema: Mapping[str, Any]) -> str:
    """Why nobody could call a tool with this schema; empty when it is one."""
    # Imported where it is wanted: most servers have no MCP server beside them.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"its schema is none: at {error.json_path}: {error.message[:300]}"
    except RecursionError:
        return "its schema is nested too deeply"
    return ""
