"""Tools outside of a room: schemas, checking, results."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import Annotated, Any, Literal

import pytest

from runtime.errors import BundleError, ConfigError, ToolNotFound
from runtime.sdk.room.participant import Participant
from runtime.sdk.room.room_exception import RoomException
from runtime.sdk.tools.function_tool import FunctionTool, tool
from runtime.sdk.tools.response import FileResponse, JsonResponse, TextResponse, ensure_content
from runtime.sdk.tools.schema import SchemaMismatch
from runtime.sdk.tools.toolkit import Tool, ToolContext, Toolkit
from runtime.wire.content import EmptyContent, JsonContent, TextContent

pytestmark = pytest.mark.unit

CONTEXT = ToolContext(caller=Participant(id="p1", attributes={"name": "ada"}))
NUMBERS = {
    "type": "object",
    "required": ["numbers"],
    "properties": {"numbers": {"type": "array", "items": {"type": "number"}}},
}


class Mean(Tool):
    def __init__(self) -> None:
        super().__init__(name="mean", input_schema=NUMBERS, description="The mean.")

    async def execute(self, context: ToolContext, *, numbers: list[float]) -> Any:
        return {"mean": sum(numbers) / len(numbers)}


class Colour(Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


@tool
async def plot(
    context: ToolContext,
    points: Annotated[list[Point], "where to draw"],
    colour: Colour = Colour.RED,
    style: Literal["dots", "line"] = "dots",
) -> str:
    """Draw points."""
    assert all(isinstance(point, Point) for point in points)
    return f"{context.caller.name} drew {len(points)} {colour.value} {style}"


@pytest.mark.asyncio
async def test_a_tool_gets_its_arguments_and_answers_with_a_content() -> None:
    assert await Mean().call(context=CONTEXT, arguments={"numbers": [1, 3]}) == JsonContent({"mean": 2})


@pytest.mark.asyncio
async def test_wrong_arguments_name_the_place() -> None:
    with pytest.raises(SchemaMismatch, match=r"'mean'.*\$\.numbers\[1\]"):
        await Mean().call(context=CONTEXT, arguments={"numbers": [1, "two"]})
    with pytest.raises(SchemaMismatch, match="'numbers' is a required property"):
        await Mean().call(context=CONTEXT, arguments={})


@pytest.mark.asyncio
async def test_a_tool_that_says_least_still_works() -> None:
    class DataAnalysis(Tool):
        async def execute(self, context: ToolContext, *, rows: list[int], limit: int = 3) -> Any:
            return {"rows": rows[:limit]}

    class Forgetful(Tool):
        def __init__(self) -> None:
            self.kept = 1

        async def execute(self, context: ToolContext, **kwargs: Any) -> Any:
            return kwargs

    analysis = DataAnalysis()
    assert analysis.name == "data_analysis"
    assert analysis.schema["required"] == ["rows"]
    assert await analysis.call(context=CONTEXT, arguments={"rows": [1, 2, 3, 4]}) == JsonContent(
        {"rows": [1, 2, 3]}
    )
    assert await Forgetful().call(context=CONTEXT, arguments={"any": 1}) == JsonContent({"any": 1})
    assert Forgetful().name == "forgetful"


def test_class_attributes_describe_a_tool_too() -> None:
    class Named(Tool):
        name = "other"
        description = "Says so."
        input_schema = NUMBERS

    assert (Named().name, Named().description) == ("other", "Says so.")
    assert Named().schema == NUMBERS


@pytest.mark.asyncio
async def test_a_typed_function_becomes_a_tool() -> None:
    assert isinstance(plot, FunctionTool)
    assert (plot.name, plot.description) == ("plot", "Draw points.")
    properties = plot.schema["properties"]
    assert set(properties) == {"points", "colour", "style"}
    assert properties["points"]["description"] == "where to draw"
    assert properties["style"]["enum"] == ["dots", "line"]
    assert plot.schema["required"] == ["points"]
    result = await plot.call(context=CONTEXT, arguments={"points": [{"x": 1}, {"x": 2, "y": 3}]})
    assert result == TextContent("ada drew 2 red dots")


@pytest.mark.asyncio
async def test_the_decorator_takes_a_name_and_plain_functions() -> None:
    @tool(name="double", title="Twice")
    def twice(n: int) -> int:
        return 2 * n

    assert (twice.name, twice.title) == ("double", "Twice")
    assert await twice.call(context=CONTEXT, arguments={"n": 4}) == JsonContent({"result": 8})
    assert twice(4) == 8
    with pytest.raises(SchemaMismatch, match="unexpected"):
        await twice.call(context=CONTEXT, arguments={"n": 4, "m": 5})


def test_a_function_that_cannot_be_described_says_why() -> None:
    with pytest.raises(BundleError, match="positional-only"):

        @tool
        def broken(n: int, /) -> None: ...

    with pytest.raises(BundleError, match=r"annotations of 'unread'.*Nowhere"):

        @tool
        def unread(thing: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(BundleError, match="'odd' cannot be described"):

        @tool
        def odd(thing: Participant) -> None: ...


@pytest.mark.asyncio
async def test_definitions_are_found_from_the_schema() -> None:
    class Uses(Tool):
        def __init__(self) -> None:
            super().__init__(
                name="uses",
                input_schema={"type": "object", "properties": {"a": {"$ref": "#/$defs/short"}}},
                defs={"short": {"type": "string", "maxLength": 2}},
            )

        async def execute(self, context: ToolContext, **kwargs: Any) -> Any:
            return None

    assert await Uses().call(context=CONTEXT, arguments={"a": "ok"}) == EmptyContent()
    with pytest.raises(SchemaMismatch, match=r"\$\.a"):
        await Uses().call(context=CONTEXT, arguments={"a": "long"})


def test_a_schema_that_is_none_is_refused() -> None:
    class Broken(Tool):
        input_schema = {"type": "objekt"}  # noqa: RUF012

    with pytest.raises(ConfigError, match="'broken'"):
        _ = Broken().schema


@pytest.mark.asyncio
async def test_an_attachment_goes_to_a_tool_that_asks_for_it() -> None:
    class Size(Tool):
        async def execute(self, context: ToolContext, *, unit: str, attachment: bytes | None = None) -> Any:
            return {unit: len(attachment or b"")}

    assert "attachment" not in Size().schema["properties"]
    result = await Size().call(context=CONTEXT, arguments={"unit": "bytes"}, attachment=b"abc")
    assert result == JsonContent({"bytes": 3})


def test_results_become_contents() -> None:
    assert ensure_content(None) == EmptyContent()
    assert ensure_content("hi") == TextContent("hi") == TextResponse(text="hi")
    assert ensure_content({"a": 1}) == JsonContent({"a": 1}) == JsonResponse(json={"a": 1})
    assert ensure_content([1]) == JsonContent({"result": [1]})
    assert ensure_content(Point(1)) == JsonContent({"x": 1, "y": 0})
    file = FileResponse(data=b"x", name="a", mime_type="text/plain")
    assert ensure_content(file) is file
    with pytest.raises(RoomException, match="object"):
        ensure_content(object())


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(BundleError, match="two tools named 'mean'"):
        Toolkit(name="maths", tools=[Mean(), Mean()])


@pytest.mark.asyncio
async def test_a_toolkit_names_what_it_has() -> None:
    toolkit = Toolkit(name="maths", tools=[Mean()])
    with pytest.raises(ToolNotFound, match="It has: 'mean'"):
        await toolkit.execute(context=CONTEXT, name="median", arguments={})
    described = toolkit.to_json()["tools"]["mean"]
    assert described["input_schema"] == described["input_spec"]["schema"] == NUMBERS
