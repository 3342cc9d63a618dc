"""Sums of use: claims are bounded, nothing is counted twice, and callers cannot make the book grow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.session.usage import (
    MAX_CLAIM,
    MAX_MODELS,
    OTHER_MODELS,
    OTHER_ROOMS,
    Usage,
    UsageBook,
    UsageRow,
    claimed,
    report,
    said,
    total,
)

pytestmark = pytest.mark.unit
DAY_S = 86400.0


def row(
    session: str = "s_1", *, endpoint: str = "/a", room: str = "r", at: float = 0.0, **used: float
) -> UsageRow:
    return UsageRow(
        session_id=session,
        endpoint=endpoint,
        identity=endpoint.strip("/"),
        room=room,
        usage=Usage(sessions=1, **used),  # type: ignore[arg-type]
        at=at,
    )


def test_claims_are_counts_that_never_go_back() -> None:
    known = claimed({}, {"tokens_in": 5, "tokens_out": 10**30, "turns": True, "messages": -1, "cpu_s": 9})
    assert known == {"tokens_in": 5, "tokens_out": MAX_CLAIM}
    assert claimed(known, {"tokens_in": 3, "turns": "7", "messages": 1.5}) == known


def test_reports_by_each_name_with_the_hungriest_first() -> None:
    rows = [
        row("s_1", cpu_s=1.0, peak_bytes=7, tokens_in=3),
        row("s_2", room="q", cpu_s=2.0, peak_bytes=5, tokens_in=4),
        row("s_3", endpoint="/b", cpu_s=9.0),
    ]
    assert [(name, used.sessions, used.cpu_s) for name, used in report(rows, "endpoint")] == [
        ("/b", 1, 9.0),
        ("/a", 2, 3.0),
    ]
    assert [name for name, _ in report(rows, "room")] == ["r", "q"]
    assert [name for name, _ in report(rows, "session")] == ["s_3", "s_2", "s_1"]
    (both,) = [used for name, used in report(rows, "identity") if name == "a"]
    assert (both.peak_bytes, both.tokens_in) == (7, 7)


def test_days_keep_what_sessions_that_are_forgotten_used() -> None:
    book = UsageBook()
    book.add(row("s_1", at=10.0, cpu_s=1.0))
    second = book.add(row("s_2", at=20.0, cpu_s=2.0))
    assert (second.day, second.usage.sessions, second.usage.cpu_s) == ("1970-01-01", 2, 3.0)
    book.add(row("s_3", at=DAY_S + 1, cpu_s=4.0))
    assert total(book.rows(0)).cpu_s == 7.0
    assert total(book.rows(DAY_S)).cpu_s == 4.0
    assert report(book.rows(0), "session") == []
    again = UsageBook()
    again.restore([second])
    assert total(again.rows(0)) == second.usage


def test_rooms_of_a_day_and_days_are_bounded_and_sums_stay_right() -> None:
    book = UsageBook(max_days=2, max_day_rows=3)
    for number in range(50):
        book.add(row(f"s_{number}", room=f"room-{number}", at=5.0, cpu_s=1.0))
    assert len(book) == 4
    assert total(book.rows(0)).cpu_s == 50.0
    assert dict(report(book.rows(0), "room"))[OTHER_ROOMS].sessions == 47
    for day in range(1, 9):
        book.add(row(at=day * DAY_S))
    assert len(book) == 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("rst"), st.integers(0, 100)), max_size=30))
def test_every_way_to_look_at_it_has_the_same_total(sessions: list[tuple[str, str, int]]) -> None:
    book, kept, cpu_s = UsageBook(max_day_rows=2), [], 0
    for number, (endpoint, room, used) in enumerate(sessions):
        one = row(f"s_{number}", endpoint=f"/{endpoint}", room=room, at=number * 9000.0, cpu_s=used)
        cpu_s += used
        if number % 2:
            kept.append(one)
        else:
            book.add(one)
    rows = [*kept, *book.rows(0)]
    for by in ("endpoint", "identity", "room"):
        assert sum(used.cpu_s for _, used in report(rows, by)) == cpu_s  # type: ignore[arg-type]


def test_tokens_are_of_models_whose_number_is_bounded() -> None:
    told = {f"tokens_in:m{number}": 1 for number in range(50)} | {"tokens_out:m0": 5, "tokens_in": 50}
    claims = claimed({}, told | {"tokens_in:": 3, f"tokens_in:{'x' * 999}": 3, "secret:m": 1})
    used = said(claimed(claims, {"tokens_in:m0": 0, "tokens_out:m0": 7}))
    assert len(used.models) == MAX_MODELS
    assert (used.models["m0"], used.tokens_in) == ((1, 7), 50)
    both = used.plus(Usage(models={"m0": (1, 1), "new": (2, 2), "other": (3, 3)}))
    assert (both.models["m0"], both.models[OTHER_MODELS]) == ((2, 8), (5, 5))


def test_days_are_told_the_last_one_first() -> None:
    book = UsageBook()
    book.add(row("s_1", at=10.0, cpu_s=9.0))
    now = row("s_2", at=DAY_S + 5, cpu_s=1.0)
    assert [(day, used.cpu_s) for day, used in report([*book.rows(0), now], "day")] == [
        ("1970-01-02", 1.0),
        ("1970-01-01", 9.0),
    ]
