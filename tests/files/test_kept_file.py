"""Small files: whole or not at all, private, and on the disk before they have their name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from runtime.files import kept_file

pytestmark = pytest.mark.process


def test_it_is_written_and_replaced_private_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "f"
    kept_file.write(path, "one")
    path.chmod(0o644)
    kept_file.write(path, "zwei ☂")
    assert path.read_text("utf-8") == "zwei ☂"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["f"]


def test_its_bytes_are_on_the_disk_before_its_name_and_the_name_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace, link = os.fsync, os.replace, os.link

    def synced(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        size = os.fstat(descriptor).st_size
        done.append("folder" if is_folder else f"{size} bytes")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("name"), replace(a, b)))
    monkeypatch.setattr(os, "link", lambda a, b: (done.append("name"), link(a, b)))
    kept_file.write(tmp_path / "f", "abc")
    kept_file.make(tmp_path / "g", "abcd")
    assert done == ["3 bytes", "name", "folder", "4 bytes", "name", "folder"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_what_fails_leaves_it_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "f"
    kept_file.write(path, "before")

    def fails(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, step, fails)
        with pytest.raises(OSError, match="Input/output"):
            kept_file.write(path, "after")
    assert (path.read_text(), os.listdir(tmp_path)) == ("before", ["f"])


def test_what_is_made_replaces_nothing(tmp_path: Path) -> None:
    kept_file.make(tmp_path / "f", "first")
    with pytest.raises(FileExistsError):
        kept_file.make(tmp_path / "f", "second")
    assert (tmp_path / "f").read_text() == "first"
    assert os.listdir(tmp_path) == ["f"]


def test_what_a_writer_that_died_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / f"f{kept_file.ASIDE}").write_text("half")
    kept_file.write(tmp_path / "f", "whole")
    assert os.listdir(tmp_path) == ["f"]
