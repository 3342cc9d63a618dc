"""Rules that hold for every test: one marker each, nothing left behind by a test that starts processes."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psutil
import pytest

import runtime.logs  # noqa: F401  # before structlog, which would tell of exceptions by rich: slowly
from runtime.sdk import loading
from tests.patience import PATIENCE

# isort: split
import structlog

_PR_SET_CHILD_SUBREAPER = 36
_NOT_TESTED = pytest.StashKey[list[str]]()
LEVELS = ("unit", "process", "e2e")
# How long an example takes says what else this machine does, not what is wrong with what is tested.
hypothesis.settings.register_profile(
    "patient", deadline=None, max_examples=50, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")
# To leave uncounted what sessions share takes a bundle half of its start, and pays with many sessions: few
# tests have many.  Those that run Bulkhead without variables of ours, as a user does, have it.
os.environ.setdefault("BULKHEAD_SUPERVISOR_IMMORTAL", "0")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A run in the background of a shell ignores Ctrl-C, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_worker_afterwards() -> Iterator[None]:
    """A bundle that a test loads in this process makes a worker of it; the next test begins with none."""
    yield
    loading._is_worker = False


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Whoever sets up logging in this process leaves it as it was, and not on a stream of its own."""
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    levels = {name: logging.getLogger(name).level for name in ("asyncio", "hypercorn", "quart", "watchfiles")}
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)
    for name, value in levels.items():
        logging.getLogger(name).setLevel(value)


def pytest_configure(config: pytest.Config) -> None:
    """A test's own deadline grows with the patience of those within it."""
    if config.getoption("timeout", None) is None:
        config.option.timeout = float(config.getini("timeout")) * PATIENCE


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Group what was skipped by its reason; `pytest_unconfigure` says it last of all."""
    reasons = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in terminalreporter.getreports("skipped")
        if isinstance(report.longrepr, tuple)
    )
    terminalreporter.config.stash[_NOT_TESTED] = [f"{count} x {why}" for why, count in reasons.most_common()]


def pytest_unconfigure(config: pytest.Config) -> None:
    """The last line of a run: what was not tested, how often and why."""
    skipped = config.stash.get(_NOT_TESTED, [])
    if not skipped:
        return
    print("NOT TESTED: " + "; ".join(skipped))
    if file := os.environ.get("NOT_TESTED_FILE"):
        with open(file, "a") as lines:
            lines.writelines(f"NOT TESTED: {reason}\n" for reason in skipped)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run what takes a minute, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test says what it needs (unit, process, e2e), or collection fails; long ones are left out."""
    if not config.getoption("--long") and not any("::" in one for one in config.args):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip("LONG TESTS NOT RUN: make test-long does"))
    bare = [
        item.nodeid for item in items if sum(1 for level in LEVELS if item.get_closest_marker(level)) != 1
    ]
    if bare:
        listed = "\n  ".join(bare[:20])
        raise pytest.UsageError(
            f"each test needs exactly one of the markers {', '.join(LEVELS)}:\n  {listed}"
        )


async def _within(awaitable: Awaitable[object], seconds: float) -> object:
    async with asyncio.timeout(seconds * PATIENCE):
        return await awaitable


@pytest.fixture
def within():  # type: ignore[no-untyped-def]
    """``await within(seconds, awaitable)``: the one guard against waiting for ever."""

    async def guard(seconds: float, awaitable: Awaitable[object]) -> object:
        return await _within(awaitable, seconds)

    return guard


def _descriptors() -> set[str]:
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{fd} -> {os.readlink(f'/proc/self/fd/{fd}')}")
        except OSError:
            continue
    return found


def _told(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {process.status()} {' '.join(process.cmdline())}"
    except psutil.Error:
        return f"{process.pid} zombie or gone"


@pytest.fixture(autouse=True)
def leaves_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a `process` test: the same open descriptors, no child, no zombie."""
    if request.node.get_closest_marker("process") is None:
        yield
        return
    # A test that made this process a subreaper must not leave the orphans of the next one to it.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    before = _descriptors()
    children_before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    children = [
        child for child in psutil.Process().children(recursive=True) if child.pid not in children_before
    ]
    left = [_told(child) for child in children]
    assert not left, f"processes left behind: {left}"
    opened = _descriptors() - before
    deadline = time.monotonic() + 2 * PATIENCE
    while opened and time.monotonic() < deadline:
        time.sleep(0.02)  # a thread of a library may close its own a moment after it was told to end
        opened = _descriptors() - before
    assert not opened, f"descriptors left open: {sorted(opened)}"


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A fresh folder for the journal, rooms and threads of one server.

    Its path is short: private folders of sessions are in it, and pools of processes make sockets in those.
    """
    with tempfile.TemporaryDirectory(prefix="s", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
