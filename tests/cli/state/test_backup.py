"""Copying a state folder into a file, from under a running server too, and putting it back."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import stat
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runtime.files.removal import remove_folder
from runtime.front.home import backup as backing_up
from runtime.front.home import restore as restoring
from tests.cli.state.conftest import SECRET, SESSIONS, Home, sessions_of, stored_in
from tests.front.test_server_process import BUNDLE, running

pytestmark = pytest.mark.process

LAB = "rooms/data/lab/files"
ALL = [f"s_{number:04}" for number in range(1, SESSIONS + 1)]


@pytest.fixture
def saved(bulkhead: Any, home: Home, tmp_path: Path) -> Path:
    done = bulkhead("backup", str(tmp_path / "b.tgz"), "--state-dir", str(home.folder))
    assert done.status == 0, done.err
    return tmp_path / "b.tgz"


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): b"" if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


def services_of(folder: Path) -> dict[str, bytes]:
    """The services that a server would find in the folder, each with the value of its secret."""

    async def read() -> dict[str, bytes]:
        store = await stored_in(folder)
        try:
            found = {}
            for service in await store.services.listed():
                (newest,) = await store.services.history(service.id)
                ((secret_id, version),) = newest.secret_versions.items()
                found[service.name] = await store.secrets.value(secret_id, version)
            return found
        finally:
            await store.aclose()

    return asyncio.run(read())


def test_all_comes_back_private_and_only_what_belongs_in_it(
    bulkhead: Any, home: Home, saved: Path, tmp_path: Path
) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    done = bulkhead("restore", str(saved), "--state-dir", str(tmp_path / "new"))
    assert (done.status, "as they were at" in done.out) == (0, True), done.err
    new = tmp_path / "new"
    assert sessions_of(new) == ALL
    assert home.accepts(new)
    assert (new / "seal.key").read_bytes() == (home.folder / "seal.key").read_bytes()
    assert (new / "rooms/data/lab/files/diary ☂.txt").read_text() == "what people said"
    assert (new / "rooms/data/empty").is_dir()
    assert not (new / "rooms/data/lab/staging").exists()
    assert [path for path in (new, *new.rglob("*")) if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
    assert services_of(new) == {"greeter": SECRET}
    looked = bulkhead("doctor", "--state-dir", str(new))
    assert (looked.status, looked.err.strip()) == (0, "nothing is wrong"), looked.out


def test_tables_of_a_room_are_copied_with_what_is_not_in_their_file_yet(
    bulkhead: Any, home: Home, tmp_path: Path
) -> None:
    path = home.folder / "rooms/data/lab/tables/tables.sqlite3"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:  # somebody has it open, as a server would
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t(a)")
        db.execute("INSERT INTO t VALUES('written')")
        db.commit()
        file = str(tmp_path / "b.tgz")
        assert bulkhead("backup", file, "--state-dir", str(home.folder)).status == 0
    assert bulkhead("restore", file, "--state-dir", str(tmp_path / "new")).status == 0
    copied = tmp_path / "new/rooms/data/lab/tables"
    assert [one.name for one in copied.iterdir()] == ["tables.sqlite3"]
    with closing(sqlite3.connect(copied / "tables.sqlite3")) as db:
        assert db.execute("SELECT a FROM t").fetchall() == [("written",)]


def test_a_link_that_a_container_puts_in_the_place_of_a_file_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the moment between the look at the file and its reading."""
    folder = tmp_path / "unit/rooms/data/lab/files"
    folder.mkdir(parents=True)
    (folder / "note").write_text("mine")
    (tmp_path / "secret").write_text("the server's")
    tables_of = backing_up._tables_of

    def swapped(path: Path, unit: Path) -> Path | None:
        path.unlink()
        path.symlink_to(tmp_path / "secret")
        return tables_of(path, unit)

    monkeypatch.setattr(backing_up, "_tables_of", swapped)
    with backing_up._Packing(io.BytesIO(), at=0) as packing:
        backing_up._pack_rest(tmp_path / "unit", "", packing, tmp_path)
        told = packing.end()
    assert (told.file_count, told.skipped) == (0, ["rooms/data/lab/files/note"])


