"""By what a bundle is held, as its own processes found when they tried."""

from __future__ import annotations

from typing import Any, Self

import msgspec

from runtime.wire.control import Confined


class Upheld(msgspec.Struct, frozen=True):
    """Found out by a probe before the bundle's program was run.

    Attributes:
        landlock: The kernel's ABI; 0 for none.
        seccomp: Whether there is a filter of system calls.
        uid: Number of the user of its own that it runs as; None for ours.
        missing: What is not kept although it should be, in words; empty where all of it is.
    """

    landlock: int = 0
    seccomp: bool = False
    uid: int | None = None
    missing: tuple[str, ...] = ()

    @classmethod
    def of(cls, said: Confined | None, uid: int | None) -> Self:
        """What a zygote said; None where it said nothing."""
        if said is None:
            return cls(uid=uid, missing=("its processes said nothing of what holds them",))
        through = (f"a probe could {what}" for what in said.got_through)
        missing = (*said.missing, *through)
        return cls(said.landlock, said.seccomp, uid, tuple(one[:200] for one in missing[:30]))

    def shown(self) -> dict[str, Any]:
        """As the API shows it, beside the policy."""
        rules = {"landlock": self.landlock, "seccomp": self.seccomp, "uid": self.uid}
        return {"rules": rules, "missing": list(self.missing)}
