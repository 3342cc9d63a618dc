"""A line that can be read: JSON within the bytes of its reader, its level kept, whatever was logged."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.logs import bound_lines, configure_worker, get_logger
from runtime.logs.line import LEAST_LINE_BYTES, cut_text, to_json
from runtime.settings import SupervisorSettings
from runtime.supervisor.logbook import structured

pytestmark = pytest.mark.unit

HEAD = {
    "timestamp": "2026-11-22T10:00:00.000000Z",
    "level": "error",
    "event": "turn.failed",
    "logger": "mine",
}


@pytest.fixture
def worker_log(logging_as_before: None) -> io.StringIO:
    stream = io.StringIO()
    configure_worker(stream)
    return stream


def read(line: str, most_bytes: int) -> dict[str, Any]:
    """What the front makes of it: within its bound, JSON, one event."""
    assert len(line.encode()) <= most_bytes
    fields: dict[str, Any] = msgspec.json.decode(line)
    assert (fields["level"], fields["timestamp"]) == (HEAD["level"], HEAD["timestamp"])
    return fields


@pytest.mark.parametrize("letter", ["x", "€", "🦊", '"', "\n", "\x00", "\udcff"])
@pytest.mark.parametrize("most_bytes", [LEAST_LINE_BYTES, 1000, 16384])
def test_a_long_text_is_cut_to_the_bytes_of_the_line_and_says_so(letter: str, most_bytes: int) -> None:
    line = to_json({**HEAD, "event": letter * 1_000_000}, most_bytes)
    event = read(line, most_bytes)["event"]
    shown, _, mark = event.partition("… (")
    assert int(mark.removesuffix(" more characters)")) + len(shown) == 1_000_000
    assert len(line.encode()) > most_bytes - 20  # nothing is cut that there was room for


@pytest.mark.parametrize(
    "value",
    [
        {"body": {"deep": ["x" * 100_000]}},
        ["€" * 50] * 5000,
        {str(number): number for number in range(20_000)},
        {(1, 2): "no key of JSON"},
        float("nan"),
        {"score": float("inf")},
        10**5000,
        b"\xff" * 50_000,
    ],
    ids=["nested", "list", "dict", "tuple-key", "nan", "inf", "int", "bytes"],
)
def test_nested_values_are_cut_like_texts(value: object) -> None:
    fields = read(to_json({**HEAD, "value": value, "turn": 3}, 16384), 16384)
    assert (fields["event"], fields["turn"]) == ("turn.failed", 3)
    assert fields["value"]


def test_a_value_that_contains_itself_or_cannot_show_itself_costs_its_own_text_alone() -> None:
    class Rude:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    circle: list[object] = []
    circle.append(circle)
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    fields = read(to_json({**HEAD, "circle": circle, "rude": Rude(), "deep": deep}, 16384), 16384)
    assert fields["rude"] == "<Rude that has no repr: RuntimeError>"
    assert fields["event"] == "turn.failed"


def test_what_a_terminal_would_obey_stands_there_as_an_escape() -> None:
    event = {**HEAD, "said": "a\x1b[2J\x9b2J\u202e\u2067\u200eé", "k\x9b": ["\x85"]}
    for told in (event, {**HEAD, "said": "a\x7f"}):
        line = to_json(told)
        assert not any(char < " " or "\x7f" <= char <= "\x9f" or char >= "\u200e" for char in line)
        assert json.loads(line) == told
    long = {**HEAD, "said": "\x9b" * 10_000}
    assert set(read(to_json(long, 4096), 4096)["said"].partition("…")[0]) == {"\x9b"}


def test_short_values_stay_whole_beside_long_ones() -> None:
    event = {**HEAD, "a": "x" * 100_000, "b": "y" * 100_000, "short": "z" * 300}
    fields = read(to_json(event, 4096), 4096)
    assert fields["short"] == "z" * 300
    assert fields["event"] == "turn.failed"
    assert abs(len(fields["a"]) - len(fields["b"])) <= 1
    assert len(fields["a"]) > 1600


def test_of_too_many_keys_the_last_are_left_out_and_counted() -> None:
    event: dict[str, object] = {**HEAD, **{f"key_{number}": "v" * 100 for number in range(1000)}}
    fields = read(to_json(event, 4096), 4096)
    assert len(fields) - 1 + fields["keys_left_out"] == len(event)
    assert fields["key_0"].startswith("vv")
    huge = read(to_json({**HEAD, "k" * 20_000: 1}, 4096), 4096)
    assert huge["keys_left_out"] == 1


def test_a_traceback_loses_its_middle() -> None:
    frames = "".join(f'  File "a.py", line {number}\n' for number in range(2000))
    traceback = f"Traceback (most recent call last):\n{frames}ValueError: the end"
    shown = read(to_json({**HEAD, "exception": traceback}, 4096), 4096)["exception"]
    assert shown.startswith("Traceback (most recent call last):")
    assert shown.endswith("ValueError: the end")
    assert "more characters" in shown


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=40), st.text(max_size=300) | st.lists(st.text(max_size=50)), max_size=20
    ),
    st.integers(LEAST_LINE_BYTES, 2000),
)
def test_whatever_is_logged_fits_and_can_be_read(more: dict[str, Any], most_bytes: int) -> None:
    read(to_json({**more, **HEAD}, most_bytes), most_bytes)


def test_a_line_that_fits_is_left_alone() -> None:
    event = {**HEAD, "text": "x" * 10_000}
    assert json.loads(to_json(event, 16384)) == event
    assert len(to_json({**HEAD, "text": "x" * 100_000})) > 100_000
    assert cut_text("abc", 3) == "abc"


def test_the_front_sees_the_level_of_what_a_worker_logs(worker_log: io.StringIO) -> None:
    logging.getLogger("mine").warning("payload %s END", "x" * 1_000_000, extra={"body": {"a": "€" * 90_000}})
    try:
        raise ValueError("b" * 1_000_000)
    except ValueError:
        get_logger("mine").exception("request.failed")
    limit = SupervisorSettings().log_line_bytes
    lines = worker_log.getvalue().splitlines()
    seen = [structured(line, 1, 0.0) for line in lines]
    assert all(len(line.encode()) <= limit for line in lines)
    assert [(one.stream, one.level) for one in seen if one] == [("log", "warning"), ("log", "error")]
    assert seen[1] is not None
    assert "ValueError: bbb" in seen[1].text


def test_a_worker_is_told_how_long_a_line_its_reader_takes(worker_log: io.StringIO) -> None:
    bound_lines(1000)
    try:
        configure_worker(worker_log)
    finally:
        bound_lines(SupervisorSettings().log_line_bytes)
    get_logger("mine").error("x" * 5000)
    assert 900 < len(worker_log.getvalue().encode()) <= 1001
