"""The table of failures: every cell of it, as its module's text draws it."""

from __future__ import annotations

import errno
import re

import pytest

from runtime.errors import (
    BundleError,
    BundleImportFailed,
    ConfigError,
    EnvironmentUnusable,
    GrantMissing,
    SpawnFailed,
    SystemShort,
    ZygoteLost,
    ZygoteSilent,
)
from runtime.supervisor import failures
from runtime.supervisor.failures import TABLE, Cause, Phase, Then, Tries, cause_of, delays, then

pytestmark = pytest.mark.unit

DRAWN = re.compile(
    r"^    ([A-Z]+) +((?:again|next|edit|end|leave)(?: +(?:again|next|edit|end|leave)){4})", re.M
)


def test_the_table_is_whole_and_drawn_as_it_is() -> None:
    assert failures.__doc__ is not None
    drawn = {Cause[name]: row.split() for name, row in DRAWN.findall(failures.__doc__)}
    assert set(drawn) == set(Cause)
    header = re.search(r"Phase +(.*)", failures.__doc__)
    assert header is not None
    assert header[1].split() == [phase.name for phase in Phase]
    for cause, row in drawn.items():
        assert [Then(word) for word in row] == [TABLE[cause, phase] for phase in Phase]


def test_nothing_that_may_pass_is_given_up() -> None:
    for phase in Phase:
        assert TABLE[Cause.SHORT, phase] is Then.AGAIN
    for cause in Cause:  # nothing serves: whatever it was, it is tried until something does
        assert TABLE[cause, Phase.LOST] is Then.AGAIN


def caused_by(cause: Exception, error: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        *((OSError(number, "no"), Cause.SHORT) for number in (errno.EMFILE, errno.ENFILE, errno.ENOSPC)),
        (BlockingIOError(errno.EAGAIN, "no"), Cause.SHORT),
        (OSError(errno.ENOMEM, "no"), Cause.SHORT),
        (MemoryError(), Cause.SHORT),
        (RuntimeError("can't start new thread"), Cause.SHORT),
        (SystemShort("processes", "no"), Cause.SHORT),
        (ZygoteLost("gone"), Cause.GONE),
        (ZygoteSilent("silent"), Cause.GONE),
        (BundleImportFailed("not imported within 60 s"), Cause.WORLD),
        *(
            (BundleImportFailed("no", kind=kind), Cause.WORLD)
            for kind in ("FileNotFoundError", "ConnectionRefusedError", "TimeoutError", "MemoryError",
                         "OperationalError", "ConnectError")
        ),
        *(
            (BundleImportFailed("no", kind=kind), Cause.EDIT)
            for kind in ("SyntaxError", "NameError", "ModuleNotFoundError", "KeyError", "SystemExit",
                         "BundleError", "ConfigError", "EndpointConflict")
        ),
        (BundleError("asks for too much"), Cause.EDIT),
        (GrantMissing("asks for what is not there yet"), Cause.WORLD),
        (caused_by(OSError(errno.EACCES, "no"), BundleError("gets no folder")), Cause.WORLD),
        (ConfigError("no"), Cause.EDIT),
        (SpawnFailed("no such interpreter"), Cause.EDIT),
        (EnvironmentUnusable("not installed"), Cause.EDIT),
        (OSError(errno.EIO, "no"), Cause.UNFORESEEN),
        (OSError(errno.EPIPE, "no"), Cause.UNFORESEEN),
        (RuntimeError("whatever"), Cause.UNFORESEEN),
    ],
)  # fmt: skip
def test_causes(error: Exception, cause: Cause) -> None:
    assert cause_of(error) is cause
    assert then(error, Phase.FIRST) is TABLE[cause, Phase.FIRST]


def test_tries_wait_longer_and_longer_and_another_cause_begins_anew() -> None:
    tries = Tries()
    short, other = SystemShort("memory", "no"), BundleImportFailed("no")
    assert [tries.failed(short) for _ in range(4)] == [0.1, 0.2, 0.4, 0.8]
    assert [tries.failed(other) for _ in range(2)] == [0.5, 1.0]
    tries.succeeded()
    assert tries.failed(other) == 0.5
    for cause in Cause:
        assert max(delays(cause).after(0) for _ in range(1)) < 1
    assert max(tries.failed(short) for _ in range(20)) == 5.0


def test_a_lack_is_remembered_for_longer_than_the_longest_wait_for_it() -> None:
    from runtime.supervisor.shortages import HOLD_S

    assert delays(Cause.SHORT).most_s < HOLD_S
