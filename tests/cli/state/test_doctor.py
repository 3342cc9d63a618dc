"""What is wrong with a state folder is said with its cure, and mended where nothing is lost by it."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections import namedtuple
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import ConfigError
from runtime.front.home import machine
from runtime.rooms.hub import RoomHub
from tests.cli.state.conftest import Home, sessions_of

pytestmark = pytest.mark.process


def looked(bulkhead: Any, home: Home, *more: str) -> tuple[int, list[dict[str, str]]]:
    done = bulkhead("doctor", "--state-dir", str(home.folder), "-o", "json", *more)
    return done.status, json.loads(done.out)


def wrong(items: list[dict[str, str]]) -> list[dict[str, str]]:
    found = [item for item in items if item["state"] == "wrong"]
    assert all(item["cure"] for item in found)
    return found


def edit(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(sql)


def test_a_folder_that_is_well_is_said_to_be(bulkhead: Any, home: Home) -> None:
    before = {path: path.stat().st_mtime for path in home.folder.rglob("*") if "sqlite" not in path.name}
    status, items = looked(bulkhead, home)
    assert (status, wrong(items)) == (0, [])
    assert {
        "rights",
        "server",
        "database",
        "secret",
        "rooms",
        "disk",
        "descriptors",
        "inotify",
        "kernel",
    } <= {item["check"] for item in items}
    assert before == {path: path.stat().st_mtime for path in before}


def test_a_folder_that_is_not_there_yet_is_no_fault(bulkhead: Any, tmp_path: Path) -> None:
    done = bulkhead("doctor", "--state-dir", str(tmp_path / "new"))
    assert (done.status, "a server makes it" in done.out) == (0, True)
    assert not (tmp_path / "new").exists()


ROWS = {
    "secrets": ("services", "UPDATE secrets SET about = '['", ""),
    "revisions": ("services", "UPDATE revisions SET spec = 'open'", ""),
    "sessions": ("journal", "UPDATE sessions SET record = x'ff00' WHERE session_id = 's_0002'", "s_0002"),
    "quarantine": ("journal", "UPDATE quarantine SET hash = CAST(x'ff' AS TEXT)", "\ufffd"),
    "usage_days": ("journal", "UPDATE usage_days SET usage = '[]'", "2026-11-29 /a a lab"),
    "ids": ("journal", "UPDATE ids SET call = 7 WHERE id = 'w1'", "/a w1"),
    "reports": ("crashes", "UPDATE reports SET report = '{'", "s_0001 1"),
    "groups": ("crashes", "UPDATE groups SET about = x'ff'", "f" * 12),
}


@pytest.mark.parametrize("table", ROWS)
def test_a_row_that_cannot_be_read_is_named_and_moved_into_a_file(
    bulkhead: Any, home: Home, table: str
) -> None:
    database, damage, name = ROWS[table]
    path = home.folder / f"{database}.sqlite3"
    edit(path, damage)
    status, items = looked(bulkhead, home)
    (found,) = wrong(items)
    assert (status, found["check"]) == (1, "rows")
    assert f"1 rows of {table} in {database}.sqlite3 cannot be read: {name}" in found["about"]
    assert not (home.folder / "damaged-rows.jsonl").exists()

    status, items = looked(bulkhead, home, "--fix")
    assert status == 0
    assert [item["about"] for item in items if item["state"] == "mended"] == [
        f"moved 1 rows of {table} into damaged-rows.jsonl"
    ]
    moved = home.folder / "damaged-rows.jsonl"
    (line,) = map(json.loads, moved.read_text().splitlines())
    assert (line["database"], line["table"]) == (f"{database}.sqlite3", table)
    assert line["row"]
    assert stat.S_IMODE(moved.stat().st_mode) == 0o600
    assert looked(bulkhead, home)[0] == 0
    assert sessions_of(home.folder) == [
        one for one in ("s_0001", "s_0002", "s_0003") if not (table == "sessions" and one == "s_0002")
    ]


def test_a_damaged_page_and_a_newer_schema_and_an_empty_file_are_told(bulkhead: Any, home: Home) -> None:
    journal, crashes = home.folder / "journal.sqlite3", home.folder / "crashes.sqlite3"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:4096] + b"\xa5" * 8192 + whole[4096 * 3 :])
    edit(crashes, "PRAGMA user_version = 77")
    status, items = looked(bulkhead, home, "--fix")
    damaged, newer = wrong(items)
    assert status == 1
    assert "journal.sqlite3 is damaged" in damaged["about"]
    assert "bulkhead restore" in damaged["cure"]
    assert "crashes.sqlite3 was written by a newer version (schema 77" in newer["about"]

    journal.write_bytes(b"")
    (home.folder / "journal.sqlite3-wal").write_bytes(b"what is left")
    (home.folder / "journal.sqlite3-wal").chmod(0o600)
    crashes.unlink()
    (found,) = wrong(looked(bulkhead, home)[1])
    assert "journal.sqlite3 is empty, and its log is there" in found["about"]
    journal.write_bytes(b"no database" * 999)
    (found,) = wrong(looked(bulkhead, home)[1])
    assert "journal.sqlite3 is damaged: file is not a database" in found["about"]


def test_what_others_may_read_is_closed(bulkhead: Any, home: Home) -> None:
    (home.folder / "rooms" / "secret").chmod(0o644)
    home.folder.chmod(0o755)
    status, items = looked(bulkhead, home)
    (found,) = wrong(items)
    assert (status, found["check"], "rooms/secret" in found["about"]) == (1, "rights", True)
    assert looked(bulkhead, home, "--fix")[0] == 0
    assert stat.S_IMODE(home.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((home.folder / "rooms" / "secret").stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_what_is_anothers_is_named(bulkhead: Any, home: Home) -> None:
    os.chown(home.folder / "journal.sqlite3", 54321, 54321)
    status, items = looked(bulkhead, home)
    (found,) = wrong(items)
    assert (status, found["check"], "journal.sqlite3" in found["about"]) == (1, "owner", True)
    assert "chown -R 0:0" in found["cure"]


@pytest.mark.parametrize("held", ["", "short"])
def test_a_damaged_secret_is_made_anew_when_it_is_asked_for_and_not_by_fix(
    bulkhead: Any, home: Home, held: str
) -> None:
    secret = home.folder / "rooms" / "secret"
    secret.write_text(held)
    status, items = looked(bulkhead, home, "--fix")
    (found,) = wrong(items)
    assert (status, found["check"]) == (1, "secret")
    assert secret.read_text() == held
    command = found["cure"].partition("void: ")[2].split()
    assert command[:3] == ["bulkhead", "doctor", "--new-secret"]
    assert bulkhead(*command[1:]).status == 0
    assert len(RoomHub(state_dir=home.folder).token("lab", "ada")) > 0
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_a_key_that_is_none_is_told_and_left(bulkhead: Any, home: Home) -> None:
    (home.folder / "seal.key").write_text("gone")
    status, items = looked(bulkhead, home, "--fix")
    (found,) = wrong(items)
    assert (status, found["check"]) == (1, "secret")
    assert "holds no key" in found["about"]
    assert (home.folder / "seal.key").read_text() == "gone"


def test_a_secret_that_is_a_setting_is_not_looked_for(
    bulkhead: Any, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.folder / "rooms" / "secret").write_text("")
    with pytest.raises(ConfigError):
        RoomHub(state_dir=home.folder)
    monkeypatch.setenv("BULKHEAD_ROOM_SECRET", "s" * 40)
    assert looked(bulkhead, home)[0] == 0


def test_what_nobody_needs_is_told_and_half_written_files_are_removed(bulkhead: Any, home: Home) -> None:
    (home.folder / "rooms" / "data" / "no%room").mkdir(mode=0o700)
    (home.folder / "environments" / "gone-12345678").mkdir(parents=True)
    (home.folder / "server.json.new").touch(0o600)
    (home.folder / "snapshots" / "left").mkdir(parents=True, mode=0o700)
    (home.folder / "snapshots").chmod(0o700)
    (home.folder / "browser_sessions.json").write_text("[")
    (home.folder / "browser_sessions.json").chmod(0o600)
    (home.folder / "server.json").write_text('{"pid": 1, "url": "http://127.0.0.1:1"}')
    (home.folder / "server.json").chmod(0o600)
    status, items = looked(bulkhead, home, "--fix")
    told = {item["check"]: item for item in items}
    (found,) = wrong(items)
    assert (status, found["check"], "no%room" in found["about"]) == (1, "rooms", True)
    assert "gone-12345678" in told["environments"]["cure"]
    assert sorted(item["about"] for item in items if item["state"] == "mended") == [
        "moved browser_sessions.json aside",
        "removed server.json",
        "removed server.json.new, snapshots/left",
    ]
    assert list((home.folder / "snapshots").iterdir()) == []
    assert (home.folder / "environments" / "gone-12345678").is_dir()


def test_a_machine_that_lacks_something_is_told(
    bulkhead: Any, home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = namedtuple("usage", ("total", "used", "free"))
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage(1 << 30, 1 << 30, 1 << 20))
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _: (64, 64))
    monkeypatch.setattr(machine, "_INOTIFY", tmp_path)
    (tmp_path / "max_user_watches").write_text("100\n")
    monkeypatch.delattr(machine.os, "pidfd_open")
    status, items = looked(bulkhead, home)
    assert status == 1
    assert [item["check"] for item in wrong(items)] == ["disk", "descriptors", "kernel"]
    notes = [item["about"] for item in items if item["state"] == "note" and item["check"] == "inotify"]
    assert notes == ["fs.inotify.max_user_watches is 100", "the kernel does not tell max_user_instances"]


def test_tables_and_memories_of_rooms_are_looked_at_page_by_page(bulkhead: Any, home: Home) -> None:
    tables = home.folder / "rooms" / "data" / "lab" / "tables"
    tables.mkdir(mode=0o700, exist_ok=True)
    for name in ("tables", "memory"):
        path = tables / f"{name}.sqlite3"
        edit(path, "CREATE TABLE notes AS SELECT printf('%8000s', 'x') AS text")
        path.chmod(0o600)
    assert any(item["about"] == "2 databases of rooms are whole" for item in looked(bulkhead, home)[1])
    with path.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xff" * 4096)
    status, items = looked(bulkhead, home)
    (found,) = wrong(items)
    assert (status, found["check"]) == (1, "tables")
    assert "tables/memory.sqlite3 of room lab is damaged" in found["about"]
    path.write_bytes(b"no database at all, and longer than a header of one is" * 100)
    (found,) = wrong(looked(bulkhead, home)[1])
    assert "is damaged: file is not a database" in found["about"]
