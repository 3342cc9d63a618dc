"""How much memory processes may still take: of the machine, or of the container, whichever is less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_UNLIMITED = 1 << 60


def available_bytes(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes, at least 0; None where neither the kernel nor a cgroup says."""
    found = [left for left in (_of_machine(proc), *_of_cgroups(proc, cgroups)) if left is not None]
    return max(0, min(found)) if found else None


def _of_machine(proc: Path) -> int | None:
    for line in _read(proc / "meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None


def _of_cgroups(proc: Path, root: Path) -> Iterator[int | None]:
    """What is left in our own cgroup and in each one above it: the narrowest counts."""
    for line in _read(proc / "self" / "cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield from _above(root, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            v1 = (root / "memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes")
            yield from _above(*v1, "total_inactive_file")


def _above(base: Path, path: str, limit: str, usage: str, cache: str) -> Iterator[int | None]:
    # Inside a container the path is often that of the host, and the cgroup itself is mounted at the base.
    inner = base / path.strip("/")
    folders = [inner, *inner.parents] if inner.is_dir() else [base]
    for folder in folders:
        most, used = _number(folder / limit), _number(folder / usage)
        if most is not None and used is not None and most < _UNLIMITED:
            yield most - used + _reclaimable(folder / "memory.stat", cache)
        if folder == base:
            return


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
