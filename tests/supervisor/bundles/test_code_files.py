"""What makes a bundle's code, and what does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime.supervisor.bundles.code_files import CodeFiles, Verdict

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("main.py", "tools.py", "pkg/inner.py", "notes.db"):
        path = tmp_path / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1\n")
    return tmp_path / "app"


def loaded(folder: Path, *names: str) -> CodeFiles:
    """Of a folder whose program imported these, and is served."""
    files = CodeFiles(folder)
    files.begin()
    files.told([str(folder / name) for name in ("main.py", *names)], serves=True)
    files.begin()  # what is told is known now, however young the files are
    files.told([str(folder / name) for name in ("main.py", *names)], serves=True)
    return files


@pytest.mark.parametrize("name", ["main.py", "tools.py", "pkg/inner.py"])
def test_a_save_of_what_was_imported_is_a_change(folder: Path, name: str) -> None:
    files = loaded(folder, "tools.py", "pkg/inner.py")
    assert files.verdict() is Verdict.SAME
    (folder / name).write_text("2\n")
    assert files.verdict() is Verdict.CHANGED


@pytest.mark.parametrize("name", ["bulkhead.toml", "requirements.txt", "pyproject.toml", ".env"])
def test_so_is_what_sets_it_up_also_when_it_was_not_there(folder: Path, name: str) -> None:
    files = loaded(folder)
    (folder / name).write_text("a = 1\n")
    assert files.verdict() is Verdict.CHANGED


@pytest.mark.parametrize("name", ["chat.toml", ".env"])
def test_a_program_alone_has_settings_beside_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "chat.py").touch()
    files = CodeFiles(tmp_path / "chat.py")
    files.begin()
    (tmp_path / "bulkhead.toml").touch()  # the server's own
    assert files.verdict() is Verdict.SAME
    (tmp_path / name).touch()
    assert files.verdict() is Verdict.CHANGED


def test_data_beside_the_code_and_modules_that_nobody_imported_are_none(folder: Path) -> None:
    files = loaded(folder)
    for name in ("notes.db", "notes.db-wal", "notes.log", "upload.json", "tools.py", "test_main.py"):
        (folder / name).write_text("new")
    assert files.verdict() is Verdict.SAME


def test_bytes_that_are_written_again_are_none(folder: Path) -> None:
    files = loaded(folder, "tools.py")
    (folder / "tools.py").write_text("1\n")
    os.utime(folder / "main.py", (1, 1))
    (folder / "copy").write_text("1\n")
    (folder / "copy").replace(folder / "main.py")
    assert files.verdict() is Verdict.SAME


def test_a_module_that_was_missing_is_one_when_it_comes(folder: Path) -> None:
    files = loaded(folder, "late.py", "late", "late/__init__.py")
    assert files.verdict() is Verdict.SAME
    (folder / "late").mkdir()
    assert files.verdict() is Verdict.CHANGED


def test_what_is_missing_is_gone_until_it_is_back(folder: Path) -> None:
    files = loaded(folder, "tools.py")
    (folder / "tools.py").rename(folder / "away")
    assert files.verdict() is Verdict.GONE
    (folder / "away").rename(folder / "tools.py")
    assert files.verdict() is Verdict.SAME


def test_a_mistake_that_is_undone_needs_no_load(folder: Path) -> None:
    files = loaded(folder, "tools.py")
    (folder / "tools.py").write_text("def (\n")
    assert files.verdict() is Verdict.CHANGED
    files.begin()
    files.told([str(folder / "main.py")], serves=False)  # it failed before tools.py was imported whole
    assert files.verdict() is Verdict.SAME
    (folder / "tools.py").write_text("1\n")
    assert files.verdict() is Verdict.RESTORED
    files.restore()
    assert files.verdict() is Verdict.SAME


def test_a_file_that_changed_while_it_was_first_read_is_loaded_once_more_and_no_oftener(folder: Path) -> None:
    files = CodeFiles(folder)
    files.begin()
    (folder / "tools.py").write_text("2\n")  # before, or after it was read: nobody knows
    files.told([str(folder / "tools.py")], serves=True)
    assert files.verdict() is Verdict.CHANGED
    files.begin()
    files.told([str(folder / "tools.py")], serves=True)
    assert files.verdict() is Verdict.SAME


def test_another_release_behind_the_link_is_a_change_though_its_bytes_are_the_same(tmp_path: Path) -> None:
    for release in ("1", "2"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "chat.py").write_text("1\n")
    link = tmp_path / "current"
    link.symlink_to("1")
    files = CodeFiles(link / "chat.py")
    files.begin()
    assert files.verdict() is Verdict.SAME
    link.unlink()
    assert files.verdict() is Verdict.GONE
    link.symlink_to("2")
    assert files.verdict() is Verdict.CHANGED


def test_what_a_program_says_it_imported_is_bounded_and_never_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.py")
    files = loaded(folder, "pipe.py", "\0", *(f"m{number}.py" for number in range(6000)))
    files.told(["relative.py"], serves=False)
    assert files.verdict() is Verdict.SAME
    assert len(files.paths()) < 5100


def test_what_a_session_made_and_removed_is_forgotten_and_no_change(folder: Path) -> None:
    files = loaded(folder)
    files.add([str(folder / "tools.py"), str(folder / "gone.py")])
    assert str(folder / "gone.py") not in files.paths()
    (folder / "tools.py").rename(folder / "away")
    assert files.verdict() is Verdict.SAME
    (folder / "away").rename(folder / "tools.py")
    (folder / "tools.py").write_text("2\n")
    assert files.verdict() is Verdict.CHANGED  # it was saved: an editor may remove it for a moment
    (folder / "tools.py").unlink()
    assert [files.verdict(), files.verdict()] == [Verdict.SAME, Verdict.SAME]
    assert str(folder / "tools.py") not in files.paths()
    (folder / "main.py").write_text("2\n")
    files.verdict()
    (folder / "main.py").write_text("1\n")
    assert files.verdict() is Verdict.SAME


def test_a_session_adds_only_what_lies_below_the_programs_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.py").touch()
    (tmp_path / "link").symlink_to(folder)
    files = loaded(tmp_path / "link")
    before = files.paths()
    files.add(
        [
            str(tmp_path / "outside.py"),
            f"{folder}/../outside.py",
            "tools.py",
            f"{folder}/t\0.py",
            "/proc/stat",
        ]
    )
    assert files.paths() == before
    files.add([str(folder / "tools.py"), str(tmp_path / "link" / "pkg" / "inner.py")])
    assert len(files.paths()) == len(before) + 2


@pytest.mark.parametrize("name", ["tools.py", "gen{0}.py"])
def test_a_program_whose_import_writes_what_it_imports_comes_to_rest(folder: Path, name: str) -> None:
    files = loaded(folder, "tools.py")

    def load(number: int) -> Verdict:
        files.begin()
        written = folder / name.format(number)
        written.write_text(f"word = {number}\n")
        files.told([str(written)], serves=True)
        return files.verdict()

    verdicts = [load(number) for number in range(5)]
    assert Verdict.SAME in verdicts[:3]
    assert verdicts[0] is Verdict.CHANGED  # somebody may have saved it after it was read
    rest = verdicts.index(Verdict.SAME)
    files = loaded(folder, "tools.py")
    assert [load(10 + number) for number in range(rest + 1)][-1] is Verdict.SAME
    (folder / name.format(10 + rest)).write_text("of somebody\n")
    assert files.verdict() is Verdict.CHANGED
    assert load(20) is Verdict.CHANGED  # that edit began anew


def test_runs_are_not_given_up_for_ever_for_what_they_write(folder: Path) -> None:
    files = loaded(folder, "tools.py")
    verdicts = []
    for number in range(8):
        files.begin()
        (folder / "tools.py").write_text(f"word = {number}\n")
        verdicts.append(files.verdict())  # while it runs
    assert verdicts[:5] == [Verdict.CHANGED] * 5
    assert verdicts[5] is Verdict.SAME
    (folder / "main.py").write_text("2\n")
    assert files.verdict() is Verdict.CHANGED


def test_what_never_ends_is_not_read_to_its_end(folder: Path, tmp_path: Path) -> None:
    """A program tells what it imported, and may tell anything."""
    (folder / "endless.py").symlink_to("/proc/self/pagemap")
    os.mkfifo(folder / "pipe.py")
    files = loaded(folder, "endless.py", "pipe.py")
    files.told(
        ["/proc/self/pagemap", "//proc/self/mem", "/dev/zero", "/sys/x/../y", "/dev/shm/tools.py"],
        serves=True,
    )
    told = {path for path in files.paths() if path.startswith(("/", "//")) and str(tmp_path) not in path}
    assert told == {"/dev/shm/tools.py"}
    assert loaded(folder, "endless.py", "pipe.py").verdict() is Verdict.SAME
