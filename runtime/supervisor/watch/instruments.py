"""What was measured of one session: the last reading, and all of them added up."""

from __future__ import annotations

from collections.abc import Callable

from runtime.clock import Clock
from runtime.process.plumbing import Heartbeat
from runtime.process.tree import TreeUse
from runtime.session.info import Vitals
from runtime.session.use import UseMeter


class Instruments:
    """Where everybody who measures a session writes it down, and where it is read without measuring again.

    Args:
        taken: Called after each reading.

    Attributes:
        rests: It did nothing since the last reading, as the kernel says.
    """

    def __init__(self, clock: Clock, taken: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._taken = taken
        self.meter = UseMeter(clock.now())
        self._last: TreeUse | None = None
        self._at = 0.0
        self._disk_bytes: int | None = None
        self.note = ""
        """What keeps the session from going on, for people; empty when nothing does."""
        self.frozen = False
        self.rests = False

    def take(self, use: TreeUse, now: float) -> None:
        """The tree was measured at `now`, in monotonic seconds."""
        self._last, self._at = use, now
        self.meter.read(
            now, rss_bytes=use.rss_bytes, pss_bytes=use.pss_bytes, cpu_s=use.cpu_s, processes=use.processes
        )
        self._taken()

    def keeps(self, disk_bytes: int | None) -> None:
        """What it keeps on the disk, as it was counted last."""
        self._disk_bytes = disk_bytes
        self.meter.peak_disk(disk_bytes or 0)

    def vitals(self, beat: Heartbeat | None) -> Vitals | None:
        """The last reading; None before the first.

        Memory with shared pages divided is not measured each time: then it is what is resident, less what was
        found to be shared when it was.
        """
        use = self._last
        if use is None:
            return None
        shared_bytes = self.meter.shared_bytes
        owned_bytes = max(0, use.rss_bytes - shared_bytes) if shared_bytes else 0
        now, wall = self._clock.now(), self._clock.wall()
        beat_at = None if beat is None else beat.at if beat.asleep_at is None else now
        return Vitals(
            at=now if self.rests else self._at,
            note=self.note,
            frozen=self.frozen,
            cpu_s=round(use.cpu_s, 3),
            rss_bytes=use.rss_bytes,
            pss_bytes=use.pss_bytes or owned_bytes,
            memory_byte_s=self.meter.byte_seconds(now),
            disk_bytes=self._disk_bytes,
            fds=use.fds,
            threads=use.threads,
            children=use.processes - 1,
            lag_ms=None if beat is None else round(beat.lag_s * 1000, 3),
            last_heartbeat=None if beat_at is None else wall - (now - beat_at),
        )
