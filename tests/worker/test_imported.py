"""Which files are told to be a program's code, and that telling them never ends a session's pulse."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from runtime.process.plumbing import Box
from runtime.wire import control
from runtime.worker.heartbeat import beat_for_ever
from runtime.worker.program.imported import Later, Misses, files

pytestmark = pytest.mark.unit

NO_TEXT = os.fsdecode(b"/srv/agents-\xff/tools.py")


def imported(monkeypatch: pytest.MonkeyPatch, *paths: str) -> None:
    for number, path in enumerate(paths):
        module = ModuleType(f"imported_{number}")
        module.__file__ = path
        monkeypatch.setitem(sys.modules, module.__name__, module)


def test_a_name_that_is_no_text_is_left_out_of_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    later = Later()
    misses = Misses(Path(NO_TEXT).parent)
    misses.find_spec("missing_one", None)
    imported(monkeypatch, NO_TEXT, "/srv/agents/tools.py")
    at_once = files(misses)
    assert at_once["/srv/agents"] == ["tools.py"]
    assert os.path.dirname(NO_TEXT) not in at_once
    assert later.files() == {"/srv/agents": ["tools.py"]}
    control.encode(control.Imported(at_once))


def test_a_relative_name_in_a_folder_that_is_gone_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    later = Later()
    gone = tmp_path / "gone"
    gone.mkdir()
    imported(monkeypatch, "tools.py", "/srv/agents/tools.py")
    with contextlib.chdir(gone):
        gone.rmdir()
        found = later.files()
    assert found == {"/srv/agents": ["tools.py"]}


@pytest.mark.asyncio
async def test_the_pulse_outlives_what_is_done_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    beats = asyncio.Semaphore(0)

    class Counted:
        def beat(self, *_: Any) -> None:
            beats.release()

    def fails() -> None:
        raise FileNotFoundError

    box: Box = Counted()  # type: ignore[assignment]
    beating = asyncio.create_task(beat_for_ever(box, 0.001, fails))
    async with asyncio.timeout(5):
        for _ in range(3):
            await beats.acquire()
    beating.cancel()
