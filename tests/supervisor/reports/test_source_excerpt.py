"""The front reads the source of a bundle, and nothing else that a worker may name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime.supervisor.reports.source_excerpt import MAX_FILE_BYTES, read_excerpt

pytestmark = pytest.mark.unit


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "main.py").write_text("".join(f"line {n}\n" for n in range(1, 21)))
    (tmp_path / "secret.py").write_text("password = 'hunter2'\n")
    return folder


def test_five_lines_around_the_one_that_counts(bundle: Path) -> None:
    excerpt = read_excerpt(str(bundle / "main.py"), 10, bundle, loaded_at=0)
    assert excerpt is not None
    assert (excerpt.first, excerpt.marked) == (5, 10)
    assert excerpt.lines == [f"line {n}" for n in range(5, 16)]
    first = read_excerpt(str(bundle / "main.py"), 1, bundle, loaded_at=0)
    assert first is not None
    assert first.lines == [f"line {n}" for n in range(1, 7)]


def test_a_file_that_was_changed_since_is_marked(bundle: Path) -> None:
    changed_at = (bundle / "main.py").stat().st_mtime
    later = read_excerpt(str(bundle / "main.py"), 1, bundle, loaded_at=changed_at + 1)
    earlier = read_excerpt(str(bundle / "main.py"), 1, bundle, loaded_at=changed_at - 1)
    assert later is not None
    assert earlier is not None
    assert (later.note, earlier.note != "") == ("", True)


def test_nothing_else_is_read(bundle: Path) -> None:
    (bundle / "link.py").symlink_to(bundle.parent / "secret.py")
    (bundle / ".env").write_text("KEY=1\n")
    (bundle / "huge.py").write_text("x\n" * MAX_FILE_BYTES)
    os.mkfifo(bundle / "pipe.py")  # opening it would wait for a writer
    (bundle / "folder.py").mkdir()
    for name in (
        "../secret.py",
        "link.py",
        ".env",
        "huge.py",
        "pipe.py",
        "folder.py",
        "none.py",
        "a\0b.py",
        "",
    ):
        assert read_excerpt(f"{bundle}/{name}", 1, bundle, loaded_at=0) is None
    assert read_excerpt("/etc/passwd", 1, bundle, loaded_at=0) is None
    for line in (0, -1, 21, 10**9):
        assert read_excerpt(str(bundle / "main.py"), line, bundle, loaded_at=0) is None
