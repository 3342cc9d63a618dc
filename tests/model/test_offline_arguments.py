"""Arguments guessed from a sentence and a schema."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.model.offline_arguments import guess_arguments

pytestmark = pytest.mark.unit

TODAY = date(2026, 11, 22)
TEXT = {"type": "string"}
NUMBER = {"type": "number"}
UNIT = {"enum": ["meters", "feet", "celsius", "hours"]}


def guess(sentence: str, required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required or []}
    return guess_arguments(sentence, schema, today=TODAY).arguments


@pytest.mark.parametrize(
    ("sentence", "properties", "expected"),
    [
        ("from 3 to -4.5", {"a": NUMBER, "b": NUMBER}, {"a": 3, "b": -4.5}),
        ("1,250 of 2.5", {"n": {"type": "integer"}}, {"n": 1250}),
        ("1, 2 and 3", {"values": {"type": "array", "items": NUMBER}}, {"values": [1, 2, 3]}),
        ("say \"good day\" to 'Bob'", {"text": TEXT, "who": TEXT}, {"text": "good day", "who": "Bob"}),
        ("weather in New York", {"city": TEXT}, {"city": "New York"}),
        ("the city is oslo", {"city": TEXT}, {"city": "oslo"}),
        (
            "book 2026-12-24 for 2",
            {"day": {**TEXT, "format": "date"}, "n": NUMBER},
            {"day": "2026-12-24", "n": 2},
        ),
        ("remind me tomorrow", {"date": TEXT}, {"date": "2026-11-23"}),
        ("at 2026-12-24T10:00", {"at": {**TEXT, "format": "date-time"}}, {"at": "2026-12-24T10:00"}),
        ("6ft to m", {"v": NUMBER, "a": UNIT, "b": UNIT}, {"v": 6, "a": "feet", "b": "meters"}),
        ("I'm s", {"a": UNIT}, {}),
        ("make it verbose", {"verbose": {"type": "boolean"}}, {"verbose": True}),
        ("not verbose", {"verbose": {"type": "boolean"}}, {"verbose": False}),
        ("nothing", {"a": NUMBER, "b": TEXT, "c": UNIT}, {}),
        (
            "buy: milk, eggs and tea",
            {"items": {"type": "array", "items": TEXT}},
            {"items": ["milk", "eggs", "tea"]},
        ),
        ("5", {"kind": {"const": "x"}, "n": {"type": ["number", "null"]}}, {"kind": "x", "n": 5}),
        (
            "at 3 and 4",
            {"at": {"type": "object", "properties": {"x": NUMBER, "y": NUMBER}}},
            {"at": {"x": 3, "y": 4}},
        ),
    ],
)
def test_a_property_takes_what_fits_it(sentence: str, properties: Any, expected: Any) -> None:
    assert guess(sentence, **properties) == expected


def test_what_is_required_and_not_there_is_missing_unless_it_has_a_default() -> None:
    schema = {
        "properties": {"a": NUMBER, "b": {**NUMBER, "default": 7}, "c": TEXT},
        "required": ["a", "b", "c"],
    }
    found = guess_arguments("nothing here", schema, today=TODAY)
    assert found.arguments == {"b": 7}
    assert found.missing == ["a", "c"]


@given(st.text(max_size=80))
def test_no_sentence_breaks_it(sentence: str) -> None:
    listed = {"type": "array", "items": TEXT}
    guess(sentence, ["t"], t=TEXT, n=NUMBER, e=UNIT, b={"type": "boolean"}, a=listed, d={"format": "date"})
