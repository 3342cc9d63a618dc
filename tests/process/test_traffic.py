"""What went over a worker's pipe, without what was in it."""

from __future__ import annotations

import pytest

from runtime.process.traffic import KEPT, Traffic
from runtime.wire import control

pytestmark = pytest.mark.unit


def test_messages_are_remembered_by_name_size_and_time_alone() -> None:
    traffic = Traffic()
    traffic.note("in", control.Start("s_1", 1, "/a", "a", "r", token="very-secret"))
    traffic.note("out", control.ReadyNow())
    first, second = traffic.last()
    assert (first.direction, first.kind, first.count) == ("in", "start", 1)
    assert first.size_bytes > 50
    assert (second.direction, second.kind) == ("out", "ready")
    assert second.at >= first.at > 0
    assert "very-secret" not in repr(traffic.last())


def test_a_row_of_packets_is_one_entry() -> None:
    traffic = Traffic()
    for _ in range(1000):
        traffic.note("in", control.Packet(b"x" * 10))
    traffic.note("out", control.Packet(b"x"))
    assert [(entry.kind, entry.count, entry.size_bytes) for entry in traffic.last()] == [
        ("packet", 1000, 10_000),
        ("packet", 1, 1),
    ]


def test_only_the_last_are_kept() -> None:
    traffic = Traffic()
    for number in range(1000):
        traffic.note("in" if number % 2 else "out", control.Ping(number))
    assert len(traffic.last()) == KEPT
