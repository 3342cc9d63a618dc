"""What a session's process tree used, from its start to its end: totals, peaks and a curve of bounded length.

Pure: readings go in with their time.  The curve keeps at most `MAX_POINTS`; when it is full every second
point goes, so that a long life is told as coarsely as it has to be and a short one as finely as it was read.
"""

from __future__ import annotations

import msgspec

MAX_POINTS = 120


class UsePoint(msgspec.Struct, frozen=True):
    """One reading of the whole tree.

    Attributes:
        t_s: Seconds since the session's process began.
        pss_bytes: Memory with shared pages divided among those who share them; 0 where it was not read.
    """

    t_s: float
    rss_bytes: int
    pss_bytes: int
    cpu_s: float
    processes: int


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What it all came to.

    Attributes:
        peak_rss_bytes: The most resident memory of the tree in one reading.
        peak_pss_bytes: The same with shared pages divided; 0 when it never was read.
        memory_byte_seconds: Memory integrated over time: what was resident and the session's own share of it.
        cpu_s: Processor time of the tree, children that ended included.
        peak_disk_bytes: The most that it kept on the disk when that was counted; 0 when it never was.
        curve: Oldest first, at most `MAX_POINTS`.
    """

    peak_rss_bytes: int = 0
    peak_pss_bytes: int = 0
    memory_byte_seconds: float = 0.0
    cpu_s: float = 0.0
    peak_processes: int = 0
    peak_disk_bytes: int = 0
    curve: tuple[UsePoint, ...] = ()


class UseMeter:
    """Adds readings up.

    Args:
        began: Monotonic seconds at which the process was given its session.
    """

    def __init__(self, began: float) -> None:
        self._began = began
        self._curve: list[UsePoint] = []
        self._gap_s = 0.0
        self._last: UsePoint | None = None
        self._shared_bytes = 0
        self._peak_rss = self._peak_pss = self._peak_processes = self._peak_disk = 0
        self._byte_seconds = 0.0
        self._cpu_s = 0.0

    def read(
        self, now: float, *, rss_bytes: int, cpu_s: float, processes: int = 1, pss_bytes: int = 0
    ) -> None:
        """Take a reading; a `pss_bytes` of 0 means that it was not read this time."""
        if pss_bytes:
            self._shared_bytes = max(0, rss_bytes - pss_bytes)
        # Processor time of a child that nobody waited for is lost with it; what was used stays used.
        self._cpu_s = max(self._cpu_s, cpu_s)
        point = UsePoint(max(0.0, now - self._began), rss_bytes, pss_bytes, self._cpu_s, processes)
        if self._last is not None:
            self._byte_seconds += self._charged(self._last) * max(0.0, point.t_s - self._last.t_s)
        self._last = point
        self._peak_rss = max(self._peak_rss, rss_bytes)
        self._peak_pss = max(self._peak_pss, pss_bytes)
        self._peak_processes = max(self._peak_processes, processes)
        if not self._curve or point.t_s - self._curve[-1].t_s >= self._gap_s:
            self._curve.append(point)
        if len(self._curve) >= MAX_POINTS:
            self._curve = self._curve[::2]
            self._gap_s = self._curve[-1].t_s / MAX_POINTS * 2

    @property
    def shared_bytes(self) -> int:
        """How much of what is resident was others' share when that was last read; 0 before."""
        return self._shared_bytes

    def cpu(self, cpu_s: float) -> None:
        """The kernel's own account of the processor time, known at the end."""
        self._cpu_s = max(self._cpu_s, cpu_s)

    def peak_rss(self, rss_bytes: int) -> None:
        """A peak that the kernel noted between two readings."""
        self._peak_rss = max(self._peak_rss, rss_bytes)

    def peak_disk(self, disk_bytes: int) -> None:
        """So much was kept on the disk."""
        self._peak_disk = max(self._peak_disk, disk_bytes)

    def byte_seconds(self, now: float) -> float:
        """Memory integrated over time, up to `now`: since the last reading it is as it was then."""
        if self._last is None:
            return 0.0
        since_s = max(0.0, now - self._began - self._last.t_s)
        return self._byte_seconds + self._charged(self._last) * since_s

    def use(self, now: float | None = None) -> Use:
        """All of it, up to the last reading, or up to `now`, when the process ended."""
        byte_seconds = self._byte_seconds if now is None else self.byte_seconds(now)
        curve = self._curve
        if self._last is not None and curve and curve[-1] is not self._last:
            curve = [*curve, self._last]  # the instant before the end is what a reader looks for
        return Use(
            peak_rss_bytes=self._peak_rss,
            peak_pss_bytes=self._peak_pss,
            memory_byte_seconds=byte_seconds,
            cpu_s=self._cpu_s,
            peak_processes=self._peak_processes,
            peak_disk_bytes=self._peak_disk,
            curve=tuple(curve),
        )

    def _charged(self, point: UsePoint) -> int:
        return point.pss_bytes or max(0, point.rss_bytes - self._shared_bytes)
