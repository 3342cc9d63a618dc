"""Reading what faulthandler wrote."""

from __future__ import annotations

import pytest

from runtime.session.native import library_in, own_frame, threads_in, waits_in_python, was_waiting

pytestmark = pytest.mark.unit

STACK = """Fatal Python error: Segmentation fault

Thread 0x00007f (most recent call first):
  File "/srv/agents/other.py", line 9 in poll

Current thread 0x00008f (most recent call first):
  File "/opt/venv/lib/python3.11/site-packages/numpy/core/multiarray.py", line 5 in dot
  File "/srv/agents/main.py", line 41 in fast_sum
  File "/srv/agents/main.py", line 12 in start
  File "/usr/lib/python3.11/asyncio/events.py", line 80 in _run

Extension modules: numpy.core._multiarray_umath (total: 1)
"""


def test_the_thread_that_failed_comes_first() -> None:
    threads = threads_in(STACK)
    assert [len(frames) for frames in threads] == [4, 1]
    assert threads[0][1].where == "/srv/agents/main.py:41 in fast_sum"


def test_the_innermost_line_of_the_bundle_and_the_library_below_it() -> None:
    frame = own_frame(STACK, "/srv/agents")
    assert frame is not None
    assert (frame.line, frame.function) == (41, "fast_sum")
    assert library_in(STACK, "/srv/agents") == "numpy"


SERVING = """
  File "/opt/venv/lib/python3.11/site-packages/runtime/worker/bundle.py", line 120 in reached
  File "/opt/venv/lib/python3.11/site-packages/runtime/sdk/loading.py", line 103 in reached
  File "/opt/venv/lib/python3.11/site-packages/runtime/sdk/host.py", line 257 in run
  File "/srv/agents/main.py", line 50 in <module>
"""


def test_the_line_that_waits_in_run_is_not_where_it_failed() -> None:
    current = "Current thread 0x1 (most recent call first):"
    library = '\n  File "/opt/venv/lib/python3.11/site-packages/numpy/core/multiarray.py", line 5 in dot'
    own = '\n  File "/srv/agents/main.py", line 41 in fast_sum'
    assert own_frame(current + library + SERVING, "/srv/agents") is None
    frame = own_frame(current + library + own + SERVING, "/srv/agents")
    assert frame is not None
    assert frame.line == 41
    # The program's own loop, in which a session runs, had nothing to do.
    idle = (
        '\n  File "/usr/lib/python3.11/selectors.py", line 468 in select'
        '\n  File "/usr/lib/python3.11/asyncio/base_events.py", line 1884 in _run_once'
        '\n  File "/srv/agents/main.py", line 60 in <module>\n'
    )
    assert own_frame(current + idle, "/srv/agents") is None
    # A program that fails before it comes to run() fails at its own line.
    assert own_frame(f'{current}\n  File "/srv/agents/main.py", line 3 in <module>\n', "/srv/agents")


def test_a_standard_library_module_is_named_and_the_agents_own_line_is_not() -> None:
    stack = 'Current thread 0x1 (most recent call first):\n  File "{}", line 1 in f\n'
    assert library_in(stack.format("/usr/lib/python3.12/ctypes/__init__.py"), "/srv") == "ctypes"
    assert library_in(stack.format("/srv/main.py"), "/srv") == ""


def test_a_thread_that_waited_did_not_fail_by_itself() -> None:
    stack = (
        '{} 0x1 (most recent call first):\n  File "/usr/lib/python3.12/selectors.py", line 468 in select\n'
    )
    assert was_waiting(stack.format("Current thread"))
    assert library_in(stack.format("Current thread"), "/srv") == "selectors"
    # A library's own thread failed, and the one that is shown only stood by.
    assert not was_waiting(stack.format("Thread"))
    assert library_in(stack.format("Thread"), "/srv") == ""
    assert not was_waiting(STACK)
    assert not was_waiting("")


def test_only_a_wait_of_pythons_own_is_one_to_interrupt() -> None:
    stack = 'Current thread 0x1 (most recent call first):\n  File "{}", line 4 in wait\n'
    assert waits_in_python(stack.format("/usr/lib/python3.12/threading.py"))
    assert not waits_in_python(stack.format("/usr/lib/python3.12/site-packages/threading.py"))
    assert not waits_in_python(stack.format("/srv/main.py"))
    assert not waits_in_python(stack.replace("Current thread", "Thread").format("/lib/python3.12/socket.py"))
    assert not waits_in_python("")


def test_anything_else_is_survived() -> None:
    for text in (
        "",
        "\x00\x01",
        "File",
        'Current thread (most recent call first):\n  File "x',
        "x" * 100_000,
    ):
        assert own_frame(text, "/srv") is None
        assert library_in(text, "/srv") == ""


@pytest.mark.parametrize(
    ("file", "function", "waited"),
    [
        ("/usr/lib/python3.12/asyncio/runners.py", "run", True),
        ("/usr/lib/python3.12/asyncio/base_events.py", "run_until_complete", True),
        ("/srv/.venv/lib/python3.12/site-packages/uvloop/__init__.py", "run", True),
        ("/usr/lib/python3.12/asyncio/base_events.py", "_run_once", False),
        ("/srv/agents/main.py", "run", False),
    ],
)
def test_a_loop_of_native_code_waits_below_what_runs_it(file: str, function: str, waited: bool) -> None:
    stack = f'Current thread 0x1 (most recent call first):\n  File "{file}", line 3 in {function}\n'
    assert was_waiting(stack) is waited
