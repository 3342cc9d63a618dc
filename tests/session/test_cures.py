"""Every way to end has its sentence and its cure."""

from __future__ import annotations

import pytest

from runtime.session.cures.of_ends import Case, cure_for, sentence_for
from runtime.session.cures.of_errors import cure_of_error
from runtime.session.exit_reasons import ExitReason

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("reason", list(ExitReason))
def test_every_reason_is_told_with_nothing_known_and_with_a_message(reason: ExitReason) -> None:
    assert sentence_for(Case(reason=reason))
    assert cure_for(Case(reason=reason))
    if reason not in (ExitReason.EXIT, ExitReason.SIGNAL):
        assert "the details" in sentence_for(Case(reason=reason, said="the details")).lower()


@pytest.mark.parametrize("number", [4, 6, 7, 8, 9, 11, 15, 24, 25, 31])
def test_a_signal_is_named(number: int) -> None:
    case = Case(reason=ExitReason.SIGNAL, signal=number)
    assert f"signal {number}" in sentence_for(case)
    assert cure_for(case) != ExitReason.SIGNAL.row.cure


def test_an_unknown_signal_still_has_its_sentence() -> None:
    case = Case(reason=ExitReason.SIGNAL, signal=40, said="ended by signal 40")
    assert "signal 40" in sentence_for(case)
    assert cure_for(case) == ExitReason.SIGNAL.row.cure


def test_a_segmentation_fault_names_the_library() -> None:
    case = Case(reason=ExitReason.SIGNAL, signal=11, library="numpy")
    assert "below numpy" in sentence_for(case)
    assert "numpy" in cure_for(case)


def test_a_fault_that_came_to_one_that_waited_was_sent() -> None:
    case = Case(reason=ExitReason.SIGNAL, signal=11, library="selectors", was_waiting=True)
    assert "most likely sent from outside" in sentence_for(case)
    assert "who sent it" in cure_for(case)
    told = Case(reason=ExitReason.SIGNAL, signal=15, was_waiting=True)
    assert "outside (signal 15" in sentence_for(told)


@pytest.mark.parametrize(
    ("source", "cure"),
    [
        ("    time.sleep(60)", "await asyncio.sleep(…)"),
        ("    requests.get(url)", "asyncio.to_thread"),
        ("    subprocess.run(['x'])", "create_subprocess_exec"),
        ("    while True:", "asyncio.to_thread"),
    ],
)
def test_a_hang_says_what_to_write_instead(source: str, cure: str) -> None:
    assert cure in cure_for(Case(reason=ExitReason.HANG, source=source))


@pytest.mark.parametrize(
    ("kind", "bases", "message", "more", "cure"),
    [
        (
            "ModuleNotFoundError",
            (),
            "No module named 'yaml'",
            {"missing": "yaml"},
            "Write PyYAML into requirements.txt",
        ),
        ("ModuleNotFoundError", (), "No module named 'x'", {"missing": "x"}, "a file of yours"),
        ("KeyError", (), "'MY_KEY'", {"variable": "MY_KEY"}, "Set MY_KEY"),
        ("KeyError", (), "'id'", {}, ".get()"),
        ("OpenAIError", (), "The api_key client option must be set", {}, "OPENAI_API_KEY"),
        ("MyError", ("app.MyError", "openai.AuthenticationError"), "401", {}, "OPENAI_API_KEY"),
        ("ValidationError", ("jsonschema.exceptions.ValidationError",), "'x' is required", {}, "schema"),
        (
            "TypeError",
            (),
            "X.__init__() missing 1 required positional argument: 'a'",
            {"stage": "construct"},
            "defaults",
        ),
        ("TypeError", (), "object int can't be used in 'await' expression", {}, "await"),
        ("AttributeError", (), "'NoneType' object has no attribute 'x'", {}, "None"),
        ("RuntimeError", (), "asyncio.run() cannot be called from a running event loop", {}, "await"),
        ("OSError", (), "[Errno 24] Too many open files", {}, "files"),
        ("MemoryError", (), "", {}, "memory"),
        ("ConnectionRefusedError", ("ConnectionRefusedError", "ConnectionError"), "", {}, "Nobody listens"),
        ("SyntaxError", (), "invalid syntax", {}, "syntax"),
    ],
)
def test_common_mistakes_have_their_cure(
    kind: str, bases: tuple[str, ...], message: str, more: dict[str, str], cure: str
) -> None:
    assert cure in cure_of_error(kind, bases, message, **more)


def test_an_exception_nobody_knows_gets_the_cure_of_its_reason() -> None:
    case = Case(reason=ExitReason.AGENT_ERROR, kind="Odd", message="?")
    assert cure_for(case) == ExitReason.AGENT_ERROR.row.cure


def test_exit_without_a_line_is_told_apart_from_exit_with_one() -> None:
    silent = cure_for(Case(reason=ExitReason.EXIT, code=3))
    told = cure_for(Case(reason=ExitReason.EXIT, code=3, kind="SystemExit", where="main.py:3 in start"))
    assert silent.startswith("os._exit")
    assert "Return from start" in told
