"""Flow b: a TaskRunner answers, answers twenty at once, fails, and is missed."""

import asyncio

from meshagent.agents import TaskRunner
from sdk import call_tool, failure, join, run

NUMBER = {"type": "number"}
NUMBERS = {
    "type": "object",
    "additionalProperties": False,
    "required": ["a", "b"],
    "properties": {"a": NUMBER, "b": NUMBER},
}
SUM = {"type": "object", "additionalProperties": False, "required": ["sum"], "properties": {"sum": NUMBER}}


class Adder(TaskRunner):
    def __init__(self):
        super().__init__(name="adder", input_schema=NUMBERS, output_schema=SUM)

    async def ask(self, *, context, arguments, attachment=None):
        if arguments["a"] < 0:
            raise ValueError("no negative numbers here")
        return {"sum": arguments["a"] + arguments["b"]}


async def ask(room, name, arguments):
    if not hasattr(room.agents, "ask"):
        answer = await call_tool(room, name, f"run_{name}_task", arguments)
    else:
        answer = await room.agents.ask(agent=name, arguments=arguments)
    return answer.json


async def main(work):
    async with join(work["url"], work["ada"]) as ada, join(work["url"], work["adder"]) as host:
        agent = Adder()
        await agent.start(room=host)
        assert await ask(ada, "adder", {"a": 2, "b": 40}) == {"sum": 42}
        answers = await asyncio.gather(*(ask(ada, "adder", {"a": n, "b": n}) for n in range(20)))
        assert [answer["sum"] for answer in answers] == [2 * n for n in range(20)]
        assert "no negative numbers" in await failure(ask(ada, "adder", {"a": -1, "b": 1}))
        assert await ask(ada, "adder", {"a": 1, "b": 1}) == {"sum": 2}
        assert "nobody" in await failure(ask(ada, "nobody", {"a": 1, "b": 1}))
        if hasattr(ada.agents, "ask"):
            assert [one.name for one in await ada.agents.list_agents()] == ["adder"]
        await agent.stop()
        assert await failure(ask(ada, "adder", {"a": 2, "b": 40}))


if __name__ == "__main__":
    run(main)
