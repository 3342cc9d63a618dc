"""Whether sessions of a bundle may be forked from one process, and what to tell its author when not.  Pure.

What a program opened while it was imported would be shared by its sessions: then each gets an interpreter of
its own, which costs a second and is told.  A bundle can say that it knows better (``fork = "always"``), or
that it does not want to be forked at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from runtime.wire.control import Opened

MOST_FINDINGS: Final = 50
_MOST_CHARS: Final = 300


class Fork(StrEnum):
    """What a bundle says about being forked from: as is found, in any case, or not."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


_INSTEAD: Final = {
    "connection": "Connect in the agent's start, or where it is needed",
    "listener": "Listen in the agent's start",
    "database": "Open it in the agent's start, or where it is needed",
    "file": "Open it in the agent's start, or where it is needed",
    "process": "Start it in the agent's start",
    "event_loop": "Close it, or use the loop that runs the agent: asyncio.run(service.run()) needs no other",
    "memory": "Make it in the agent's start",
    "thread": "Start it in the agent's start",
    "task": "Create it in the agent's start",
    "bound": "Make it in the agent's start",
}
_VERBS: Final = {
    "thread": "started",
    "process": "started",
    "event_loop": "made",
    "task": "which is",
    "bound": "made",
}
_OF_LIBRARY: Final = {
    "grpc": "Make the channel in the agent's start: grpc's threads do not survive a fork",
    "numpy": "Set OPENBLAS_NUM_THREADS=1 and OMP_NUM_THREADS=1 in the environment",
    "opentelemetry": "Set telemetry up in the agent's start, or with otel_config() alone",
    "pyarrow": "Set ARROW_DEFAULT_MEMORY_POOL=system in the environment, and read in the agent's start",
    "torch": "Set OMP_NUM_THREADS=1 in the environment, and compute in the agent's start",
    "OpenMP": "Set OMP_NUM_THREADS=1 in the environment, or compute in the agent's start",
    "MKL": "Set MKL_NUM_THREADS=1 in the environment, or compute in the agent's start",
}


def is_forkable(fork: Fork, opened: Sequence[Opened]) -> bool:
    """Whether the sessions come from one process."""
    return fork is Fork.ALWAYS or (fork is Fork.AUTO and not opened)


def bounded(opened: Sequence[Opened]) -> tuple[Opened, ...]:
    """What a bundle's process said, within bounds: its program could have written anything."""
    return tuple(
        Opened(
            one.kind[:30],
            one.what[:_MOST_CHARS],
            one.where[:_MOST_CHARS],
            one.library[:100],
            one.name[:100],
            one.through[:100],
            one.is_native,
        )
        for one in opened[:MOST_FINDINGS]
    )


def sentence_for(opened: Opened) -> str:
    """``a connection to 127.0.0.1:5432 (opened at main.py:3, by psycopg)``."""
    verb = _VERBS.get(opened.kind, "opened")
    at = f"at {opened.where}" if opened.where else ""
    by = f"by {opened.library}" if opened.library and opened.library not in opened.what else ""
    by = f"by importing {opened.through}" if opened.through else by
    told = ", ".join(filter(None, (at, by)))
    return f"{opened.what} ({verb} {told})" if told else opened.what


def cure_for(opened: Sequence[Opened], file: str) -> str:
    """What to do so that the bundle can be forked from.

    Args:
        file: Where its settings are, or would be.
    """
    cures = dict.fromkeys(map(_cure_of, opened))
    first = ". ".join(list(cures)[:3])
    return f'{first}. If it may be shared by sessions: fork = "always" in {file}.'


def _cure_of(opened: Opened) -> str:
    if opened.kind == "thread" and opened.library in _OF_LIBRARY:
        return _OF_LIBRARY[opened.library]
    is_theirs = bool(opened.library) and opened.library in opened.what  # such as a database in its cache
    if opened.is_native or opened.through or is_theirs:
        # Many start them when they are imported, so that nothing less than that can be put off.
        package = opened.through or opened.library or "the library"
        why = "its threads do" if package == opened.library else f"the threads of {opened.library} do"
        why = why if opened.library else "its threads do"
        return f"Import {package} in the agent's start, within the function: {why} not survive a fork"
    return _INSTEAD.get(opened.kind, "Open it in the agent's start")
