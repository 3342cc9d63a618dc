"""A session that waits for something to do, and has nobody who could do something meanwhile.

One process with one thread that sleeps in its event loop's selector takes no memory, no processor and no
disk, starts nothing, and cannot hang.  It need not be looked at before it wakes, which a word of its box
says; that is what it says itself, so now and then the kernel is asked, too.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from runtime.process import procfs
from runtime.process.tree import TreeUse

ROUND_S: Final = 5.0
"""The kernel is asked so often, for some 10 µs."""
WHOLE_ROUND_S: Final = 30.0
"""It is looked at as if it did not rest so often."""
PEEKS_S: Final = (1.0, 0.25)
"""How often whether it woke is asked, longest first; one that has to be seen sooner does not rest."""


class Rest(msgspec.Struct, frozen=True):
    """How it was seen when it began to rest.

    Attributes:
        stat: What the kernel says of the process: its state, memory, page faults, threads, processor time.
        peek_s: How often to ask whether it woke.
        ends_at: Monotonic seconds at which it has to be looked at, whatever it does.
    """

    pid: int
    asleep_ns: int
    stat: bytes
    peek_s: float
    ends_at: float

    @classmethod
    def begun(
        cls, use: TreeUse, asleep_ns: int, now: float, *, next_s: float, left_s: float = math.inf
    ) -> Rest | None:
        """One that begins now; None where it cannot.

        Args:
            asleep_ns: Since when its loop waits, read before the tree was; 0: it does not.
            next_s: How long a look may wait while it is awake.
            left_s: How long it may rest.
        """
        main = use.members[0]
        peek_s = next((each for each in PEEKS_S if each <= next_s), None)
        if peek_s is None or not asleep_ns or left_s <= 0:
            return None
        if use.processes > 1 or use.threads > 1 or main.state != "S":
            return None
        ends_at = now + min(left_s, WHOLE_ROUND_S)
        return cls(main.pid, asleep_ns, procfs.read(f"/proc/{main.pid}/stat"), peek_s, ends_at)

    def goes_on(self, asleep_ns: int, now: float) -> bool:
        """Whether it is as it was, as far as the kernel can tell; whoever does anything has a page fault."""
        is_asleep = asleep_ns == self.asleep_ns and now < self.ends_at
        return is_asleep and procfs.read(f"/proc/{self.pid}/stat") == self.stat

    def next_s(self, now: float) -> float:
        """How long the next look may wait."""
        return max(0.0, min(ROUND_S, self.ends_at - now))
