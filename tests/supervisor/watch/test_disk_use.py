"""What a session keeps on the disk, counted on a real one, whatever it does to be counted less."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from runtime.supervisor.watch.disk_use import DEEPEST, LEAST_BYTES, measure

pytestmark = pytest.mark.unit

MIB = 1 << 20


def counted(folder: Path, **more: object) -> int:
    found = measure(str(folder), **more)  # type: ignore[arg-type]
    assert found is not None
    assert not found.hidden
    return found.bytes


def test_files_and_folders_are_counted_by_what_they_occupy(tmp_path: Path) -> None:
    assert measure(f"{tmp_path}/none") is None
    assert counted(tmp_path) == 0
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "big").write_bytes(b"x" * MIB)
    (tmp_path / "a" / "empty").touch()
    os.truncate(_made(tmp_path / "sparse"), 1 << 40)
    found = measure(str(tmp_path))
    assert found is not None
    assert MIB + 4 * LEAST_BYTES <= found.bytes < MIB + 8 * LEAST_BYTES
    assert (found.entries, [name for name, _ in found.largest]) == (5, ["big"])


def _made(path: Path) -> Path:
    path.touch()
    return path


def test_a_file_with_two_names_counts_once_and_a_link_to_elsewhere_not(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "big").write_bytes(b"x" * (4 * MIB))
    (inside / "one").write_bytes(b"x" * MIB)
    os.link(inside / "one", inside / "two")
    (inside / "to").symlink_to(outside)
    (inside / "file").symlink_to(outside / "big")
    os.mkfifo(inside / "pipe")
    assert MIB <= counted(inside) < MIB + 8 * LEAST_BYTES


def test_what_is_deleted_and_held_open_is_counted(tmp_path: Path) -> None:
    folder, other = tmp_path / "mine", tmp_path / "mine2"
    folder.mkdir()
    other.mkdir()
    with (folder / "gone").open("wb") as held, (other / "gone").open("wb") as elsewhere:
        for file in (held, elsewhere):
            file.write(b"x" * MIB)
            file.flush()
            Path(file.name).unlink()
        again = os.dup(held.fileno())
        assert counted(folder) == 0
        assert MIB <= counted(folder, pids=[os.getpid(), 1 << 30]) < MIB + 2 * LEAST_BYTES
        os.close(again)


def test_it_stops_where_more_is_of_no_interest(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / str(number)).touch()
    found = measure(str(tmp_path), enough_bytes=10 * LEAST_BYTES)
    assert found is not None
    assert found.entries == 11


def test_folders_in_folders_without_end_are_told_and_keep_no_descriptors(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    deep = tmp_path.joinpath(*["d"] * (DEEPEST - 1))
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"x" * MIB)
    assert counted(tmp_path) > MIB
    (deep / "d" / "d").mkdir(parents=True)
    found = measure(str(tmp_path))
    assert found is not None
    assert found.hidden == "folders in folders, more than 64 deep"
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_folder_that_its_owner_may_not_read_is_counted_too() -> None:
    with tempfile.TemporaryDirectory() as name:
        closed = Path(name, "closed")
        closed.mkdir()
        (closed / "big").write_bytes(b"x" * MIB)
        closed.chmod(0)
        if os.geteuid() != 0:
            assert counted(Path(name)) > MIB
            return
        for path in (name, closed):  # root reads whatever it likes: be somebody else
            os.chown(path, 65534, 65534)
        if (pid := os.fork()) == 0:
            os.setresuid(65534, 65534, 65534)
            os._exit(0 if counted(Path(name)) > MIB else 1)
        assert os.waitpid(pid, 0)[1] == 0
