"""Keys of a real terminal, also when it goes away."""

from __future__ import annotations

import os
import pty
import sys
import termios
from collections.abc import Iterator

import pytest

from runtime.cli.keys import QUIT, Keys

pytestmark = pytest.mark.process


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other side of a terminal that is standard input."""
    outer, inner = pty.openpty()
    stdin = os.fdopen(inner, "r")
    monkeypatch.setattr(sys, "stdin", stdin)
    yield outer
    stdin.close()
    try:
        os.close(outer)
    except OSError:
        pass  # the test closed it


def test_a_key_is_read_without_enter(terminal: int) -> None:
    with Keys() as keys:
        os.write(terminal, b"K")
        assert keys.wait(5) == "k"
        assert keys.wait(0) == ""


def test_a_key_that_was_pressed_before_is_read(terminal: int) -> None:
    os.write(terminal, b"c")
    with Keys() as keys:
        with keys as same:
            os.write(terminal, b"k")
            assert same.wait(5) + same.wait(5) == "ck"
        assert termios.tcgetattr(sys.stdin)[3] & termios.ICANON, "given back"


def test_a_terminal_that_is_gone_means_quit(terminal: int) -> None:
    with Keys() as keys:
        os.close(terminal)
        assert keys.wait(5) == QUIT
