"""``bulkhead setup``: offline, once, for its owner alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runtime.cli import project
from runtime.cli.service.setup import second_name
from runtime.rooms.token import ApiKey

pytestmark = pytest.mark.unit

FILE = "bulkhead/project.json"


@pytest.fixture
def file(bulkhead: Any, tmp_path: Path) -> Path:
    return tmp_path / "home" / ".config" / FILE


def test_it_makes_a_project_with_a_key_that_room_servers_can_read(bulkhead: Any, file: Path) -> None:
    assert bulkhead("setup").status == 0
    held = json.loads(file.read_text())
    assert ApiKey.parse(held["api_key"]).project == held["project_id"]
    assert held["room"] == "myroom"
    assert file.stat().st_mode & 0o077 == 0


def test_twice_is_harmless(bulkhead: Any, file: Path) -> None:
    bulkhead("setup", "--room", "first")
    before = file.read_bytes()
    again = bulkhead("setup", "--room", "second")
    assert again.status == 0
    assert file.read_bytes() == before
    assert "room      first" in again.out
    assert "its room stays first" in again.err, "what was asked for was not done"
    assert "stays" not in bulkhead("setup", "--room", "first").err + bulkhead("setup").err


def test_secrets_are_masked_unless_asked_for(
    bulkhead: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESHAGENT_API_KEY", "ma-aaaa-bbbb-not-to-be-seen")
    monkeypatch.setenv("MESHAGENT_ROOM", "lobby")
    ran = bulkhead("setup")
    key = json.loads(file.read_text())["api_key"]
    assert key not in ran.out
    assert "not-to-be" not in ran.out
    assert "MESHAGENT_ROOM   lobby" in ran.out
    assert key in bulkhead("setup", "--show-key").out


def test_a_damaged_file_is_told_and_left_alone(bulkhead: Any, file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text("{")
    ran = bulkhead("setup")
    assert ran.status == 1
    assert str(file) in ran.err
    assert file.read_text() == "{"


def test_a_server_gets_the_projects_key_unless_it_has_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert project.with_key({"A": "1"}) == {"A": "1"}
    made = project.create("lab")
    assert project.with_key({"A": "1"}) == {"A": "1", "MESHAGENT_API_KEY": made.api_key}
    for name in ("MESHAGENT_API_KEY", "BULKHEAD_API_KEY", "MESHAGENT_API_KEY_FILE"):
        assert project.with_key({name: "theirs"}) == {name: "theirs"}


def test_meshagent_is_a_second_name_where_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "bin" / "bulkhead"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\necho ours\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent))
    assert second_name(script)
    other = script.with_name("meshagent")
    assert (other.read_text(), other.stat().st_mode & 0o111) == (script.read_text(), 0o111)
    other.write_text("the real one")
    assert not second_name(script)
    assert other.read_text() == "the real one"
    other.unlink()
    real = tmp_path / "real" / "meshagent"
    real.parent.mkdir()
    real.write_text("#!/bin/sh\n")
    real.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{real.parent}")
    assert not second_name(script)
    assert not other.exists()
