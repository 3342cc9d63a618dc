"""A session that waits for something to do, and of whose processes none does anything meanwhile.

Processes that sleep take no memory, no processor and no disk, and start nothing; and a loop that sleeps in
its selector does not hang.  Such a session need not be looked at before somebody in it wakes.  That its loop
sleeps is what it says itself; that all of it goes on sleeping is what the kernel says: who does anything, in
whichever thread, uses the processor.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from runtime.process import procfs
from runtime.process.tree import TreeUse

LONGEST_S: Final = 300.0
"""It is looked at as if it did not rest so often."""
MOST_PROCESSES: Final = 8
"""Of a larger tree each would have to be asked."""
_STILL: Final = ("S", "Z")
PEEKS_S: Final = (1.0, 0.25)
"""How often the kernel is asked, longest first; one that has to be seen sooner does not rest."""


class Rest(msgspec.Struct, frozen=True):
    """How it was seen when it began to rest.

    Attributes:
        cpu_ns: The processor time that each of its processes had used before it was looked at.
        peek_s: How often to ask whether they used any since.
        ends_at: Monotonic seconds at which it has to be looked at, whatever it does.
    """

    cpu_ns: dict[int, int | None]
    peek_s: float
    ends_at: float

    @classmethod
    def begun(
        cls,
        use: TreeUse,
        cpu_ns: dict[int, int | None],
        now: float,
        *,
        next_s: float,
        left_s: float = math.inf,
    ) -> Rest | None:
        """One that begins now, of a session whose loop waits; None where it cannot.

        Args:
            cpu_ns: By process, read before it was looked whether the loop waits, and before the tree was.
            next_s: How long a look may wait while it is awake.
            left_s: How long it may rest.
        """
        peek_s = next((each for each in PEEKS_S if each <= next_s), None)
        if peek_s is None or left_s <= 0 or any(one.state not in _STILL for one in use.members):
            return None
        if cpu_ns.keys() != {one.pid for one in use.members} or None in cpu_ns.values():
            return None  # who came since may have done something before it was read
        return cls(cpu_ns, peek_s, now + min(left_s, LONGEST_S))

    def is_over(self) -> bool:
        """Whether it did anything since; asked of thousands each second."""
        for pid, before in self.cpu_ns.items():  # noqa: SIM110 - a generator takes twice as long
            if procfs.cpu_ns(pid) != before:
                return True
        return False

    def next_s(self, now: float) -> float:
        """How long the next look may wait."""
        return max(0.0, self.ends_at - now)
