"""The adapter for Anthropic's Messages API, which asks its model by way of the room."""

from meshagent.anthropic import AnthropicMessagesAdapter
from meshagent.tools import FunctionTool, Toolkit
from sdk import join, run


class FindTide(FunctionTool):
    def __init__(self):
        super().__init__(
            name="find_tide",
            description="Find the tide of a day",
            input_schema={
                "type": "object",
                "additionalProperties": False,
                "required": ["day"],
                "properties": {"day": {"type": "string"}},
            },
        )

    async def execute(self, context, *, day):
        return {"tide": f"at noon on {day}"}


async def main(work):
    async with join(work["url"], work["ada"]) as room:
        adapter = AnthropicMessagesAdapter()
        context = adapter.create_session()
        context.append_user_message("calculate 6 * 7")
        assert "42" in await adapter.next(context=context, room=room, toolkits=[])
        context.append_user_message('find the tide with day "monday"')
        toolkits, heard = [Toolkit(name="tides", tools=[FindTide()])], []
        answer = await adapter.next(context=context, room=room, toolkits=toolkits, event_handler=heard.append)
        assert "noon on monday" in answer, answer
        assert [one["type"] for one in heard].count("message_stop") == 2
        asked = {"context": context, "model": adapter.default_model(), "room": room, "toolkits": toolkits}
        assert await adapter.get_input_tokens(**asked) > 10


run(main)
