from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from runtime.front.access.browser_sessions import (
    BROWSER_SESSION_S,
    CODE_S,
    FILE,
    MAX_BROWSER_SESSIONS,
    MAX_CODES,
    BrowserSessions,
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
    browser_sessions = BrowserSessions(StoppedClock())
    code = browser_sessions.code()
    visit = browser_sessions.enter(code)
    assert visit is not None
    assert browser_sessions.knows(visit)
    assert browser_sessions.enter(code) is None
    assert browser_sessions.enter("wrong") is None
    assert browser_sessions.enter("x" * 100_000) is None


def test_a_code_is_good_for_ten_minutes() -> None:
    clock = StoppedClock()
    browser_sessions = BrowserSessions(clock)
    code, late = browser_sessions.code(), browser_sessions.code()
    clock.at += CODE_S - 1
    assert browser_sessions.enter(code)
    clock.at += 1
    assert browser_sessions.enter(late) is None


def test_open_codes_and_visits_are_bounded_and_the_oldest_go() -> None:
    browser_sessions = BrowserSessions(StoppedClock())
    codes = [browser_sessions.code() for _ in range(MAX_CODES + 1)]
    assert browser_sessions.enter(codes[0]) is None
    assert browser_sessions.enter(codes[1])
    begun = [browser_sessions.begin() for _ in range(MAX_BROWSER_SESSIONS + 1)]
    assert [browser_sessions.knows(visit) for visit in begun].count(True) == MAX_BROWSER_SESSIONS
    assert not browser_sessions.knows(begun[0])


def test_a_visit_ends_by_itself_or_when_it_is_left() -> None:
    clock = StoppedClock()
    browser_sessions = BrowserSessions(clock)
    short, long = browser_sessions.begin(), browser_sessions.begin()
    browser_sessions.leave(short)
    assert not browser_sessions.knows(short)
    browser_sessions.leave("never there")
    clock.at += BROWSER_SESSION_S
    assert not browser_sessions.knows(long)
    assert not browser_sessions.knows("")


def test_visits_outlive_the_server_and_their_file_holds_nothing_that_opens_a_door(tmp_path: Path) -> None:
    clock, file = StoppedClock(), tmp_path / FILE
    browser_sessions = BrowserSessions(clock, file=file)
    kept, left = browser_sessions.begin(), browser_sessions.begin()
    browser_sessions.leave(left)
    again = BrowserSessions(clock, file=file)
    assert again.knows(kept)
    assert not again.knows(left)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert kept not in file.read_text()
    assert not any(again.knows(known) for known in json.loads(file.read_text()))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": "b"}'])
def test_a_file_of_visits_that_cannot_be_read_is_no_visit(tmp_path: Path, text: str) -> None:
    file = tmp_path / FILE
    file.write_text(text)
    assert BrowserSessions(StoppedClock(), file=file).begin()


def test_a_browser_may_send_several_cookies_of_a_name() -> None:
    assert cookie_of("a=1; b=2; a=3;c", "a") == ["1", "3"]
    assert cookie_of("", "a") == []
