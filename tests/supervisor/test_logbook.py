"""The last lines of a session, plain or structured, and never more than was agreed."""

from __future__ import annotations

import json

import pytest

from runtime.session.spec import SessionId
from runtime.supervisor.logbook import KEPT_BOOKS, LogBook, LogShelf

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


def test_what_the_server_says_of_a_session_is_a_line_of_its_own() -> None:
    book = LogBook(max_lines=2)
    book.write("one", at=0.0)
    book.tell("refused", at=1.0)
    book.write("two", at=2.0)
    assert [(line.seq, line.stream, line.text) for line in book.after(0)] == [
        (2, "server", "refused"),
        (3, "output", "two"),
    ]


@pytest.mark.parametrize("text", ["{", "{}", '{"a": 1}', '{"event": 3}', "[" * 5000, "{" * 5000, "\x00 junk"])
def test_anything_else_is_output(text: str) -> None:
    line = LogBook(max_lines=3).write(text, at=0.0)
    assert (line.stream, line.text) == ("output", text)


def test_all_books_together_are_bounded_and_the_thickest_gives_way() -> None:
    shelf = LogShelf(max_lines=500, max_bytes=1 << 20)
    quiet = shelf.book(SessionId("s_quiet"), (), 1)
    quiet.write("hello", at=0.0)
    floods = [shelf.book(SessionId(f"s_{number}"), (), 1) for number in range(3)]
    for turn in range(1000):
        for flood in floods:
            flood.write("x" * 16_000, at=float(turn))
            assert shelf.size_bytes <= 1 << 20
    assert [line.text for line in quiet.after(0)] == ["hello"]
    assert all(flood.after(0)[-1].seq == 1000 for flood in floods)
    assert shelf.size_bytes == sum(book.size_bytes for book in (quiet, *floods))


def test_books_of_ended_sessions_go_first_and_a_session_finds_its_book_again() -> None:
    shelf = LogShelf(max_lines=3, max_bytes=1 << 20)
    running = {SessionId("s_runs")}
    runs = shelf.book(SessionId("s_runs"), running, 1)
    runs.write("first", at=0.0)
    for number in range(KEPT_BOOKS + 5):
        shelf.book(SessionId(f"s_{number}"), running, 2).write("x", at=0.0)
    assert shelf.get(SessionId("s_0")) is None
    assert shelf.book(SessionId("s_runs"), running, 2) is runs
    assert shelf.size_bytes == KEPT_BOOKS * runs.size_bytes - (KEPT_BOOKS - 1) * 4
