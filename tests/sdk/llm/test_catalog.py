"""Toolkits as functions for a model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.model.contract import ToolCall
from runtime.sdk.llm.catalog import MAX_TOOLS, ToolCatalog, output_text
from runtime.sdk.room.participant import RemoteParticipant
from runtime.sdk.tools.toolkit import Tool, ToolContext, Toolkit
from runtime.wire.content import (
    EmptyContent,
    ErrorContent,
    FileContent,
    JsonContent,
    LinkContent,
    TextContent,
)

pytestmark = pytest.mark.unit

CONTEXT = ToolContext(caller=RemoteParticipant(id="p"))


class Echo(Tool):
    """Say it again."""

    async def execute(self, context: ToolContext, text: str = "") -> Any:
        return {"said": text}


def test_names_are_legal_and_unique() -> None:
    one = Toolkit(name="one", tools=[Echo(name="say it!"), Echo(name="add"), Echo(name="x" * 90)])
    two = Toolkit(name="two", tools=[Echo(name="add"), Echo(name="two_add")])
    names = [function.name for function in ToolCatalog([one, two]).functions()]
    assert names == ["say_it_", "add", "x" * 64, "two_add", "two_two_add"]


@pytest.mark.asyncio
async def test_the_tool_that_is_called_is_the_one_that_was_shown() -> None:
    two = [Toolkit(name=name, tools=[Echo(name="echo")]) for name in ("one", "two")]
    catalog = ToolCatalog(two)
    for name in ("echo", "two_echo"):
        assert json.loads(await catalog.call(CONTEXT, ToolCall("1", name, '{"text": "hi"}'))) == {
            "said": "hi"
        }


@pytest.mark.asyncio
@pytest.mark.parametrize("arguments", ["not json", "[1]", '{"text": 3}', '{"unknown": 1}'])
async def test_arguments_that_make_no_sense_are_told_to_the_model(arguments: str) -> None:
    catalog = ToolCatalog([Toolkit(name="t", tools=[Echo(name="echo")])])
    assert "error" in json.loads(await catalog.call(CONTEXT, ToolCall("1", "echo", arguments)))


@pytest.mark.asyncio
async def test_a_long_result_is_cut() -> None:
    catalog = ToolCatalog([Toolkit(name="t", tools=[Echo(name="echo")])], max_output_chars=100)
    output = await catalog.call(CONTEXT, ToolCall("1", "echo", json.dumps({"text": "x" * 1000})))
    assert len(output) == 100


def test_the_number_of_tools_is_bounded() -> None:
    many = Toolkit(name="t", tools=[Echo(name=f"t{number}") for number in range(MAX_TOOLS + 1)])
    assert len(ToolCatalog([many]).functions()) == MAX_TOOLS


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (JsonContent({"ü": 1}), '{"ü": 1}'),
        (TextContent("hi"), "hi"),
        (EmptyContent(), "ok"),
        (ErrorContent("bad"), '{"error": "bad"}'),
        (LinkContent("n", "u"), '{"name": "n", "url": "u"}'),
        (FileContent("a.txt", "text/plain", b"hi"), "hi"),
        (FileContent("a", "image/png", b"\x01"),
         '{"name": "a", "mime_type": "image/png", "size_bytes": 1, "base64": "AQ=="}'),
    ],
)  # fmt: skip
def test_every_result_has_a_text(content: Any, text: str) -> None:
    assert output_text(content) == text
