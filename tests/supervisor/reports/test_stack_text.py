"""Stacks of threads and tasks as one text."""

from __future__ import annotations

import pytest

from runtime.supervisor.reports.stack_text import fatal_part, stacks_text
from runtime.wire.trace import TaskTrace

pytestmark = pytest.mark.unit

THREADS = 'Current thread 0x1 (most recent call first):\n  File "main.py", line 1 in f\n'
FATAL = f"Fatal Python error: Segmentation fault\n\n{THREADS}"


def test_tasks_come_first_and_say_what_they_do() -> None:
    tasks = [TaskTrace("a", running=True, frames=["main.py:1 in f"]), TaskTrace("b", "Future")]
    assert stacks_text(THREADS, tasks) == (
        f"Task a is running\n  main.py:1 in f\n\nTask b waits for Future\n\n{THREADS}"
    )


def test_no_answer_is_not_taken_for_no_tasks() -> None:
    assert stacks_text(THREADS, []) == THREADS
    assert "tasks are not known" in stacks_text(THREADS, None)
    assert stacks_text("", None) == ""


def test_what_a_worker_sends_is_bounded_and_redacted() -> None:
    long = "x" * 100_000
    text = stacks_text("", [TaskTrace(long, long, [long] * 100)] * 1000)
    assert len(text) < 40 * 13 * 310
    assert "sk-" not in stacks_text("", [TaskTrace("sk-0123456789abcdef0123456789")])


def test_only_what_belongs_to_the_end_is_shown_of_it() -> None:
    assert fatal_part(THREADS, was_asked=False) == ""
    assert fatal_part(THREADS, was_asked=True) == THREADS
    assert fatal_part(THREADS + FATAL, was_asked=False) == FATAL
