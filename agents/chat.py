"""A chatbot with two tools: it knows the time anywhere, and converts units.

Try "what time is it in Tokyo?", "convert 5 km to miles", or "what can you do?".
"""

import asyncio
import zoneinfo
from datetime import UTC, datetime, tzinfo

from meshagent.agents.chat import ChatBot
from meshagent.api.services import ServiceHost
from meshagent.openai import OpenAIResponsesAdapter
from meshagent.otel import otel_config
from meshagent.tools import Tool, ToolContext, Toolkit

otel_config(service_name="chatbot")

service = ServiceHost()


# Every unit but those of temperature is a factor to one unit of its kind.
FACTORS = {
    "length": {"millimeters": 0.001, "centimeters": 0.01, "meters": 1, "kilometers": 1000,
               "inches": 0.0254, "feet": 0.3048, "yards": 0.9144, "miles": 1609.344},
    "weight": {"grams": 0.001, "kilograms": 1, "tonnes": 1000, "ounces": 0.02834952, "pounds": 0.45359237},
    "volume": {"milliliters": 0.001, "liters": 1, "pints": 0.473176473, "gallons": 3.785411784},
}  # fmt: skip
TEMPERATURES = ("celsius", "fahrenheit", "kelvin")


class CurrentTime(Tool):
    """Tells the time at a place."""

    def __init__(self) -> None:
        super().__init__(
            name="current_time",
            title="Current time",
            description="Tell the current date and time in a city or time zone.",
            input_schema={
                "type": "object",
                "properties": {
                    "place": {
                        "type": "string",
                        "description": "a city such as Tokyo or a zone such as Europe/Paris; UTC by default",
                    }
                },
                "required": [],
                "additionalProperties": False,
            },
        )

    async def execute(self, context: ToolContext, *, place: str = "UTC") -> str:
        zone = find_zone(place)
        if zone is None:
            # A tool that raises answers with an error: the model sees it, and the agent lives on.
            raise ValueError(f"no time zone is called {place}; try a large city or a zone like Europe/Paris")
        return f"It is {datetime.now(zone):%H:%M on %A, %d %B %Y} in {place}"


def find_zone(place: str) -> tzinfo | None:
    """Find a time zone by its name, or by the city in its name: "tokyo" is Asia/Tokyo."""
    wanted = place.strip().lower().replace(" ", "_")
    if wanted in ("utc", "gmt"):
        return UTC
    for name in sorted(zoneinfo.available_timezones()):
        if wanted in (name.lower(), name.lower().rsplit("/", 1)[-1]):
            return zoneinfo.ZoneInfo(name)
    return None


class ConvertUnits(Tool):
    """Converts lengths, weights, volumes and temperatures."""

    def __init__(self) -> None:
        units = [unit for kind in FACTORS.values() for unit in kind] + list(TEMPERATURES)
        super().__init__(
            name="convert",
            title="Convert units",
            description="Convert an amount from one unit to another: length, weight, volume, temperature.",
            input_schema={
                "type": "object",
                "properties": {
                    "amount": {"type": "number", "description": "how much"},
                    "from_unit": {"type": "string", "enum": units},
                    "to_unit": {"type": "string", "enum": units},
                },
                "required": ["amount", "from_unit", "to_unit"],
                "additionalProperties": False,
            },
        )

    async def execute(self, context: ToolContext, *, amount: float, from_unit: str, to_unit: str) -> str:
        return f"{amount:g} {from_unit} = {self.convert(amount, from_unit, to_unit):.6g} {to_unit}"

    def convert(self, amount: float, from_unit: str, to_unit: str) -> float:
        if from_unit in TEMPERATURES and to_unit in TEMPERATURES:
            celsius = {"fahrenheit": (amount - 32) / 1.8, "kelvin": amount - 273.15}.get(from_unit, amount)
            return {"fahrenheit": celsius * 1.8 + 32, "kelvin": celsius + 273.15}.get(to_unit, celsius)
        for factors in FACTORS.values():
            if from_unit in factors and to_unit in factors:
                return amount * factors[from_unit] / factors[to_unit]
        raise ValueError(f"{from_unit} cannot become {to_unit}: they measure different things")


@service.path(path="/chat", identity="chatbot")
class SimpleChatbot(ChatBot):
    """Called once for each session, in a process of its own."""

    def __init__(self) -> None:
        super().__init__(
            name="chatbot",
            title="Simple Chatbot",
            description="Answers questions, tells the time anywhere, and converts units",
            rules=["Always respond to the user first, then end your response with a fun fact."],
            toolkits=[Toolkit(name="everyday", tools=[CurrentTime(), ConvertUnits()])],
            # OPENAI_API_KEY or OPENAI_BASE_URL choose a model; without them a built-in offline model answers.
            llm_adapter=OpenAIResponsesAdapter(),
        )


asyncio.run(service.run())
