"""How tightly a session is held."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """From loose to tight, and ordered so: ``OFF < BASIC < STRICT``.

    Attributes:
        OFF: Nothing is kept from a session but what its user may not do.
        BASIC: Files, memory and processes of others are out of reach; the network is open.
        STRICT: And what is not allowed on the network is, too.  Where this cannot be kept, nothing starts.
    """

    OFF = "off"
    BASIC = "basic"
    STRICT = "strict"

    @property
    def rank(self) -> int:
        """0 for the loosest."""
        return tuple(Level).index(self)

    # By rank: the words themselves would stand in the order of the alphabet.
    def __lt__(self, other: str) -> bool:
        return self.rank < Level(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Level(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Level(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= Level(other).rank
