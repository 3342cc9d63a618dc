from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from runtime.front.access.browser_sessions import (
    CODE_S,
    FILE,
    MAX_CODES,
    MAX_VISITS,
    VISIT_S,
    Visits,
    cookie_of,
)

pytestmark = pytest.mark.unit


class StoppedClock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at


def test_a_code_is_good_once() -> None:
    visits = Visits(StoppedClock())
    code = visits.code()
    visit = visits.enter(code)
    assert visit is not None
    assert visits.knows(visit)
    assert visits.enter(code) is None
    assert visits.enter("wrong") is None
    assert visits.enter("x" * 100_000) is None


def test_a_code_is_good_for_ten_minutes() -> None:
    clock = StoppedClock()
    visits = Visits(clock)
    code, late = visits.code(), visits.code()
    clock.at += CODE_S - 1
    assert visits.enter(code)
    clock.at += 1
    assert visits.enter(late) is None


def test_open_codes_and_visits_are_bounded_and_the_oldest_go() -> None:
    visits = Visits(StoppedClock())
    codes = [visits.code() for _ in range(MAX_CODES + 1)]
    assert visits.enter(codes[0]) is None
    assert visits.enter(codes[1])
    begun = [visits.begin() for _ in range(MAX_VISITS + 1)]
    assert [visits.knows(visit) for visit in begun].count(True) == MAX_VISITS
    assert not visits.knows(begun[0])


def test_a_visit_ends_by_itself_or_when_it_is_left() -> None:
    clock = StoppedClock()
    visits = Visits(clock)
    short, long = visits.begin(), visits.begin()
    visits.leave(short)
    assert not visits.knows(short)
    visits.leave("never there")
    clock.at += VISIT_S
    assert not visits.knows(long)
    assert not visits.knows("")


def test_visits_outlive_the_server_and_their_file_holds_nothing_that_opens_a_door(tmp_path: Path) -> None:
    clock, file = StoppedClock(), tmp_path / FILE
    visits = Visits(clock, file=file)
    kept, left = visits.begin(), visits.begin()
    visits.leave(left)
    again = Visits(clock, file=file)
    assert again.knows(kept)
    assert not again.knows(left)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert kept not in file.read_text()
    assert not any(again.knows(known) for known in json.loads(file.read_text()))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": "b"}'])
def test_a_file_of_visits_that_cannot_be_read_is_no_visit(tmp_path: Path, text: str) -> None:
    file = tmp_path / FILE
    file.write_text(text)
    assert Visits(StoppedClock(), file=file).begin()


def test_a_browser_may_send_several_cookies_of_a_name() -> None:
    assert cookie_of("a=1; b=2; a=3;c", "a") == ["1", "3"]
    assert cookie_of("", "a") == []
