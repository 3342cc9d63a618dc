"""The last lines of a session, plain or structured, and never more than was agreed."""

from __future__ import annotations

import json

import pytest

from runtime.supervisor.logbook import LogBook

pytestmark = pytest.mark.unit


def test_only_the_newest_lines_are_kept_and_numbers_go_on() -> None:
    book = LogBook(max_lines=3)
    for i in range(5):
        book.write(f"line {i}", at=float(i))
    assert [(line.seq, line.text) for line in book.after(0)] == [(3, "line 2"), (4, "line 3"), (5, "line 4")]
    assert [line.seq for line in book.after(4)] == [5]


def test_a_structured_line_is_taken_apart() -> None:
    book = LogBook(max_lines=3)
    line = book.write(json.dumps({"event": "agent.started", "level": "warning", "size": 3}), at=0.0)
    assert (line.stream, line.level, line.text) == ("log", "warning", "agent.started size=3")


@pytest.mark.parametrize("text", ["{", "{}", '{"a": 1}', '{"event": 3}', "[" * 5000, "{" * 5000, "\x00 junk"])
def test_anything_else_is_output(text: str) -> None:
    line = LogBook(max_lines=3).write(text, at=0.0)
    assert (line.stream, line.text) == ("output", text)
