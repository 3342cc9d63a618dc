"""Environments are installed where the server of the same user looks for them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.cli.service import bundle
from runtime.front.home import state_folder

pytestmark = pytest.mark.process
NOBODY = 54321


@pytest.fixture
def volume() -> Iterator[Path]:
    """A container's volume, and the agents beside it; the volume has another user's journal."""
    folder = Path(tempfile.mkdtemp(prefix="bulkhead-test-"))
    folder.chmod(0o755)
    (folder / "agents").mkdir()
    (folder / "agents" / "main.py").touch()
    (folder / "state").mkdir()
    (folder / "state").chmod(0o1777)
    (folder / "state" / "journal.sqlite3").touch(0o400)
    yield folder
    shutil.rmtree(folder)


def test_where_a_folder_is_shared_they_are_in_the_users_part_of_it(volume: Path) -> None:
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.chdir(volume)
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
            agents, state = volume / "agents", volume / "state"
            _, listed, _ = bundle._found(agents, None, None, state, state_folder.where)
            _, installed, _ = bundle._found(agents, None, None, state, state_folder.claim)
            _, then, _ = bundle._found(agents, None, None, state, state_folder.where)
            os.write(writing, f"{listed} {installed} {then}".encode())
        except BaseException as error:  # noqa: BLE001 - told by the parent
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        said = told.read().split()
    os.waitpid(child, 0)
    uid = NOBODY if os.geteuid() == 0 else os.geteuid()
    own = f"{volume}/state/user-{uid}/environments"
    assert said == [f"{volume}/state/environments", own, own], said
