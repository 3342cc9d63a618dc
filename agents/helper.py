"""A task runner: one question in, one answer out, both checked against their schemas.

Ask it from a terminal:

    bulkhead agents ask --room=myroom --agent=helper --input='{"task": "sum", "values": [1, 2]}'
    {"result": 3}
"""

import asyncio
import statistics
from collections.abc import Callable
from typing import Any

from meshagent.agents import TaskRunner
from meshagent.agents.agent import AgentCallContext
from meshagent.api.services import ServiceHost
from meshagent.otel import otel_config

otel_config(service_name="helper")

service = ServiceHost()

NUMBER_TASKS: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "mean": statistics.fmean,
    "median": statistics.median,
    "min": min,
    "max": max,
}
TEXT_TASKS: dict[str, Callable[[str], Any]] = {
    "count_words": lambda text: len(text.split()),
    "title_case": str.title,
    "reverse": lambda text: text[::-1],
}


@service.path(path="/helper", identity="helper")
class Helper(TaskRunner):
    """Works with lists of numbers and with texts."""

    def __init__(self) -> None:
        super().__init__(
            name="helper",
            title="Helper",
            description="Sums up lists of numbers, and counts or rewrites words",
            input_schema={
                "type": "object",
                "properties": {
                    "task": {"type": "string", "enum": [*NUMBER_TASKS, *TEXT_TASKS]},
                    "values": {"type": "array", "items": {"type": "number"}, "minItems": 1},
                    "text": {"type": "string"},
                },
                "required": ["task"],
                "additionalProperties": False,
            },
            output_schema={
                "type": "object",
                "properties": {"result": {"type": ["number", "string"]}},
                "required": ["result"],
                "additionalProperties": False,
            },
        )

    async def ask(self, *, context: AgentCallContext, arguments: dict[str, Any]) -> dict[str, Any]:
        # `arguments` fits the input schema by now; what the schema cannot say is checked here.
        task = arguments["task"]
        if task in NUMBER_TASKS:
            if "values" not in arguments:
                raise ValueError(f"the task {task} needs values, a list of numbers")
            return {"result": NUMBER_TASKS[task](arguments["values"])}
        if "text" not in arguments:
            raise ValueError(f"the task {task} needs a text")
        return {"result": TEXT_TASKS[task](arguments["text"])}


asyncio.run(service.run())
