"""The state folder: ignored by git where it is ours, and usable by whatever user the server runs as."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import ConfigError
from runtime.front.home import state_folder

NOBODY = 54321


@pytest.mark.unit
def test_what_it_makes_it_keeps_out_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert state_folder.claim(Path("made")) == Path("made")
    assert (tmp_path / "made" / ".gitignore").read_text().endswith("\n*\n")

    (tmp_path / "project").mkdir()
    state_folder.claim(tmp_path / "project")
    assert not list((tmp_path / "project").iterdir()), "a folder that was there may be anybody's"

    # An older version made it, or a program of `python main.py` is the first that needs it.
    (tmp_path / ".bulkhead").mkdir()
    state_folder.claim(tmp_path / ".bulkhead" / "hosts" / "main")
    assert (tmp_path / ".bulkhead" / ".gitignore").exists()
    assert not (tmp_path / ".bulkhead" / "hosts" / "main" / ".gitignore").exists()
    (tmp_path / ".bulkhead" / ".gitignore").write_text("mine\n")
    state_folder.claim(tmp_path / ".bulkhead")
    assert (tmp_path / ".bulkhead" / ".gitignore").read_text() == "mine\n"


@pytest.mark.unit
def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is no folder"):
        state_folder.claim(tmp_path / "file")


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that any user can reach, as a volume is."""
    folder = Path(tempfile.mkdtemp(prefix="bulkhead-test-"))
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


def claim_as_another(folder: Path) -> str:
    """What `claim` says to somebody who owns nothing there; root asks as a user without rights."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
            os.write(writing, str(state_folder.claim(folder)).encode())
        except ConfigError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        said = told.read()
    os.waitpid(child, 0)
    return said


@pytest.mark.process
def test_another_user_gets_a_folder_of_its_own_in_it(shared: Path) -> None:
    assert claim_as_another(shared) == str(shared), "a new volume is anybody's"
    (shared / "journal.sqlite3").touch(0o400)
    uid = NOBODY if os.geteuid() == 0 else os.geteuid()
    own = claim_as_another(shared)
    assert own == f"{shared}/user-{uid}"
    assert claim_as_another(shared) == own, "and finds it again"


@pytest.mark.process
def test_a_folder_that_cannot_be_written_is_an_error_with_its_cure(shared: Path) -> None:
    shared.chmod(0o555)
    told = claim_as_another(shared)
    assert "cannot write to the state folder" in told
    assert "chown -R" in told
    assert "BULKHEAD_STATE_DIR" in told
