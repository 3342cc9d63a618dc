"""A bundle for our server: the SDK's own chatbot, queue worker and task runner, as their users write them."""

import asyncio
import inspect
import logging

from meshagent.agents.chat import ChatBot
from meshagent.agents.llmrunner import LLMTaskRunner
from meshagent.agents.worker import Worker
from meshagent.api.services import ServiceHost
from meshagent.openai import OpenAIResponsesAdapter
from meshagent.otel import otel_config

otel_config(service_name="agents-of-the-sdk")  # with an endpoint, this would start threads

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


@service.path(path="/worker", identity="worker")
class Jobs(Worker):
    def __init__(self):
        super().__init__(
            name="worker", queue="jobs", rules=["Work hard."], llm_adapter=OpenAIResponsesAdapter()
        )

    async def process_message(self, **given):
        answer = await super().process_message(**given)
        done = {"job": given["message"]["prompt"], "answer": str(answer)}
        await self.room.queues.send(name="done", create=True, message=done)
        return answer


@service.path(path="/writer", identity="writer")
class Writer(LLMTaskRunner):
    def __init__(self):
        # Newer releases take the participant's name.
        named = {"name": "writer"} if "name" in inspect.signature(LLMTaskRunner).parameters else {}
        super().__init__(
            **named,
            title="Writer",
            description="writes",
            output_schema={
                "type": "object",
                "additionalProperties": False,
                "required": ["done"],
                "properties": {"done": {"type": "boolean"}},
            },
            llm_adapter=OpenAIResponsesAdapter(),
        )

    async def start(self, *, room):
        await super().start(room=room)
        logging.getLogger("writer").warning("on duty")


asyncio.run(service.run())
