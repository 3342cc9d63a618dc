"""What ``/events`` tells, kind by kind: when it comes, and what its data has.  Pure.

The documentation is made of it, and a test holds it against what the code announces.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec


class EventKind(msgspec.Struct, frozen=True):
    """One kind of event.

    Attributes:
        when: When it is told, as a clause.
        fields: What its data has beside what all of its family have.
    """

    when: str
    fields: tuple[str, ...] = ()


_OF_A_SESSION: Final = (
    "type",
    "at",
    "session",
    "endpoint",
    "identity",
    "room",
    "attempt",
    "code_generation",
    "generation",
    "node",
    "boot",
)
_OF_A_NODE: Final = ("node", "boot", "sessions")
FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "session": _OF_A_SESSION,
    "confinement": _OF_A_SESSION,
    "room": ("type", "at", "room", "participant", "role", "detail"),
    "": ("type", "at"),
}
"""What all events of a family have; those of no family have what stands under the empty name."""

KINDS: Final[Mapping[str, EventKind]] = {
    "session.accepted": EventKind("a call was accepted and written down"),
    "session.placed": EventKind("it was its turn to start, and a process is being had"),
    "session.started": EventKind("its process has its work", ("pid", "parked")),
    "session.ready": EventKind("the agent joined its room and its `start` returned", ("start_ms",)),
    "session.status": EventKind("the session said something of itself, at most twice a second", ("status",)),
    "session.warned": EventKind(
        "a limit is near, it does not respond, or it was frozen or thawed", ("kind", "message")
    ),
    "confinement.refused": EventKind(
        "a session was refused something by its confinement: the first of each kind",
        ("rule", "what", "message", "cure"),
    ),
    "session.stopping": EventKind("it was asked to stop", ("reason",)),
    "session.restarting": EventKind(
        "an attempt ended and another one follows", ("exit", "delay_s", "restart", "most")
    ),
    "session.exited": EventKind("it is over", ("exit",)),
    "session.crashed": EventKind(
        "it, or one attempt of it, did not end well; its report can be read",
        ("reason", "fingerprint", "sentence", "where", "cure", "siblings"),
    ),
    "quarantine.parked": EventKind(
        "an input was parked",
        ("hash", "endpoint", "room", "deaths", "session", "message", "parked_at", "cure"),
    ),
    "quarantine.released": EventKind("a parked input may run again", ("hash", "endpoint")),
    "bundles.changed": EventKind("bundles or what they serve changed", ("bundles",)),
    "node.joined": EventKind("a machine that runs sessions was heard, or began another life", _OF_A_NODE),
    "node.suspect": EventKind("it is not heard for a moment, and gets no new sessions", _OF_A_NODE),
    "node.ready": EventKind("it is heard again", _OF_A_NODE),
    "node.lost": EventKind("it is given up, and its sessions go on elsewhere", _OF_A_NODE),
    "node.draining": EventKind("an operator has its sessions go on elsewhere", _OF_A_NODE),
    "node.undrained": EventKind("it is given sessions again", _OF_A_NODE),
    "node.left": EventKind("it ended as it was told to", _OF_A_NODE),
    "node.floods": EventKind("it says more than is listened to, and is not heard for a while", _OF_A_NODE),
    "node.withholds": EventKind(
        "it took so many sessions and did not tell of them in time: they go on elsewhere", _OF_A_NODE
    ),
    "node.bundle_failed": EventKind(
        "it cannot load a bundle that was sent to it, and tries again",
        (*_OF_A_NODE, "bundle", "digest", "message"),
    ),
    "server.draining": EventKind("the server takes no calls any more and ends its sessions", ("grace_s",)),
    "server.resumed": EventKind(
        "a server that was stopped, or lost, is back and starts again what ran",
        ("reason", "sessions", "lost"),
    ),
    "room.opened": EventKind("somebody entered a room of this server first"),
    "room.closed": EventKind("a room of this server is over"),
    "room.participant_joined": EventKind("somebody entered a room of this server"),
    "room.participant_left": EventKind("somebody left it"),
    "room.participant_attributes": EventKind(
        "a participant's attributes changed; their names, not their values"
    ),
    "room.tool_called": EventKind("a tool was called; its name and its host's, not what was said"),
    "events.missed": EventKind(
        "a reader came back too late, or reads too slowly, and missed some", ("since",)
    ),
}
"""Kind → what it is, in the order of a session's life."""


def fields_of(kind: str) -> tuple[str, ...]:
    """Everything that the data of a kind has, those of its family first."""
    if kind == "events.missed":
        return ("type", *KINDS[kind].fields)
    family = FAMILIES.get(kind.partition(".")[0], FAMILIES[""])
    return (*family, *(name for name in KINDS[kind].fields if name not in family))