def test_what_a_container_leaves_among_the_files_of_a_room_keeps_none_from_being_saved(
    bulkhead: Any, home: Home, tmp_path: Path
) -> None:
    files = home.folder / "rooms/data/lab/files"
    files.mkdir(parents=True, exist_ok=True)
    (files / "zz").write_text("mine")
    Path(os.fsdecode(os.fsencode(files) + b"/not-\xff")).write_text("x")
    with (files / "hollow").open("w") as hollow:
        hollow.truncate(1 << 42)
    deep = os.open(files, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=deep)
        inner = os.open("deep", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(deep)
    if os.geteuid():  # nothing is closed to root
        (files / "closed").mkdir(0)
        (files / "closed-file").touch(0)
    file = str(tmp_path / "b.tgz")
    made = bulkhead("backup", file, "--state-dir", str(home.folder))
    assert made.status == 0, made.err
    for name in ("not-", "hollow", "deep/deep"):
        assert f"left out, because it is no regular file that can be read and named: {LAB}/{name}" in made.err
    assert bulkhead("restore", file, "--state-dir", str(tmp_path / "new")).status == 0
    assert (tmp_path / "new" / LAB / "zz").read_text() == "mine"
    remove_folder(home.folder)  # whoever removes the test's folder would follow it down


def test_a_file_that_is_there_is_kept_unless_it_is_forced(bulkhead: Any, home: Home, saved: Path) -> None:
    before = saved.read_bytes()
    refused = bulkhead("backup", str(saved), "--state-dir", str(home.folder))
    assert (refused.status, "is there already" in refused.err) == (2, True)
    assert saved.read_bytes() == before
    assert bulkhead("backup", str(saved), "--state-dir", str(home.folder), "--force").status == 0


def test_a_folder_with_state_is_not_replaced_unasked_and_then_moved_aside(
    bulkhead: Any, home: Home, saved: Path
) -> None:
    (home.folder / "environments").mkdir()
    diary = home.folder / "rooms/data/lab/files/diary ☂.txt"
    diary.write_text("newer")
    before = tree(home.folder)
    refused = bulkhead("restore", str(saved), "--state-dir", str(home.folder))
    assert (refused.status, "has state already" in refused.err, "--force" in refused.err) == (1, True, True)
    assert tree(home.folder) == before
    done = bulkhead("restore", str(saved), "--state-dir", str(home.folder), "--force")
    assert done.status == 0, done.err
    assert diary.read_text() == "what people said"
    (aside,) = home.folder.glob("before-restore-*")
    assert (aside / "rooms/data/lab/files/diary ☂.txt").read_text() == "newer"
    assert (home.folder / "environments").is_dir(), "they are in no backup"
    assert sessions_of(home.folder) == sessions_of(aside) == ALL


def test_programs_that_serve_themselves_have_their_state_in_it_too(
    bulkhead: Any, home: Home, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "hosts").mkdir(parents=True)
    home.folder.rename(other / "hosts" / "main")
    assert bulkhead("backup", str(tmp_path / "b"), "--state-dir", str(other)).status == 0
    assert bulkhead("restore", str(tmp_path / "b"), "--state-dir", str(tmp_path / "new")).status == 0
    assert sessions_of(tmp_path / "new" / "hosts" / "main") == ALL


# ---- what is no backup, or not for here


def members(path: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(path) as tar:
        return [(one, b"" if (file := tar.extractfile(one)) is None else file.read()) for one in tar]


def packed(path: Path, held: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for member, raw in held:
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))


def with_manifest(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    held = members(path)
    told = json.loads(held[-1][1])
    change(told)
    packed(path, [*held[:-1], (held[-1][0], json.dumps(told).encode())])


def added(path: Path, name: str, kind: bytes = tarfile.REGTYPE, link: str = "", raw: bytes = b"evil") -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    raw = raw if kind == tarfile.REGTYPE else b""
    held = members(path)
    told = json.loads(held[-1][1])
    told["files"][name] = {"size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    packed(path, [*held[:-1], (member, raw), (held[-1][0], json.dumps(told).encode())])


def flipped(path: Path) -> None:
    held = members(path)
    number = next(n for n, (one, _) in enumerate(held) if one.name == "rooms/secret")
    held[number] = (held[number][0], b"x" * len(held[number][1]))
    packed(path, held)


def half_a_database(path: Path) -> None:
    held = members(path)
    number = next(n for n, (one, _) in enumerate(held) if one.name == "journal.sqlite3")
    raw = held[number][1][:4096] + b"\xa5" * (len(held[number][1]) - 4096)
    held[number] = (held[number][0], raw)
    told = json.loads(held[-1][1])
    told["files"]["journal.sqlite3"] = {"size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    packed(path, [*held[:-1], (held[-1][0], json.dumps(told).encode())])


def cut(path: Path, part: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda path: path.write_text("no backup at all" * 99), "is no backup"),
    "empty": (lambda path: path.write_bytes(b""), "is no backup"),
    "zipped text": (lambda path: path.write_bytes(gzip.compress(b"x" * 9999)), "is no backup"),
    "gone": (lambda path: path.unlink(), "cannot be read: No such file"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "cannot be read: Is a directory"),
    "cut in the middle": (lambda path: cut(path, 0.5), "is cut off"),
    "without its end": (lambda path: path.write_bytes(path.read_bytes()[:-4]), "is cut off"),
    "a wrong sum of all": (lambda path: path.write_bytes(path.read_bytes()[:-8] + b"12345678"), "CRC check"),
    "another secret": (flipped, "rooms/secret is not what was saved (its checksum is wrong)"),
    "one file less": (lambda path: packed(path, members(path)[1:]), "journal.sqlite3 is missing"),
    "one file more": (lambda path: packed(path, [members(path)[0], *members(path)]), "twice"),
    "no manifest": (lambda path: packed(path, members(path)[:-1]), "its manifest is missing"),
    "more behind it": (lambda path: packed(path, [members(path)[-1], members(path)[0]]), "more behind"),
    "another manifest": (lambda path: with_manifest(path, lambda told: told.pop("files")), "manifest cannot"),
    "other folders": (lambda path: with_manifest(path, lambda told: told["folders"].pop()), "its folders"),
    "a newer format": (
        lambda path: with_manifest(path, lambda t: t.update(format=2)),
        "newer version (format 2",
    ),
    "a newer schema": (
        lambda path: with_manifest(path, lambda told: told["schemas"].update({"journal.sqlite3": 99})),
        "has schema 99, this one knows",
    ),
    "a damaged database": (half_a_database, "is damaged: journal.sqlite3"),
    "out of the folder": (lambda path: added(path, "rooms/../../evil"), "which no backup has"),
    "an absolute path": (lambda path: added(path, "/tmp/evil"), "which no backup has"),
    "a link": (lambda path: added(path, "rooms/link", tarfile.SYMTYPE, "/etc"), "which no backup has"),
    "a hard link": (lambda path: added(path, "rooms/link", tarfile.LNKTYPE, "rooms/secret"), "no backup has"),
    "a device": (lambda path: added(path, "rooms/null", tarfile.CHRTYPE), "which no backup has"),
    "somebody else's file": (lambda path: added(path, "environments/x/bin/python"), "which no backup has"),
    "a program's key": (lambda path: added(path, "server.json"), "which no backup has"),
}


@pytest.mark.parametrize("how", WRONG)
def test_what_is_no_whole_backup_is_told_and_changes_nothing(
    bulkhead: Any, home: Home, saved: Path, tmp_path: Path, how: str
) -> None:
    damage, told = WRONG[how]
    damage(saved)
    before = tree(home.folder)
    for more in ([], ["--force"]):
        done = bulkhead("restore", str(saved), "--state-dir", str(home.folder), *more)
        if more or how != "a damaged database":
            assert done.status == 1
            assert told in done.err, done.err
            assert "defect of bulkhead" not in done.err
    done = bulkhead("restore", str(saved), "--state-dir", str(tmp_path / "new"))
    assert (done.status, told in done.err) == (1, True), done.err
    assert tree(home.folder) == before
    assert not (tmp_path / "new").exists()
    assert not Path("/tmp/evil").exists()


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(
    bulkhead: Any, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "SPARE_BYTES", 1 << 60)
    done = bulkhead("restore", str(saved), "--state-dir", str(tmp_path / "new"))
    assert (done.status, "MiB are free" in done.err) == (1, True)
    assert not (tmp_path / "new").exists()


def test_a_disk_that_is_full_on_the_way_leaves_all_as_it_was(
    bulkhead: Any, home: Home, saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    before = tree(home.folder)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        done = bulkhead("restore", str(saved), "--state-dir", str(home.folder), "--force")
        assert (done.status, "No space left" in done.err) == (1, True)
        made = bulkhead("backup", str(tmp_path / "c.tgz"), "--state-dir", str(home.folder))
        assert (made.status, "No space left" in made.err) == (1, True)
    assert tree(home.folder) == before
    assert list(tmp_path.glob("c.tgz*")) == []


def test_where_nothing_is_kept_there_is_nothing_to_back_up(bulkhead: Any, tmp_path: Path) -> None:
    done = bulkhead("backup", str(tmp_path / "b"), "--state-dir", str(tmp_path / "nowhere"))
    assert (done.status, "is no state folder" in done.err) == (2, True)
    done = bulkhead("backup", str(tmp_path), "--state-dir", str(tmp_path / "nowhere"))
    assert (done.status, "is a folder" in done.err) == (2, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
def test_a_folder_of_another_user_is_told(bulkhead: Any, home: Home) -> None:
    # Where that user could write neither the folder nor a file, nor put one of its own beside them.
    place = Path(tempfile.mkdtemp(prefix="bulkhead-test-"))
    place.chmod(0o755)
    state = home.folder.rename(place / "state")
    # What the commands import is imported before: that user may not be able to read it.
    assert bulkhead("backup", str(place / "b"), "--state-dir", str(state)).status == 0
    assert bulkhead("doctor", "--state-dir", str(state)).status == 0
    pid = os.fork()
    if pid == 0:
        os.chdir("/")
        os.setresuid(54321, 54321, 54321)
        os.environ["BULKHEAD_STATE_DIR"] = str(state)
        done, looked = bulkhead("backup", "/tmp/never.tgz"), bulkhead("doctor")
        told = [one.status == 1 and "belongs to user 0" in one.err for one in (done, looked)]
        os._exit(0 if all(told) else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    shutil.rmtree(place)
    assert status == 0


# ---- servers


@pytest.mark.asyncio
async def test_a_running_server_is_copied_and_one_that_was_killed_too(bulkhead: Any, tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "main.py").write_text(BUNDLE)
    state = tmp_path / "state"

    async def command(*argv: str) -> Any:
        return await asyncio.to_thread(bulkhead, *argv, "--state-dir", str(state))

    async with running(tmp_path) as server:
        called = [await server.call("/slow", **{"Webhook-Id": f"w{n}"}) for n in range(3)]
        done = await command("backup", str(tmp_path / "live.tgz"))
        assert done.status == 0, done.err
        assert list((state / "snapshots").iterdir()) == []
        refused = await command("restore", str(tmp_path / "live.tgz"), "--force")
        assert (refused.status, "a server uses" in refused.err) == (1, True)
        refused = await command("doctor", "--fix")
        assert (refused.status, "nothing was changed" in refused.err) == (1, True)
        looked = await command("doctor")
        assert (looked.status, "a server uses it" in looked.out) == (0, True)
        server.process.kill()
        await server.process.wait()
    killed = await command("backup", str(tmp_path / "killed.tgz"))
    assert killed.status == 0, killed.err
    for name in ("live", "killed"):
        argv = ("restore", str(tmp_path / f"{name}.tgz"), "--state-dir", str(tmp_path / name))
        assert (await asyncio.to_thread(bulkhead, *argv)).status == 0
        assert set(called) <= set(await asyncio.to_thread(sessions_of, tmp_path / name))
