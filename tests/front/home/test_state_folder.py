"""The state folder: ignored by git where it is ours, and usable by whatever user the server runs as."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import ConfigError
from runtime.front.home import server_file, state_folder
from runtime.rooms.files import Files
from runtime.rooms.hub import RoomHub
from runtime.settings import load_settings

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
def open_umask() -> Iterator[None]:
    """Whatever is made without a mode is everybody's."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    found = {".": stat.S_IMODE(folder.stat().st_mode)}
    return found | {
        str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")
    }


@pytest.mark.process
def test_what_is_kept_is_nobody_elses_whatever_the_umask_is_or_was(tmp_path: Path, open_umask: None) -> None:
    folder = state_folder.claim(tmp_path / "new")
    RoomHub(state_dir=folder, secret="a-secret-of-at-least-thirty-two-bytes")
    Files(folder / "rooms/data/r/files", folder / "rooms/data/r/staged", max_bytes=1).prepare()
    assert {name for name, mode in modes(folder).items() if mode & 0o077} == {".gitignore"}
    # An older version left it open, and has everything.
    for made in ("rooms", "rooms/data", "rooms/data/r", "rooms/data/r/files"):
        (folder / made).chmod(0o777)
    for name in ("journal.sqlite3", "journal.sqlite3-wal", "server.json", "rooms/data/r/files/diary.txt"):
        (folder / name).touch()
    (folder / "environments").mkdir()
    (folder / "environments" / "python").touch(0o755)
    folder.chmod(0o777)
    state_folder.claim(folder)
    found = modes(folder)
    assert found.pop("environments/python") == 0o755, "a program of others is behind a folder that is closed"
    assert {name for name, mode in found.items() if mode & 0o077} == {".gitignore"}
    # One that `python main.py` has: all those above it, too.
    state_folder.claim(tmp_path / ".bulkhead" / "hosts" / "main")
    assert all(stat.S_IMODE(one.stat().st_mode) == 0o700 for one in (tmp_path / ".bulkhead").glob("hosts/**"))
    assert stat.S_IMODE((tmp_path / ".bulkhead").stat().st_mode) == 0o700


@pytest.mark.process
def test_a_folder_of_others_keeps_its_mode_and_what_is_kept_in_it_is_closed(
    tmp_path: Path, open_umask: None
) -> None:
    project, volume = tmp_path / "project", tmp_path / "volume"
    for folder in (project, volume):
        folder.mkdir()
        (folder / "server.json").touch()
        (folder / "rooms").mkdir()
    (project / "readme.txt").touch()
    (project / "server.txt").symlink_to(project / "readme.txt")
    volume.chmod(0o1777)
    for folder, mode in ((project, 0o777), (volume, 0o1777)):
        state_folder.claim(folder)
        found = modes(folder)
        assert (found["."], found["server.json"] & 0o077, found["rooms"]) == (mode, 0, 0o700)
    assert modes(project)["readme.txt"] == 0o666


@pytest.mark.process
def test_the_key_is_not_written_into_a_file_that_was_laid_out_for_it(tmp_path: Path) -> None:
    bait = tmp_path / "server.json.new"
    bait.touch(0o666)
    with bait.open() as reader:
        server_file.write(tmp_path, url="http://127.0.0.1:1", at=0.0, key="the-key")
        assert reader.read() == ""
    assert stat.S_IMODE((tmp_path / "server.json").stat().st_mode) == 0o600


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


@pytest.mark.unit
def test_users_of_bundles_may_pass_through_it_and_see_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path(".bulkhead", "hosts", "main")
    settings = load_settings(
        env={"BULKHEAD_STATE_DIR": str(folder), "BULKHEAD_CONFINEMENT_UIDS": "200000-265535"}
    )
    (folder / "environments").mkdir(parents=True)
    (folder / "rooms").mkdir()
    (folder / "server.json").touch()
    state_folder.claimed(settings)
    found = modes(tmp_path / ".bulkhead")
    assert {found[name] for name in (".", "hosts", "hosts/main", "hosts/main/environments")} == {0o711}
    assert (found["hosts/main/rooms"], found["hosts/main/server.json"]) == (0o700, 0o600)
    state_folder.claim(folder)
    assert modes(tmp_path / ".bulkhead")["hosts/main"] == 0o700
