"""What a reader of the log relies on: one JSON object a line, one stream, nothing unbounded, no escapes."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys

import pytest

from runtime.logs import MAX_VALUE_CHARS, configure, configure_worker, get_logger
from runtime.settings import LogSettings

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("logging_as_before")]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_pipe_gets_json_with_the_well_known_keys_first() -> None:
    stream = io.StringIO()
    configure(LogSettings(), stream=stream)
    get_logger("supervisor", session_id="s_1").info("worker.started", pid=7)
    (line,) = lines(stream)
    assert list(line)[:4] == ["timestamp", "level", "event", "logger"]
    assert list(line.values())[1:] == ["info", "worker.started", "supervisor", "s_1", 7]
    assert list(line)[4:] == ["session_id", "pid"]


def test_loggers_of_the_standard_library_come_out_of_the_same_stream() -> None:
    stream = io.StringIO()
    configure(LogSettings(), stream=stream)
    logging.getLogger("somebody").warning("late by %d ms", 3, extra={"peer": "10.0.0.1"})
    (line,) = lines(stream)
    seen = (line["event"], line["level"], line["logger"], line["peer"])
    assert seen == ("late by 3 ms", "warning", "somebody", "10.0.0.1")


def test_the_level_holds_for_both_kinds_of_logger() -> None:
    stream = io.StringIO()
    configure(LogSettings(level="warning"), stream=stream)
    get_logger("a").info("not.shown")
    logging.getLogger("b").info("not shown")
    get_logger("a").warning("was.shown")
    assert [line["event"] for line in lines(stream)] == ["was.shown"]


def test_what_watches_files_never_tells_of_a_write_to_the_log_itself() -> None:
    stream = io.StringIO()  # each such line would be the next such write
    configure(LogSettings(level="debug"), stream=stream)
    logging.getLogger("watchfiles.main").debug("all changes filtered out, raw_changes=log")
    assert stream.getvalue() == ""


def test_a_module_level_logger_follows_a_later_configure() -> None:
    log = get_logger("early")
    stream = io.StringIO()
    configure(LogSettings(), stream=stream)
    log.info("first.seen")
    second = io.StringIO()
    configure(LogSettings(), stream=second)
    log.info("second.seen")
    assert [line["event"] for line in lines(stream)] == ["first.seen"]
    assert [line["event"] for line in lines(second)] == ["second.seen"]


def test_an_exception_is_one_key_with_its_traceback() -> None:
    stream = io.StringIO()
    configure(LogSettings(), stream=stream)
    try:
        raise ValueError("no such thing")
    except ValueError:
        get_logger("a").exception("task.failed")
        logging.getLogger("b").exception("also here")
    for line in lines(stream):
        assert "ValueError: no such thing" in str(line["exception"])
        assert "exc_info" not in line


def test_a_value_has_a_bound() -> None:
    stream = io.StringIO()
    configure(LogSettings(), stream=stream)
    get_logger("a").info("value.seen", text="x" * (MAX_VALUE_CHARS + 5))
    (line,) = lines(stream)
    assert str(line["text"]).endswith("… (5 more characters)")
    assert len(str(line["text"])) < MAX_VALUE_CHARS + 40


def test_a_terminal_gets_lines_without_foreign_escape_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    configure(LogSettings(), stream=stream)
    get_logger("rooms").info("room.participant_joined", identity="\x1b[2Jevil\x9b1m\u2067")
    assert "room.participant_joined" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    assert "\x9b" not in stream.getvalue()
    assert "\\x1b[2Jevil\\x9b1m\\u2067" in stream.getvalue()


def test_the_format_can_be_forced_either_way() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    configure(LogSettings(format="json"), stream=terminal)
    get_logger("a").info("format.forced")
    assert lines(terminal)[0]["event"] == "format.forced"
    configure(LogSettings(format="console"), stream=pipe)
    get_logger("a").info("format.forced")
    with pytest.raises(json.JSONDecodeError):
        json.loads(pipe.getvalue())


def test_a_reader_who_left_does_not_break_the_writer() -> None:
    stream = io.StringIO()
    configure(LogSettings(), stream=stream)
    stream.close()
    get_logger("a").info("nobody.listened")


def test_what_json_cannot_say_is_shown_by_its_repr() -> None:
    stream = io.StringIO()
    configure(LogSettings(), stream=stream)
    get_logger("a").info("value.seen", path=sys, raw=b"\x00")
    assert "module 'sys'" in str(lines(stream)[0]["path"])


def test_a_worker_writes_json_and_every_line_carries_what_was_bound() -> None:
    stream = Terminal()
    configure_worker(stream, session_id="s_9", identity="chatbot")
    get_logger("agent").info("turn.finished")
    logging.getLogger("mine").info("hello")
    assert [(line["session_id"], line["identity"]) for line in lines(stream)] == [("s_9", "chatbot")] * 2


@pytest.mark.parametrize("loaded", ["rich", "quart"])
def test_importing_it_does_not_load_what_a_worker_must_not_pay_for(loaded: str) -> None:
    program = f"import sys, runtime.logs as l; l.configure_worker(); sys.exit({loaded!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=30).returncode == 0
