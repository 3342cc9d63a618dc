"""What an attack is: something that a session's own code tries, and how its victim shows that it worked.

Two sides read these modules.  The attacker is a session: it is told whom to attack (`Targets`), so that it
does not fail for want of knowledge, and tries.  The onlooker is ``bulkhead chaos --hostile``, outside: it
looks at the victim before and after, because what a system call returns is no proof (a signal to everybody
may succeed and reach nobody).  Where the harm is that something was learned, what was learned is the proof.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import msgspec

from runtime.confinement.level import Level


class NotHere(Exception):
    """This attack cannot be tried here; the text says why."""


class Refused(Exception):
    """Something other than the kernel refused; the text says what it said, such as ``403``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Whom to attack, and where they are.  Data, but for `room`, which the attacker has, and `heard`.

    Attributes:
        sibling: Process of a healthy session of the same server.
        session: Its id.
        address: Where its process keeps that id in its memory; 0 when that is not known.
        front: The server's process.
        zygote: The process that both sessions were forked from; 0 when there is none.
        url: The server's address.
        endpoint: A path that it serves.
        state_dir: The folder with its journal, rooms and key.
        state_bait: A file in it that the onlooker made.
        outside: A folder of the server's user that is no session's business, with a file ``bait`` in it, and
            sockets ``stream`` and ``datagram`` on which the onlooker listens.
        folders: The private folders of all sessions.
        terminal: Path of a terminal at which the onlooker sits; empty when that cannot be had.
        own_code: The file or folder of the attacker's program.
        other_code: The file or folder of another bundle; empty when there is none.
        metadata: Host and port of the stand-in for a machine's metadata; TCP and UDP.
        abstract: Name of an abstract socket on which the onlooker listens, without its first zero.
        shm: Name of a file in ``/dev/shm``; empty when that cannot be had.
        shm_id: Of a System V segment; -1 when that cannot be had.
        queue: Name of a POSIX message queue; empty when that cannot be had.
        family: A family of sockets that no agent needs, and this kernel has; 0 when it has none of them.
        alone: The server has a PID namespace of its own, so that a signal to everybody ends nobody else.
        room: The attacker's room, as its agent has it.
        heard: How often a stand-in of the onlooker's was reached: ``metadata``, ``abstract`` and others.
    """

    sibling: int
    session: str = ""
    address: int = 0
    front: int = 0
    zygote: int = 0
    url: str = ""
    endpoint: str = ""
    state_dir: str = ""
    state_bait: str = ""
    outside: str = ""
    folders: tuple[str, ...] = ()
    terminal: str = ""
    own_code: str = ""
    other_code: str = ""
    metadata: tuple[str, int] = ("", 0)
    abstract: str = ""
    shm: str = ""
    shm_id: int = -1
    queue: str = ""
    family: int = 0
    alone: bool = False
    room: Any = None
    heard: Callable[[str], int] = lambda name: 0

    @classmethod
    def of(cls, told: Mapping[str, Any], room: Any) -> Targets:
        """Read what `plain` wrote, at the other end of the pipe."""
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in told.items() if name in known}
        host, port = values.pop("metadata", ("", 0))
        values["folders"] = tuple(values.get("folders", ()))
        return cls(**{**values, "metadata": (str(host), int(port)), "room": room})

    def plain(self) -> dict[str, Any]:
        """As data; without the room, and without what the attacker is to find out."""
        left_out = ("room", "heard", "session")
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in left_out}


Attempt = Callable[[Targets], str | Awaitable[str | None] | None]
Look = Callable[[Targets], Any]


class Attack(msgspec.Struct, frozen=True, kw_only=True):
    """One of them.

    Attributes:
        what: What it tries, in a few words.
        rule: What is to refuse it, as events name it.
        level: The loosest level that promises to refuse it.  At `off` the front itself does; None: no level
            does, as the documentation says.
        attempt: Run in the attacker.  Returns what it learned or that it worked; raises OSError, `Refused` or
            `NotHere`.
        seen: What the victim shows; the attack worked when that changes.  None: it worked when the attempt
            returned something.
        undo: Puts right what it changed, with what `seen` said before.
        proof: What the attempt must have learned; None: anything.
        silent: By a call that Python does not tell of, so that a refusal is told by nobody below `strict`.
        as_root: Only a server that is root gives its sessions the right to that.
    """

    name: str
    what: str
    rule: str
    level: Level | None
    attempt: Attempt
    seen: Look | None = None
    undo: Callable[[Targets, Any], None] | None = None
    proof: Callable[[Targets], str] | None = None
    silent: bool = False
    as_root: bool = False

    def is_promised(self, level: Level) -> bool:
        """Whether a session at this level is promised to be refused it."""
        return self.level is not None and self.level <= level


class Catalogue:
    """Attacks in the order in which they are tried."""

    def __init__(self, rule: str) -> None:
        self._rule = rule
        self.attacks: list[Attack] = []

    def add(
        self,
        name: str,
        what: str,
        *,
        level: Level | None = Level.BASIC,
        rule: str = "",
        seen: Look | None = None,
        undo: Callable[[Targets, Any], None] | None = None,
        proof: Callable[[Targets], str] | None = None,
        silent: bool = False,
        as_root: bool = False,
    ) -> Callable[[Attempt], Attempt]:
        """Decorate the attempt of an attack; see `Attack`."""

        def note(attempt: Attempt) -> Attempt:
            self.attacks.append(
                Attack(
                    name=name,
                    what=what,
                    rule=rule or self._rule,
                    level=level,
                    attempt=attempt,
                    seen=seen,
                    undo=undo,
                    proof=proof,
                    silent=silent,
                    as_root=as_root,
                )
            )
            return attempt

        return note
