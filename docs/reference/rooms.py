"""The page of what rooms serve, read from the table by which a room finds its handlers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from docs.reference.table import stacked
from runtime.clock import SystemClock
from runtime.rooms.built_in.schemas import BUILT_IN_SCHEMAS
from runtime.rooms.dispatcher import Served
from runtime.rooms.holdings import Contents, Holdings
from runtime.rooms.hosted import HostedRoom
from runtime.rooms.limits import RoomLimits

_ABOUT = {
    "agent": "toolkits and tasks, in the words of older releases",
    "containers": "containers beside the room, and commands in them",
    "database": "tables (0.6 to 0.35)",
    "dataset": "tables (from 0.37)",
    "developer": "the developer log",
    "memory": "what agents noted: entities and relationships, recalled by words",
    "messaging": "who is there, and messages between participants",
    "queues": "queues",
    "room": "toolkits of newer releases; shared documents in the words of older ones",
    "secrets": "secrets of participants, kept sealed; tokens of OAuth are refused",
    "services": "services of the room and of the project, and starting one anew",
    "set_attributes": "attributes of a participant",
    "sqlite": "databases by name, asked in SQL (from 0.45)",
    "storage": "the room's files",
    "sync": "shared documents",
}
_LACK = {
    "livekit": "voice and video",
    "llm": "the model as a toolkit; it is reached over the room's address instead",
    "mounts": "folders of containers",
    "tunnels": "ports of containers",
}


def page() -> str:
    """Requests and tools by family, what a model may be given, schemas, and what is refused."""
    served = _served()
    return "\n".join(
        [
            "## By family\n",
            stacked(("Family", "Older releases send", "Newer releases call", "About"), _families(served)),
            "## Tools for a model\n",
            'An agent that says `requires=[RequiredToolkit(name="storage")]` has them; a participant that',
            "offers a toolkit of that name takes their place.\n",
            _listed(served.offered),
            "## Schemas of documents\n",
            "A document whose name ends so needs no schema of who opens it. Another schema of that name",
            "in the room's folder `.schemas` takes its place, but for threads.\n",
            _listed(BUILT_IN_SCHEMAS),
            "## Refused\n",
            "They get a clear error, and the connection stays usable. A participant may offer a toolkit of",
            "one of these names.\n",
            stacked(("Toolkit", "About"), [(f"`{name}`", _LACK[name]) for name in served.refused]),
        ]
    )


def _served() -> Served:
    limits = RoomLimits()
    room = HostedRoom(
        "reference",
        limits=limits,
        folder=Path("nowhere"),
        clock=SystemClock(),
        mint=lambda name, scope: "",
        link=lambda url, path: "",
        caller=None,
        listener=None,
        holdings=Holdings(limits.max_held_bytes),
        contents=Contents(limits.max_contents_bytes),
    )
    return room.served()


def _families(served: Served) -> list[tuple[str, str, str, str]]:
    sent, called = _by_family(served.requests), _by_family((*served.tools, *served.streams))
    return [
        (f"`{family}`", _words(sent[family]), _words(called[family]), _ABOUT[family])
        for family in sorted({*sent, *called})
    ]


def _by_family(names: Iterable[str]) -> defaultdict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        family, _, rest = name.partition(".")
        found[family].append(rest or family)
    return found


def _words(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "–"


def _listed(names: Iterable[str]) -> str:
    return "".join(f"- `{name}`\n" for name in names)
