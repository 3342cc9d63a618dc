"""What in a folder is a bundle, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import BundleNotFound
from runtime.supervisor.bundles.discovery import Discovery, bundles_in

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
    (folder / "main.py").unlink()
    found = bundles_in([folder])
    assert found == {"chat": folder / "chat.py", "pack": folder / "pack"}


def test_a_folder_with_a_main_is_one_bundle_and_its_other_modules_are_its_own(folder: Path) -> None:
    assert bundles_in([folder]) == {folder.name: folder}
    assert bundles_in([folder / "pack"]) == {"pack": folder / "pack"}
    assert bundles_in([folder / "pack" / ".."]) == {folder.name: folder / "pack" / ".."}


def test_a_service_whose_main_is_missing_for_a_moment_stays_one(folder: Path) -> None:
    discovery = Discovery([folder])
    assert not discovery.look().away
    (folder / "main.py").rename(folder / "away.py")
    look = discovery.look()
    assert (look.bundles, look.away) == ({folder.name: folder}, {folder.name})
    (folder / "away.py").rename(folder / "main.py")
    assert not discovery.look().away


def test_a_source_that_is_gone_keeps_its_bundles_and_one_without_an_entry_does_not(folder: Path) -> None:
    (folder / "main.py").unlink()
    agents, moved = folder, folder.parent / "moved"
    discovery = Discovery([agents])
    assert set(discovery.look().bundles) == {"chat", "pack"}
    agents.rename(moved)
    look = discovery.look()
    assert (set(look.bundles), look.away) == ({"chat", "pack"}, {"chat", "pack"})
    moved.rename(agents)
    (agents / "chat.py").unlink()
    assert set(discovery.look().bundles) == {"pack"}


def test_a_program_that_comes_to_a_served_folder_of_agents_does_not_take_the_others_away(
    folder: Path,
) -> None:
    (folder / "main.py").unlink()
    discovery = Discovery([folder])
    discovery.look()
    (folder / "main.py").touch()
    assert set(discovery.look().bundles) == {"chat", "main", "pack"}


def test_one_named_file_is_one_bundle(folder: Path) -> None:
    assert bundles_in([folder / "main.py"]) == {"main": folder / "main.py"}


def test_equal_names_are_told_apart(folder: Path) -> None:
    (folder / "main.py").unlink()
    (folder / "chat").mkdir()
    (folder / "chat" / "main.py").write_text("")
    assert set(bundles_in([folder])) == {"chat", "chat.py", "pack"}


def test_what_is_not_there_or_no_program_is_an_error_with_a_cure(folder: Path) -> None:
    with pytest.raises(BundleNotFound, match="exists"):
        bundles_in([folder / "nowhere"])
    with pytest.raises(BundleNotFound, match=r"\.py"):
        bundles_in([folder / "notes.txt"])
