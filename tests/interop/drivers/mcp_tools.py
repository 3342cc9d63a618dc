"""An MCP server by the package of that name, and a client of the room which calls its tools."""

import asyncio

from mcp.server.fastmcp import FastMCP
from sdk import call_tool, failure, join, run


async def main(work):
    server = FastMCP("wiki", host="127.0.0.1", port=work["port"], log_level="WARNING")

    @server.tool()
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    serving = asyncio.create_task(server.run_streamable_http_async())
    async with join(work["url"], work["token"]) as room:
        async with asyncio.timeout(60):
            while not (kits := [kit for kit in await room.agents.list_toolkits() if kit.name == "wiki"]):
                await asyncio.sleep(0.1)
        (tool,) = kits[0].tools
        three = await call_tool(room, "wiki", "add", {"a": 1, "b": 2})
        wrong = await failure(call_tool(room, "wiki", "add", {"a": "x", "b": 2}))
        found = {"tool": [tool.name, tool.description], "three": three.json, "wrong": wrong}
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    return found


run(main)
