"""An agent that requires what a room has built in: a schema of documents, and the toolkit of files."""

import asyncio
import inspect

from meshagent.agents import SingleRoomAgent
from meshagent.api import RequiredSchema, RequiredToolkit
from sdk import call_tool, join, run, until


def agent():
    """With a name where the release still takes one."""
    requires = [RequiredSchema(name="document"), RequiredToolkit(name="storage")]
    given = {"requires": requires, "name": "author", "title": "Author", "description": "of a test"}
    known = inspect.signature(SingleRoomAgent.__init__).parameters
    return SingleRoomAgent(**{name: value for name, value in given.items() if name in known})


async def main(work):
    async with join(work["url"], work["ada"]) as ada, join(work["url"], work["author"]) as room:
        author = agent()
        async with asyncio.timeout(60):  # a release that has a schema called in then sleeps for five seconds
            await author.start(room=room)
        document = await room.sync.open(path="tides.document", create=True)
        heading = document.root.append_child("heading", {"text": "Tides"})
        assert heading.get_attribute("text") == "Tides"
        seen = await ada.sync.open(path="tides.document", create=False)
        await until(lambda: seen.root.get_children(), "ada sees the heading")
        await call_tool(room, "storage", "write_file", {"path": "a.txt", "text": "x", "overwrite": True})
        read = await call_tool(ada, "storage", "read_file", {"path": "a.txt"})
        assert (read.name, read.data) == ("a.txt", b"x")
        await author.stop()


run(main)
