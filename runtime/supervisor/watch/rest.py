"""A session that waits for something to do, and has nobody who could do something meanwhile.

One process with one thread that sleeps in its event loop's selector takes no memory, no processor and no
disk, starts nothing, and cannot hang.  It need not be looked at before it wakes.  That it sleeps is what it
says itself; that it goes on sleeping is what the kernel says: who does anything uses the processor.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from runtime.process import procfs
from runtime.process.tree import TreeUse

LONGEST_S: Final = 300.0
"""It is looked at as if it did not rest so often."""
PEEKS_S: Final = (1.0, 0.25)
"""How often the kernel is asked, longest first; one that has to be seen sooner does not rest."""


class Rest(msgspec.Struct, frozen=True):
    """How it was seen when it began to rest.

    Attributes:
        cpu_ns: The processor time it had used before it was looked at.
        peek_s: How often to ask whether it used any since.
        ends_at: Monotonic seconds at which it has to be looked at, whatever it does.
    """

    pid: int
    cpu_ns: int
    peek_s: float
    ends_at: float

    @classmethod
    def begun(
        cls, use: TreeUse, cpu_ns: int | None, now: float, *, next_s: float, left_s: float = math.inf
    ) -> Rest | None:
        """One that begins now, of a session whose loop waits; None where it cannot.

        Args:
            cpu_ns: Read before it was looked whether the loop waits, and before the tree was.
            next_s: How long a look may wait while it is awake.
            left_s: How long it may rest.
        """
        main = use.members[0]
        peek_s = next((each for each in PEEKS_S if each <= next_s), None)
        if peek_s is None or cpu_ns is None or left_s <= 0:
            return None
        if use.processes > 1 or use.threads > 1 or main.state != "S":
            return None
        return cls(main.pid, cpu_ns, peek_s, now + min(left_s, LONGEST_S))

    def is_over(self) -> bool:
        """Whether it did anything since; asked of thousands each second."""
        return procfs.cpu_ns(self.pid) != self.cpu_ns

    def next_s(self, now: float) -> float:
        """How long the next look may wait."""
        return max(0.0, self.ends_at - now)
