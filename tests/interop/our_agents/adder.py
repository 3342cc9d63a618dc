"""An agent of ours that the SDK's webhooks call into a room."""

import asyncio

from meshagent.agents import TaskRunner
from meshagent.api.services import ServiceHost

service = ServiceHost()
NUMBER = {"type": "number"}


@service.path(path="/adder", identity="adder")
class Adder(TaskRunner):
    def __init__(self) -> None:
        super().__init__(
            name="adder",
            input_schema={"type": "object", "properties": {"a": NUMBER, "b": NUMBER}, "required": ["a", "b"]},
            output_schema={"type": "object", "properties": {"sum": NUMBER}, "required": ["sum"]},
        )

    async def ask(self, *, context, arguments):
        return {"sum": arguments["a"] + arguments["b"]}


asyncio.run(service.run())
