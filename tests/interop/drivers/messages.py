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
        adapter = AnthropicMessagesAdapter(base_url=work["base"], api_key=work["ada"])
        context, heard = adapter.create_session(), []
        asked = {"context": context, "caller": room.local_participant, "event_handler": heard.append}
        context.append_user_message("calculate 6 * 7")
        answer = await adapter.create_response(**asked, toolkits=[])
        assert "42" in answer, answer
        context.append_user_message('find the tide with day "monday"')
        toolkits = [Toolkit(name="tides", tools=[FindTide()])]
        answer = await adapter.create_response(**asked, toolkits=toolkits)
        assert "noon on monday" in answer, answer
        assert [one["type"] for one in heard].count("message_stop") == 3, heard
        model = adapter.default_model()
        assert await adapter.get_input_tokens(context=context, model=model, toolkits=toolkits) > 10


run(main)
