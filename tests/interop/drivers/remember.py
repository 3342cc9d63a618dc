"""The SDK's own toolkit of memories, over the memory of a room."""

from meshagent.tools import ToolContext
from meshagent.tools.memories import MemoriesToolkit
from sdk import join, run


async def main(work):
    async with join(work["url"], work["ada"]) as ada:
        toolkit = MemoriesToolkit(memory_name="graph")
        context = ToolContext(room=ada, caller=ada.local_participant)

        async def use(name, **given):
            (tool,) = [one for one in toolkit.tools if one.name == name]
            result = await tool.execute(context, **given)
            return result if isinstance(result, dict) else result.json

        assert await use("get_recent_memories") == {"memories": []}
        added = await use("add_memory", memory="Ada likes the sea at noon.")
        found = await use("search_memories", query="what does Ada like?")
        (one,) = found["memories"]
        assert one["entity_id"] == added["primary_entity_id"]
        assert one["memory"] == "Ada likes the sea at noon."
        recent = await use("get_recent_memories")
        assert [each["entity_id"] for each in recent["memories"]] == [one["entity_id"]]
        assert (await use("get_entity", entity_id=one["entity_id"]))["entity"]["memory"] == one["memory"]
        assert (await use("get_recent_relationships", entity_id=one["entity_id"]))["relationships"] == []
        await use("delete_entity", entity_id=one["entity_id"])
        assert (await use("search_memories", query="sea"))["memories"] == []
        names = [each.name for each in toolkit.tools]
        assert await ada.memory.list() == ["graph"]
        details = await ada.memory.inspect(name="graph")
        assert details.datasets[0].rows == 0
        return {"tools": names}


run(main)
