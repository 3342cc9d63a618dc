"""What one session says its confinement refused, explained by what the front knows.

A session says what it likes: all of it is bounded here, and none of it decides anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.confinement.refusal import RULES, Explained, Refusal, explain
from runtime.wire import control

MOST_TOLD: Final = 20
"""So many lines of one attempt of a session; the others are counted."""
_MOST_CHARS: Final = 500
_MOST_COUNT: Final = 1 << 53


class Refused:
    """The account of one attempt.  Runs in: anywhere.

    Args:
        who: The name it joins rooms as.
        redacted: Takes secrets out of a text.

    Attributes:
        counts: How often each rule refused something.
    """

    def __init__(self, who: str, redacted: Callable[[str], str] = str) -> None:
        self.counts: dict[str, int] = {}
        self._who = who
        self._redacted = redacted
        self._policy = Policy()
        self._ground: Ground | None = None
        self._left = MOST_TOLD

    def began(self, policy: Policy, ground: Ground | None) -> None:
        """It got a process that is held by this."""
        self._policy, self._ground = policy, ground

    def take(self, said: control.Refused) -> list[tuple[Refusal, Explained]]:
        """What of it is new, explained; `counts` are brought up to date."""
        if self._policy.level is Level.OFF:
            return []
        for rule in RULES.keys() & said.counts.keys():
            count = min(said.counts[rule], _MOST_COUNT)
            self.counts[rule] = max(count, self.counts.get(rule, 0))
        told: Sequence[tuple[str, str]] = said.found[: self._left]
        self._left -= len(told)
        found = [(self._cleaned(rule, what), self.explain(rule, what)) for rule, what in told]
        return [(refusal, explained) for refusal, explained in found if explained is not None]

    def explain(self, rule: str, what: str) -> Explained | None:
        """Why, and what would allow it; None for a rule that nobody knows, and where nothing is held back."""
        if rule not in RULES or self._ground is None or self._policy.level is Level.OFF:
            return None
        return explain(self._cleaned(rule, what), self._who, self._policy, self._ground)

    def _cleaned(self, rule: str, what: str) -> Refusal:
        # On one line of a terminal, whatever a file is called.
        shown = "".join(letter if letter.isprintable() else "�" for letter in what[:_MOST_CHARS])
        return Refusal(rule, self._redacted(shown))
