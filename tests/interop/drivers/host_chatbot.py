"""A service for the SDK's own host: a chatbot that reaches its model through its room."""

import asyncio

from meshagent.agents.chat import ChatBot
from meshagent.api.services import ServiceHost
from meshagent.openai import OpenAIResponsesAdapter

service = ServiceHost()


@service.path(path="/chat", identity="chatbot")
class Chat(ChatBot):
    def __init__(self):
        super().__init__(
            name="chatbot",
            title="Chatbot",
            description="answers",
            rules=["Always be brief."],
            llm_adapter=OpenAIResponsesAdapter(),
        )


asyncio.run(service.run())
