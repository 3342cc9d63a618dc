"""A chatbot that begins every answer and never ends it."""

import asyncio

from runtime.sdk import ChatBot, LLMAdapter, ServiceHost

service = ServiceHost()


class Halting(LLMAdapter):
    """Says how it begins, and then nothing more."""

    async def next(self, *, event_handler=None, **turn):
        event_handler({"type": "response.output_text.delta", "delta": "Once upon a time"})
        await asyncio.Event().wait()


@service.path("/halting", identity="halting")
class Storyteller(ChatBot):
    """Tells half a story."""

    def __init__(self):
        super().__init__(name="halting", llm_adapter=Halting(), empty_state_title="<b>Which</b> story?")


asyncio.run(service.run())
