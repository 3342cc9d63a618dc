"""Which database it was that a program could not open while it was imported."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.confinement.reach import Reach
from runtime.confinement.refusal import FILES_WRITE, Refusal
from runtime.worker.refused import causes
from runtime.worker.refused.calls import Calls
from runtime.worker.refused.database import named_in

pytestmark = pytest.mark.unit


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    for name in ("data", "own"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    return Calls(Reach(read=(str(tmp_path),), write=(str(tmp_path / "own"),)), Policy(Level.BASIC))


def error_of(program: str) -> BaseException:
    """What comes of a program that opens a database: the last line of it."""
    refused = sqlite3.OperationalError("unable to open database file")
    try:
        exec(f"from pathlib import Path\n{program}\nraise error", {"error": refused})
    except sqlite3.OperationalError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("program", "named"),
    [
        ('FILE = "data/x.db"', "data/x.db"),
        ('Path("data") / "x.sqlite3"', "data/x.sqlite3"),
        ('FILE = Path("data", "x.db")', "data/x.db"),
        ('FILE = "x.db"', "x.db"),
        ('HERE = Path("own"); HERE / "x.db"', "x.db"),
    ],
)
def test_it_is_what_the_lines_name(calls: Calls, tmp_path: Path, program: str, named: str) -> None:
    assert named_in(error_of(program), calls) == Refusal(FILES_WRITE, str(tmp_path / named))


@pytest.mark.parametrize(
    "program", ["1", 'FILE = "missing/x.db"', 'FILE = "own/x.db"', 'FILE = "data/notes.txt"']
)
def test_it_is_nothing_that_may_be_written_or_is_no_database(calls: Calls, program: str) -> None:
    assert named_in(error_of(program), calls) is None


def test_it_is_asked_for_as_long_as_nobody_sees_the_calls(
    calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(causes, "_calls", calls)
    monkeypatch.setattr(causes, "_hears", False)
    assert causes.behind(error_of('FILE = "data/x.db"')) == Refusal(FILES_WRITE, f"{tmp_path}/data/x.db")
    monkeypatch.setattr(causes, "_hears", True)
    assert causes.behind(error_of('FILE = "data/x.db"')) is None, "then it was noted, or was not refused"
