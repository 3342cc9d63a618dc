"""How much memory processes may still take: of the machine, or of the container, whichever is less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_UNLIMITED = 1 << 60


def available_bytes(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes, at least 0; None where neither the kernel nor a cgroup says."""
    found = [left for left in (_of_machine(proc), *_of_cgroups(proc, cgroups)) if left is not None]
    return max(0, min(found)) if found else None


def total_bytes(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """All that there is of it, taken or not; 0 where nobody says."""
    machine = [
        int(line.split()[1]) * 1024
        for line in _read(proc / "meminfo").splitlines()
        if line.startswith("MemTotal:")
    ]
    return min((*machine, *_limits(proc, cgroups)), default=0)


def _of_machine(proc: Path) -> int | None:
    for line in _read(proc / "meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None


def _of_cgroups(proc: Path, root: Path) -> Iterator[int]:
    """What is left in our own cgroup and in each one above it: the narrowest counts."""
    for folder, limit, usage, cache in _folders(proc, root):
        most, used = _number(folder / limit), _number(folder / usage)
        if most is not None and used is not None and most < _UNLIMITED:
            yield most - used + _reclaimable(folder / "memory.stat", cache)


def _limits(proc: Path, root: Path) -> Iterator[int]:
    for folder, limit, *_ in _folders(proc, root):
        most = _number(folder / limit)
        if most is not None and most < _UNLIMITED:
            yield most


def _folders(proc: Path, root: Path) -> Iterator[tuple[Path, str, str, str]]:
    """Our own cgroup and each above it, with the names of its limit, of what is used, and of its cache."""
    for line in _read(proc / "self" / "cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            names, base = ("memory.max", "memory.current", "inactive_file"), root
        elif "memory" in controllers.split(","):
            names, base = (
                ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
                (root / "memory"),
            )
        else:
            continue
        # Inside a container the path is often that of the host, and the cgroup itself is mounted at the base.
        inner = base / path.strip("/")
        for folder in [inner, *inner.parents] if inner.is_dir() else [base]:
            yield folder, *names
            if folder == base:
                break


def _reclaimable(stat: Path, name: str) -> int:
    # Pages of files that nobody uses count as used and are given back when memory is needed.
    for line in _read(stat).splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
