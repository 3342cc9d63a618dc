"""How busy this machine is, as a node says of itself."""

from __future__ import annotations

from pathlib import Path

from runtime.placement.machines import MachineLoad
from runtime.process.available import available_bytes, total_bytes


class Meter:
    """Read twice a second or less: processors since the last reading, memory now.

    In a container the processors are the whole machine's, and the memory is what the container may have.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._most = total_bytes(proc)
        self._busy, self._all = self._ticks()

    def read(self) -> MachineLoad:
        """What is taken."""
        busy, every = self._ticks()
        share = (busy - self._busy) / (every - self._all) if every > self._all else 0.0
        self._busy, self._all = busy, every
        left = available_bytes(self._proc)
        taken = 0 if left is None else max(0, self._most - left)
        return MachineLoad(cpu=min(1.0, max(0.0, share)), memory_bytes=taken, memory_most_bytes=self._most)

    def _ticks(self) -> tuple[int, int]:
        try:
            first = (self._proc / "stat").read_text("ascii").partition("\n")[0].split()
            ticks = [int(one) for one in first[1:9]]  # guests are in what is before them
        except (OSError, ValueError):
            return 0, 0
        return sum(ticks) - sum(ticks[3:5]), sum(ticks)
