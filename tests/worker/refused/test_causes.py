"""What was refused that an exception came of."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from errno import EACCES, ENOENT, EPERM
from pathlib import Path

import pytest

from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.confinement.reach import Reach
from runtime.worker.refused import causes
from runtime.worker.refused.calls import Calls

pytestmark = pytest.mark.unit


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[Calls]:
    for name in ("own", "app", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").touch()
    (tmp_path / "app" / "link").symlink_to(tmp_path / "out" / "x")
    made = Calls(Reach(read=(str(tmp_path / "app"),), write=(str(tmp_path / "own"),)), Policy(Level.BASIC))
    causes.know(made)
    yield made
    causes._calls = None


def told(error: BaseException) -> str:
    found = causes.behind(error)
    return "" if found is None else f"{found.rule} {found.what}"


def denied(path: Path | str | None = None, errno: int = EACCES) -> OSError:
    return OSError(errno, "Permission denied", *([str(path)] if path else []))


def test_a_path_tells_what_is_not_granted_of_it(calls: Calls, tmp_path: Path) -> None:
    assert told(denied(tmp_path / "out" / "x")) == f"files.read {tmp_path}/out/x"
    assert told(denied(tmp_path / "app" / "link")) == f"files.read {tmp_path}/out/x"
    assert told(denied(tmp_path / "app" / "x")) == f"files.write {tmp_path}/app/x"
    assert told(denied(tmp_path / "app" / "new")) == f"files.write {tmp_path}/app/new"
    assert told(denied(tmp_path / "own" / "x")) == "", "that is its owner's doing"
    assert told(denied(tmp_path / "out" / "x", ENOENT)) == ""
    assert told(ValueError("no")) == ""


def test_what_was_seen_knows_better_than_the_path(calls: Calls, tmp_path: Path) -> None:
    calls.account.note("files.write", f"{tmp_path}/out/x")
    assert told(denied(tmp_path / "out" / "x")) == f"files.write {tmp_path}/out/x"


def test_an_error_without_a_path_is_about_what_was_refused_just_before(calls: Calls) -> None:
    assert told(denied(None, EPERM)) == ""
    calls.account.note("processes.signal", "process 1")
    assert told(PermissionError(EPERM, "Operation not permitted")) == "processes.signal process 1"
    assert told(RuntimeError("cannot open: Permission denied")) == "processes.signal process 1"
    assert told(RuntimeError("cannot open")) == ""


def test_causes_contexts_and_groups_are_looked_through(calls: Calls, tmp_path: Path) -> None:
    inner = denied(tmp_path / "out" / "x")
    outer = RuntimeError("the tool failed")
    outer.__cause__ = inner
    inner.__context__ = outer  # a circle
    assert told(ExceptionGroup("several", [ValueError("a"), outer])) == f"files.read {tmp_path}/out/x"


def test_a_database_that_cannot_be_written_is_the_one_that_was_opened(calls: Calls, tmp_path: Path) -> None:
    for name in ("app/x", "own/y", "out/z"):
        calls.hook("sqlite3.connect", (str(tmp_path / name),))
    calls.hook("sqlite3.connect", (f"file:{tmp_path}/out/read?mode=ro",))
    error = sqlite3.OperationalError("attempt to write a readonly database")
    assert told(error) == f"files.write {tmp_path}/out/z"
    assert told(sqlite3.OperationalError("no such table: t")) == ""
    found, _ = calls.account.take()
    assert [one.what for one in found] == [f"{tmp_path}/out/z"], "one that is there may be meant to be read"


def test_an_exception_that_resists_explains_nothing(calls: Calls) -> None:
    class Hostile(OSError):
        @property
        def errno(self) -> int:  # type: ignore[override]
            raise SystemError

    assert causes.behind(Hostile()) is None


def test_where_nothing_is_held_back_nothing_was_refused(tmp_path: Path) -> None:
    assert causes.behind(denied("/etc/shadow")) is None
