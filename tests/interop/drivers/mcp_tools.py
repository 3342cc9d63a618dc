"""MCP servers of the package `mcp`, one a transport, and a client of the room which calls their tools."""

import asyncio

from mcp.server.fastmcp import Context, FastMCP
from sdk import call_tool, failure, join, run


def wiki(port):
    server = FastMCP("wiki", host="127.0.0.1", port=port, log_level="WARNING")

    @server.tool()
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    @server.tool()
    async def grow(ctx: Context) -> str:
        """Has another."""
        server.add_tool(lambda text: text, name="say", description="Says it.")
        await ctx.session.send_tool_list_changed()
        return "grown"

    return server


async def tools(room, label, count):
    async with asyncio.timeout(60):
        while True:
            kits = [kit for kit in await room.agents.list_toolkits() if kit.name == label]
            found = {tool.name: tool.description for kit in kits for tool in kit.tools}
            if len(found) == count:
                return found
            await asyncio.sleep(0.1)


async def used(room, label):
    return {
        "first": await tools(room, label, 2),
        "three": (await call_tool(room, label, "add", {"a": 1, "b": 2})).json,
        "wrong": await failure(call_tool(room, label, "add", {"a": "x", "b": 2})),
        "said": (await call_tool(room, label, "grow", {})).json,
        "grown": await tools(room, label, 3),
    }


async def main(work):
    newer, older = (wiki(port) for port in work["ports"])
    serving = [
        asyncio.create_task(newer.run_streamable_http_async()),
        asyncio.create_task(older.run_sse_async()),
    ]
    async with join(work["url"], work["token"]) as room:
        found = [await used(room, label) for label in ("mcp", "sse")]
    for one in serving:
        one.cancel()
    await asyncio.gather(*serving, return_exceptions=True)
    return found


run(main)
