"""What sessions use together: the same sums whether one, many or none were measured again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.front.studio.totals import MOST_CHILDREN, Totals
from runtime.session.info import Vitals
from runtime.session.spec import SessionId

pytestmark = pytest.mark.unit

ONE, TWO, THREE = SessionId("one"), SessionId("two"), SessionId("three")


def vitals(cpu_s: float = 0.0, rss_bytes: int = 0, pss_bytes: int = 0, children: int = 0) -> Vitals:
    return Vitals(cpu_s=cpu_s, rss_bytes=rss_bytes, pss_bytes=pss_bytes, children=children)


def test_a_share_is_what_was_used_since_it_was_asked_for() -> None:
    totals = Totals()
    totals.take(ONE, "/chat", vitals(1.0))
    totals.take(TWO, "/chat", vitals(1.0))
    assert totals.cpu(2.0) == {"/chat": 1.0}
    totals.take(ONE, "/chat", vitals(1.5))
    totals.take(ONE, "/chat", vitals(2.0))
    assert totals.cpu(2.0) == {"/chat": 0.5}
    assert totals.cpu(2.0) == {"/chat": 0.0}, "nobody was measured, nobody did anything"
    totals.keep_only(())
    assert totals.cpu(2.0) == {}


def test_what_the_unread_share_is_taken_from_their_like() -> None:
    totals = Totals()
    totals.take(ONE, "/chat", vitals(rss_bytes=100, pss_bytes=40))
    totals.take(TWO, "/chat", vitals(rss_bytes=100))
    totals.take(THREE, "/other", vitals(rss_bytes=100))
    assert totals.saved_bytes == 120


def test_the_unread_are_read_first_then_each_in_turn_and_large_trees_never() -> None:
    totals = Totals()
    for session in (ONE, TWO):
        totals.take(session, "/chat", vitals(rss_bytes=100))
    totals.take(THREE, "/chat", vitals(rss_bytes=100, children=MOST_CHILDREN + 1))
    assert (totals.to_read(1), totals.to_read(5)) == ([ONE], [ONE, TWO])
    for session in (ONE, TWO):
        totals.take(session, "/chat", vitals(rss_bytes=100, pss_bytes=1))
    assert totals.to_read(5) == [ONE]
    totals.take(ONE, "/chat", vitals(rss_bytes=100, pss_bytes=1))
    assert totals.to_read(5) == [TWO]


SESSIONS = st.sampled_from([ONE, TWO, THREE])
READINGS = st.tuples(SESSIONS, st.sampled_from(["/a", "/b"]), st.integers(0, 9), st.booleans())


@given(st.lists(READINGS | SESSIONS))
def test_the_sums_are_those_of_the_sessions_that_are_there(
    steps: list[tuple[SessionId, str, int, bool] | str],
) -> None:
    totals, there = Totals(), {}
    for step in steps:
        if isinstance(step, str):
            there.pop(step, None)
            totals.keep_only(there)
        else:
            session, name, rss_bytes, is_read = step
            totals.take(session, name, vitals(rss_bytes=rss_bytes, pss_bytes=int(is_read)))
            there[session] = (name, rss_bytes)
    expected: dict[str, int] = {}
    for name, rss_bytes in there.values():
        expected[name] = expected.get(name, 0) + rss_bytes
    assert totals.memory() == expected
