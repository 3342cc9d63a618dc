from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.session.feed import Feed

pytestmark = pytest.mark.unit


def test_a_reader_goes_on_where_it_was() -> None:
    feed = Feed(keep_count=10, epoch="e1")
    ids = [feed.publish("k", {"n": n}).id for n in range(5)]
    cursor = feed.cursor(ids[1])
    assert cursor is not None
    assert [event.data["n"] for event in feed.after(cursor)] == [2, 3, 4]
    assert [event.data["n"] for event in feed.after(cursor, limit=1)] == [2]
    assert feed.after(feed.last) == []


def test_what_is_kept_is_bounded_and_a_gap_shows() -> None:
    feed = Feed(keep_count=3, epoch="e1")
    ids = [feed.publish("k", {"n": n}).id for n in range(10)]
    assert (feed.first, feed.last) == (8, 10)
    assert feed.cursor(ids[0]) is None
    assert feed.cursor(ids[6]) == 7  # the last one that misses nothing
    assert feed.after(1)[0].seq == 8


@pytest.mark.parametrize("event_id", ["", "e0-1", "e1-", "e1-x", "e1-99", "e1--1", "e1-²", "e1-" + "9" * 40])
def test_an_id_that_is_not_of_this_run_is_none(event_id: str) -> None:
    feed = Feed(keep_count=3, epoch="e1")
    feed.publish("k", {})
    assert feed.cursor(event_id) is None


@given(keep=st.integers(1, 8), count=st.integers(0, 30), cursor=st.integers(0, 40))
def test_after_gives_exactly_what_is_kept_above_the_cursor(keep: int, count: int, cursor: int) -> None:
    feed = Feed(keep_count=keep, epoch="e")
    for _ in range(count):
        feed.publish("k", {})
    kept = range(max(1, count - keep + 1), count + 1)
    assert [event.seq for event in feed.after(cursor)] == [seq for seq in kept if seq > cursor]
