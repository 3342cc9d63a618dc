"""A bundle for our server: a chatbot of MeshAgent's SDK with a tool, as its users write one."""

import logging

from meshagent.agents.chat import ChatBot
from meshagent.api.services import ServiceHost
from meshagent.openai import OpenAIResponsesAdapter
from meshagent.otel import otel_config
from meshagent.tools import Toolkit

try:
    from meshagent.tools import FunctionTool
except ImportError:  # as 0.24 and older call it
    from meshagent.tools import Tool as FunctionTool

otel_config(service_name="harbour")
service = ServiceHost()


class Tide(FunctionTool):
    def __init__(self):
        super().__init__(
            name="tide",
            title="Tide",
            description="When the tide turns in a harbour.",
            input_schema={
                "type": "object",
                "additionalProperties": False,
                "required": ["harbour"],
                "properties": {"harbour": {"type": "string"}},
            },
        )

    async def execute(self, context, harbour):
        logging.getLogger("harbour").info("asked for the tide")
        return "at noon"


@service.path(path="/chat", identity="chatbot")
class Chat(ChatBot):
    def __init__(self):
        super().__init__(
            name="chatbot",
            title="c",
            description="d",
            llm_adapter=OpenAIResponsesAdapter(),
            toolkits=[Toolkit(name="sea", tools=[Tide()])],
        )


service.run()
