"""What this process can reach, from the rules that hold it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.confinement.reach import Reach
from runtime.process.confine import landlock
from runtime.worker.refused.calls import Calls

_SIGNALS_SINCE: Final = 6
Rule = tuple[str, int, bool]
"""A path, what may be done, and whether it is that very file already: else its links are followed."""


def reach_of(rules: Iterable[Rule]) -> Reach:
    """What such rules grant.  Looks at the disk."""
    read: list[str] = []
    write: list[str] = []
    listed: list[str] = []
    for path, access, exactly in rules:
        real = path if exactly else os.path.realpath(path)
        if access & landlock.WRITE_FILE:
            write.append(real)
        elif access & landlock.READ_FILE:
            read.append(real)
        else:
            listed.append(real)
    return Reach(tuple(dict.fromkeys(read)), tuple(dict.fromkeys(write)), tuple(dict.fromkeys(listed)))


def calls_below(held: Mapping[str, Any]) -> Calls | None:
    """The calls of a process that is held so (`runtime.process.confine.ring`), and of those that it forks.

    None without Landlock: then what is refused is too little to tell it from what is not.
    """
    version = int(held["landlock"])
    if not version:
        return None
    rules = [rule for rule in held["outer"] if rule[0] != held["private"]]  # that of each is its own
    return Calls(
        reach_of(rules),
        Policy(Level(held["level"])),
        holds_signals=version >= _SIGNALS_SINCE,
        has_filter=bool(held["seccomp"]),
        sees_others=held["level"] != Level.STRICT,
        home=str(held["home"]),
        own=str(held["private"]),  # of a zygote: in it the folders of its sessions are made
    )
