"""Flow c: tools of a hosted toolkit are listed, called at once, answer with JSON and files, and fail."""

import asyncio

from sdk import call_tool, failure, join, run

try:
    from meshagent.api.messaging import FileContent as FileResult
except ImportError:
    from meshagent.api.messaging import FileResponse as FileResult
try:
    from meshagent.tools import FunctionTool as Tool
except ImportError:
    from meshagent.tools import Tool
try:
    from meshagent.tools.hosting import RemoteToolkit as Toolkit
except ImportError:
    from meshagent.tools import Toolkit, hosting

    # Releases 0.37 to 0.44 keep it to themselves, and offer no other way.
    start_hosted_toolkit = getattr(hosting, "start_hosted_toolkit", None) or hosting._start_hosted_toolkit
else:
    start_hosted_toolkit = None

WORDS = {
    "type": "object",
    "additionalProperties": False,
    "required": ["text", "delay_s"],
    "properties": {"text": {"type": "string"}, "delay_s": {"type": "number"}},
}
NOTHING = {"type": "object", "additionalProperties": False, "required": [], "properties": {}}
BLOB = bytes(range(256)) * 400


class Shout(Tool):
    def __init__(self):
        super().__init__(name="shout", title="Shout", description="says it louder", input_schema=WORDS)

    async def execute(self, context, *, text, delay_s):
        await asyncio.sleep(delay_s)
        if not text:
            raise ValueError("nothing to shout")
        return {"loud": text.upper()}


class Blob(Tool):
    def __init__(self):
        super().__init__(name="blob", title="Blob", description="a file", input_schema=NOTHING)

    async def execute(self, context):
        return FileResult(name="a.bin", mime_type="application/x-test", data=BLOB)


async def host(room, name, tools, *, public=True):
    toolkit = Toolkit(name=name, title=name, description="of a test", tools=tools, public=public)
    if start_hosted_toolkit is not None:
        return await start_hosted_toolkit(room=room, toolkit=toolkit)
    await toolkit.start(room=room)
    return toolkit


async def offered(room):
    """What participants offer, without the room's own toolkit."""
    return [kit for kit in await room.agents.list_toolkits() if kit.name != "storage"]


async def main(work):
    async with join(work["url"], work["ada"]) as ada, join(work["url"], work["host"]) as owner:
        hosted = await host(owner, "voice", [Shout(), Blob()])
        await host(owner, "diary", [Shout()], public=False)
        (listed,) = await offered(ada)
        assert (listed.name, sorted(tool.name for tool in listed.tools)) == ("voice", ["blob", "shout"])
        (shout,) = [tool for tool in listed.tools if tool.name == "shout"]
        assert set(shout.input_schema["properties"]) == {"text", "delay_s"}
        mine = await owner.agents.list_toolkits(participant_id=owner.local_participant.id)
        assert {"voice", "diary"} <= {one.name for one in mine}
        # The slowest is asked first; each gets its own answer.
        calls = [
            call_tool(ada, "voice", "shout", {"text": f"w{n}", "delay_s": 0.3 - n / 50}) for n in range(15)
        ]
        answers = await asyncio.gather(*calls)
        assert [answer.json["loud"] for answer in answers] == [f"W{n}" for n in range(15)]
        blob = await call_tool(ada, "voice", "blob", {})
        assert (blob.name, blob.mime_type, blob.data) == ("a.bin", "application/x-test", BLOB)
        empty = call_tool(ada, "voice", "shout", {"text": "", "delay_s": 0})
        assert "nothing to shout" in await failure(empty)
        assert "whisper" in await failure(call_tool(ada, "voice", "whisper", {}))
        assert await failure(call_tool(ada, "diary", "shout", {"text": "x", "delay_s": 0}))
        await hosted.stop()
        assert await offered(ada) == []


run(main)
