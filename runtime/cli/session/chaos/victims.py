"""Where victims are, as somebody sees it who is outside of every session."""

from __future__ import annotations

import os
from pathlib import Path


def address_of(secret: str, pid: int) -> int:
    """Where a process has this on its stack, which is where its title stands; 0 when that cannot be seen."""
    try:
        rows = Path(f"/proc/{pid}/maps").read_text().splitlines()
        spans = [row.split()[0].split("-") for row in rows if row.endswith("[stack]")]
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
            for first, last in spans:
                file.seek(int(first, 16))
                held = file.read(int(last, 16) - int(first, 16))
                if (found := held.rfind(secret.encode())) >= 0:
                    return int(first, 16) + found
    except (OSError, ValueError):
        pass
    return 0


def is_alone(front: int) -> bool:
    """Whether a server and who looks on have all processes that they see to themselves, process 1 apart."""
    parents = {pid: parent for pid in _pids() if (parent := _parent(pid)) is not None}
    ours = _line(os.getpid(), parents)
    top = _line(front, parents)
    root = top[-1] if top else front  # the last below process 1, or process 1 itself in a container
    return all(
        pid in ours or pid == 1 or root in _line(pid, parents) or _line(pid, parents)[-1] == root
        for pid in parents
    )


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None


def _line(pid: int, parents: dict[int, int]) -> list[int]:
    """A process and those above it, without process 1."""
    line = []
    while pid > 1 and pid not in line:
        line.append(pid)
        pid = parents.get(pid, 0)
    return line
