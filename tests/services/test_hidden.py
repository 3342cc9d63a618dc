"""A secret that is kept here stands in no line of the server's log and in no line of a session."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import logs
from runtime.session.redaction import HIDDEN, MAX_HIDDEN, MAX_HIDDEN_OF_ROOMS, Hidden
from runtime.session.spec import SessionId
from runtime.settings import LogSettings
from runtime.supervisor.logbook import LogShelf

SECRET = 's3cr3t-välue"with-quotes'


@pytest.mark.unit
def test_it_is_hidden_as_it_is_as_json_and_line_by_line() -> None:
    hidden = Hidden()
    hidden.learn([SECRET, "-----BEGIN KEY-----\nabcdefghijklmnopqrstuv\n-----END KEY-----\n", "short"])
    told = f"{SECRET} {json.dumps(SECRET)} abcdefghijklmnopqrstuv short"
    assert hidden.text(told) == f'{HIDDEN} "{HIDDEN}" {HIDDEN} short'


@pytest.mark.unit
def test_what_was_set_last_is_hidden_and_the_rest_is_bounded() -> None:
    hidden = Hidden()
    hidden.learn(f"value-{number:06}" for number in range(MAX_HIDDEN + 10))
    assert len(list(hidden)) == MAX_HIDDEN
    assert hidden.text("value-000000") == "value-000000"
    assert hidden.text(f"value-{MAX_HIDDEN + 9:06}") == HIDDEN


@pytest.mark.unit
def test_what_participants_keep_pushes_out_their_own_alone_and_is_no_plain_word() -> None:
    hidden = Hidden()
    hidden.learn([SECRET])
    hidden.learn_of_room(["connection", "short-1", *(f"room-{n:06}" for n in range(MAX_HIDDEN_OF_ROOMS + 1))])
    assert (
        hidden.text(f"connection short-1 room-000000 {SECRET}") == f"connection short-1 room-000000 {HIDDEN}"
    )
    assert hidden.text(f"room-{MAX_HIDDEN_OF_ROOMS:06}") == HIDDEN
    assert next(iter(hidden)) == SECRET or SECRET in json.loads(f'"{next(iter(hidden))}"')
    hidden.learn_of_room([f"{SECRET}-and-more"])
    assert hidden.text(f"{SECRET}-and-more") == HIDDEN


@pytest.mark.unit
@pytest.mark.usefixtures("logging_as_before")
def test_nobody_hides_a_line_by_keeping_what_it_is_called() -> None:
    hidden, stream = Hidden(), io.StringIO()
    hidden.learn_of_room(["session.exited", "s_0123456789"])
    logs.configure(LogSettings(format="json"), stream=stream)
    logs.hide_by(hidden.plain)
    try:
        logs.get_logger("test").info("session.exited", session_id="s_0123456789", text="s_0123456789")
    finally:
        logs.hide_by(None)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["session_id"], line["text"]) == ("session.exited", "s_0123456789", HIDDEN)


@pytest.mark.unit
@given(
    values=st.lists(st.text(min_size=6, max_size=12), max_size=4),
    around=st.text(max_size=10),
)
def test_no_value_is_left_in_a_text(values: list[str], around: str) -> None:
    hidden = Hidden()
    hidden.learn(values)
    shown = hidden.text(around.join(["", *values, ""]))
    for value in values:
        if len(value.strip()) >= 6 and HIDDEN not in value and value.strip() not in HIDDEN.join(["", "", ""]):
            assert value.strip() not in shown.replace(HIDDEN, "\0")


@pytest.mark.unit
@pytest.mark.usefixtures("logging_as_before")
def test_a_line_of_the_log_shows_none_of_it_wherever_it_stands() -> None:
    hidden, stream = Hidden(), io.StringIO()
    hidden.learn([SECRET])
    logs.configure(LogSettings(format="json"), stream=stream)
    logs.hide_by(hidden.plain)
    try:
        log = logs.get_logger("test")
        log.info("a.happened", text=f"x {SECRET}", deep={"a": [SECRET, 1]}, count=3)
        try:
            raise ValueError(SECRET)
        except ValueError:
            log.exception("b.happened")
    finally:
        logs.hide_by(None)
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["text"], first["deep"], first["count"]) == (f"x {HIDDEN}", {"a": [HIDDEN, 1]}, 3)
    assert HIDDEN in second["exception"]
    assert "s3cr3t" not in stream.getvalue()


@pytest.mark.unit
def test_a_line_of_a_session_shows_none_of_it() -> None:
    hidden = Hidden()
    book = LogShelf(max_lines=10, max_bytes=1 << 20, hidden=hidden).book(SessionId("s_1"), set(), 1)
    hidden.learn([SECRET])
    lines = [f"it is {SECRET}", json.dumps({"event": "a.b", "level": "info", "key": SECRET})]
    assert all("s3cr3t" not in repr(book.write(line, at=0.0)) for line in lines)
    assert [HIDDEN in repr(line) for line in book.after(0)] == [True, True]
