"""A toolkit that adds things up: numbers, durations, and days to a date.

Agents and people in the room call its tools; from a terminal:

    bulkhead agents invoke-tool --room=myroom --toolkit=adder --tool=add --arguments='{"values": [1, 2, 3]}'
"""

import asyncio
import re
from datetime import date, timedelta

from meshagent.api.services import ServiceHost
from meshagent.otel import otel_config
from meshagent.tools import Tool, ToolContext, Toolkit

otel_config(service_name="adder")

service = ServiceHost()


SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


class Add(Tool):
    """Adds numbers."""

    def __init__(self) -> None:
        super().__init__(
            name="add",
            title="Add numbers",
            description="Add numbers together.",
            input_schema={
                "type": "object",
                "properties": {"values": {"type": "array", "items": {"type": "number"}, "minItems": 1}},
                "required": ["values"],
                "additionalProperties": False,
            },
        )

    async def execute(self, context: ToolContext, *, values: list[float]) -> dict[str, float]:
        return {"result": sum(values)}


class AddDurations(Tool):
    """Adds lengths of time written as people write them."""

    def __init__(self) -> None:
        super().__init__(
            name="add_durations",
            title="Add durations",
            description='Add durations such as "1h 30m", "45m" or "10s" together.',
            input_schema={
                "type": "object",
                "properties": {"durations": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
                "required": ["durations"],
                "additionalProperties": False,
            },
        )

    async def execute(self, context: ToolContext, *, durations: list[str]) -> dict[str, float | str]:
        seconds = sum(self.parse(duration) for duration in durations)
        return {"seconds": seconds, "text": str(timedelta(seconds=seconds))}

    def parse(self, duration: str) -> float:
        """The seconds in a duration."""
        parts = re.findall(r"([\d.]+)\s*([dhms])", duration.lower())
        if not parts or re.sub(r"[\d.]+\s*[dhms]", "", duration.lower()).strip():
            raise ValueError(f'{duration!r} is not a duration; write it like "1h 30m"')
        return sum(float(number) * SECONDS[unit] for number, unit in parts)


class AddDays(Tool):
    """Adds days to a date."""

    def __init__(self) -> None:
        super().__init__(
            name="add_days",
            title="Add days to a date",
            description="Tell the date that is a number of days after (or, if negative, before) another.",
            input_schema={
                "type": "object",
                "properties": {
                    "start": {"type": "string", "format": "date", "description": "a date such as 2026-12-24"},
                    "days": {"type": "integer"},
                },
                "required": ["start", "days"],
                "additionalProperties": False,
            },
        )

    async def execute(self, context: ToolContext, *, start: str, days: int) -> dict[str, str]:
        day = date.fromisoformat(start) + timedelta(days=days)
        return {"date": day.isoformat(), "weekday": f"{day:%A}"}


# A toolkit at a path is hosted in the room as it is; it needs no agent around it.
@service.path(path="/adder", identity="adder")
class Adder(Toolkit):
    """Adds numbers, durations, and days to dates."""

    def __init__(self) -> None:
        super().__init__(
            name="adder",
            title="Adder",
            description="Adds numbers, durations, and days to dates",
            tools=[Add(), AddDurations(), AddDays()],
        )


asyncio.run(service.run())
