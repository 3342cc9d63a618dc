"""What in a folder is a bundle, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import BundleNotFound
from runtime.supervisor.bundles.changes import touched
from runtime.supervisor.bundles.discovery import bundles_in

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "chat.py",
        "main.py",
        "_shared.py",
        ".hidden.py",
        "notes.txt",
        "pack/main.py",
        "empty/readme.md",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    return tmp_path


def test_files_and_folders_with_a_main_are_bundles(folder: Path) -> None:
    found = bundles_in([folder])
    assert found == {"chat": folder / "chat.py", "main": folder / "main.py", "pack": folder / "pack"}


def test_one_named_file_is_one_bundle(folder: Path) -> None:
    assert bundles_in([folder / "main.py"]) == {"main": folder / "main.py"}


def test_equal_names_are_told_apart(folder: Path) -> None:
    (folder / "chat").mkdir()
    (folder / "chat" / "main.py").write_text("")
    assert set(bundles_in([folder])) == {"chat", "chat.py", "main", "pack"}


def test_what_is_not_there_or_no_program_is_an_error_with_a_cure(folder: Path) -> None:
    with pytest.raises(BundleNotFound, match="exists"):
        bundles_in([folder / "nowhere"])
    with pytest.raises(BundleNotFound, match=r"\.py"):
        bundles_in([folder / "notes.txt"])


def test_a_change_touches_the_bundle_it_belongs_to(folder: Path) -> None:
    chat, pack = folder / "chat.py", folder / "pack"
    assert touched({chat}, chat)
    assert not touched({folder / "main.py"}, chat)
    assert touched({pack / "sub" / "data.json"}, pack)
    assert not touched({pack / "main.py"}, chat)
    assert touched({folder / "_shared.py"}, chat)  # a module that bundles beside it may import
    assert not touched({folder / "_shared.py"}, pack)
