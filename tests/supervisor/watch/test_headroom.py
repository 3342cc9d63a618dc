"""The memory that is left: of the machine or the container, and what the next session is expected to take."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.process.available import available_bytes
from runtime.supervisor.watch.headroom import FIRST_GUESS_BYTES, Headroom

pytestmark = pytest.mark.unit
MIB = 1 << 20


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    folder = tmp_path / "proc"
    (folder / "self").mkdir(parents=True)
    (folder / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 1048576 kB\n")
    return folder


def cgroup(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_a_machine_without_cgroups_says_what_is_available(proc: Path, tmp_path: Path) -> None:
    assert available_bytes(proc, tmp_path / "none") == 1024 * MIB


def test_the_narrowest_cgroup_counts_and_idle_file_pages_are_not_used_up(proc: Path, tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    (proc / "self" / "cgroup").write_text("0::/outer/inner\n")
    used = {"memory__current": f"{100 * MIB}\n", "memory__stat": f"anon 5\ninactive_file {10 * MIB}\n"}
    cgroup(root / "outer" / "inner", memory__max="max\n", **used)
    cgroup(root / "outer", memory__max=f"{300 * MIB}\n", **used)
    assert available_bytes(proc, root) == 210 * MIB
    cgroup(root / "outer" / "inner", memory__max=f"{90 * MIB}\n")
    assert available_bytes(proc, root) == 0


def test_a_container_whose_path_is_the_hosts_and_the_older_files(proc: Path, tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    (proc / "self" / "cgroup").write_text("0::/docker/abc\n5:memory:/docker/abc\n")
    cgroup(root, memory__max=f"{64 * MIB}", memory__current=f"{14 * MIB}")
    assert available_bytes(proc, root) == 50 * MIB
    limits = {"memory__limit_in_bytes": f"{40 * MIB}", "memory__usage_in_bytes": f"{10 * MIB}"}
    cgroup(root / "memory", **limits)
    assert available_bytes(proc, root) == 30 * MIB


def test_nothing_is_known_where_nothing_says(tmp_path: Path) -> None:
    assert available_bytes(tmp_path, tmp_path) is None
    headroom = Headroom(lambda: 0, reserve_bytes=1, clock=Clock(), available=lambda: None)
    assert headroom.left_bytes() is None


def test_it_looks_four_times_a_second_at_most_and_expects_the_median() -> None:
    clock, looks = Clock(), iter(range(1000, 2000, 100))
    sizes = iter([50, 10, 900, 20, 0])
    headroom = Headroom(lambda: next(sizes), reserve_bytes=400, clock=clock, available=lambda: next(looks))
    assert headroom.session_bytes == FIRST_GUESS_BYTES
    assert [headroom.left_bytes() for _ in range(3)] == [600, 600, 600]
    for expected in (700, 800, 900, 1000):
        clock.at += 0.3
        assert headroom.left_bytes() == expected
    assert headroom.session_bytes == 20  # of 10, 20, 50 and 900
