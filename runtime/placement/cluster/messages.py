"""What fronts and nodes say to each other.  Plain data in msgpack; unknown fields are ignored. Pure.

Subjects, below ``bh.<cluster>``:

| subject | who to whom | what |
|---|---|---|
| ``n.<node>.do`` | front to node, a request | an `Ask`, answered by an `Answer` |
| ``n.<node>.read`` | front to node, a request | `Read`, answered in no order |
| ``n.<node>.fetch.<front>`` | node to front, a request | `Fetch`, answered by a `Piece` |
| ``n.<node>.beat`` | node to fronts, twice a second | `Beat` |
| ``n.<node>.samples`` | node to fronts, each second while somebody reads | session → `Vitals` |
| ``f.<front>.events.<node>`` | node to the front that owns the session | `Told`, numbered |
| ``f.<front>.beat`` | front to nodes and fronts, twice a second | `FrontBeat` |

Who may use which is written down in the engine's configuration: a node's name stands in every subject that
it may publish to, so that no other node can speak for it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

import msgspec

from runtime.errors import RemoteProtocolError
from runtime.placement.machines import MachineLoad
from runtime.session import events, numbers
from runtime.session.info import (
    BundleInfo,
    Capacity,
    DebugDoor,
    EndpointInfo,
    Enforcement,
    LogLine,
    MessageSeen,
    ProcessInfo,
    Vitals,
)
from runtime.session.record import Exit
from runtime.session.spec import SessionId, SessionSpec
from runtime.session.use import Use
from runtime.wire.looking.profile import Profile

VERSION: Final = 1
"""Of these messages; a front talks to nodes one version older and newer."""
BEAT_S: Final = 0.5

KINDS: Final[dict[str, type[events.SessionEvent]]] = {
    kind.__name__: kind
    for kind in (
        events.Placed,
        events.Started,
        events.Ready,
        events.Status,
        events.Warned,
        events.Refused,
        events.Traced,
        events.Stopping,
        events.Exited,
        events.Released,
    )
}
Boot = Annotated[str, msgspec.Meta(max_length=64)]
"""A name of one life of a node."""
MAX_EVENT_BYTES: Final = 256 << 10
_MOST_BYTES: Final = {"Exited": 8 << 20, "Warned": 1 << 20, "Traced": 1 << 20}
"""Of those that nobody keeps as long as a session runs."""
T = TypeVar("T")


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """What a node says of itself.

    Attributes:
        boot: A name of this life of the node.
        number: 1, 2, 3 … of this life.
        sent: By the node's own clock; a front sends it back, and that moves the node's lease.
        surface: A digest of its bundles and endpoints; who has not seen it asks for them.
        told: By front: the number of the last event that was sent to it.
        load: How busy the machine is.
        leaving: It ended as it was told to, and has nothing more; no beat of this life follows.
        early: This life begins, which says what became of the one before; it takes nothing yet.
        wants: By front: the mark of the last `Want` that it knows; None where it takes no bundles.
        start_s: What a session may take there to have a process, and then to be ready or over.
        stop_s: What its end may take when nobody says how long.
    """

    node: str
    boot: Boot
    number: int
    sent: float
    capacity: Capacity
    processors: int
    draining: bool = False
    surface: str = ""
    told: dict[str, int] = {}
    load: MachineLoad = MachineLoad()
    leaving: bool = False
    early: bool = False
    wants: dict[str, str] | None = None
    start_s: float = 72.0
    stop_s: float = 32.0
    version: int = VERSION


class Heard(msgspec.Struct, frozen=True):
    """The last beat that a front heard of a node, and the last of its events that it took."""

    boot: str
    sent: float
    taken: int = 0


class FrontBeat(msgspec.Struct, frozen=True, kw_only=True):
    """What a front says of itself.

    Attributes:
        boot: A name of this life of the front.
        heard: By node.
        lease_s: How long a node may run this front's sessions without being heard.
        reads: Somebody looks at the figures of all sessions.
    """

    front: str
    boot: str
    number: int
    lease_s: float
    heard: dict[str, Heard] = {}
    reads: bool = False
    version: int = VERSION


class Place(msgspec.Struct, frozen=True, kw_only=True, tag="place"):
    """Start a session.

    Attributes:
        turn: Of this life's messages to this node; one that comes after a later `Sync` is refused.
        bundle: Of those that were sent (`Wanted`), the one that it has to be of.
        boot: Of the front: what an earlier life of it asks is refused, once a later one has asked.
    """

    front: str
    turn: int
    spec: SessionSpec
    generation: int
    bundle: str = ""
    boot: str = ""


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag="stop"):
    """Ask, then make, a session end; the answer does not wait for that."""

    session: SessionId
    generation: int
    reason: str
    grace_s: float | None = None
    finish_s: float | None = None


class Sync(msgspec.Struct, frozen=True, kw_only=True, tag="sync"):
    """Say all there is to know of this front's sessions: a `Synced`."""

    front: str
    turn: int
    boot: str = ""


class Drain(msgspec.Struct, frozen=True, kw_only=True, tag="drain"):
    """Take nothing more, and have all sessions go on elsewhere; or take some again."""

    on: bool


class Surface(msgspec.Struct, frozen=True, kw_only=True, tag="surface"):
    """Say which bundles and endpoints there are: a `Served`."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle that was sent to a front, as a node is to have it.

    Attributes:
        id: No other has it.
        digest: Of what is in its folder, in hexadecimal digits.
        service: Whose new sessions are of it; empty as long as it is only to be loaded.
        env: Its variables, with the secrets in them: a node keeps them in memory alone.
    """

    id: str
    name: str
    digest: str
    service: str = ""
    env: dict[str, str] = {}


class Want(msgspec.Struct, frozen=True, kw_only=True, tag="want"):
    """Have these bundles of a front, and no others.

    Attributes:
        mark: Of this list; the node's beats say it.
        expected: Services whose bundle stays, although it is not named yet.
    """

    front: str
    turn: int
    mark: str
    bundles: list[Wanted]
    expected: list[str] = []
    boot: str = ""


class Fetch(msgspec.Struct, frozen=True, kw_only=True):
    """Send the bundle of a digest, packed, from this byte on."""

    digest: str
    at: int


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Some of a packed bundle, of so many bytes in all."""

    size: int
    data: bytes


class Read(msgspec.Struct, frozen=True, kw_only=True, tag="read"):
    """Answer a question of `Placement` about one session, named by its method."""

    what: str
    session: SessionId
    arguments: dict[str, Any] = {}


Ask = Place | Stop | Sync | Drain | Surface | Want


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a node says to an `Ask` or a `Read`; with a code, why not."""

    code: str = ""
    message: str = ""
    cure: str = ""
    body: msgspec.Raw = msgspec.Raw(b"\xc0")


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event of one attempt of a session, numbered for the front that owns it."""

    boot: Boot
    number: int
    session: SessionId
    generation: int
    kind: str
    body: msgspec.Raw

    def event(self) -> events.SessionEvent:
        """What happened.

        Raises:
            RemoteProtocolError: A kind that this version does not know, not what such an event has, one of
                another session than it is sent for, one that is too large, or numbers that are none; of an
                end with such numbers the rest is told.
        """
        size = len(memoryview(self.body))
        if size > _MOST_BYTES.get(self.kind, MAX_EVENT_BYTES):
            raise RemoteProtocolError(f"{size} bytes of {self.kind[:80]}")
        event: events.SessionEvent = decoded(KINDS.get(self.kind, events.SessionEvent), self.body)
        if event.session_id != self.session:
            raise RemoteProtocolError(f"an event of {event.session_id[:80]}, sent for {self.session[:80]}")
        if numbers.can_be_counted(event):
            return numbers.bounded(event)
        if not isinstance(event, events.Exited):
            raise RemoteProtocolError(f"{self.kind[:80]} with a number that nobody can count with")
        at = event.at if 0 <= event.at <= numbers.LAST_S else 0.0  # that it ended is told, whatever else
        bare = Exit(reason=event.exit.reason, message=event.exit.message, at=at).bounded()
        return events.Exited(session_id=self.session, at=at, exit=bare)


class Synced(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to know of a front's sessions on a node, as of an event's number.

    Attributes:
        untold: Attempts that it has and of which nothing has a number yet.
    """

    boot: Boot
    number: int
    told: list[Told]
    untold: list[tuple[SessionId, int]] = []


class Have(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a `Wanted` on a node.

    Attributes:
        state: ``waiting``, ``fetching``, ``installing``, ``loading``, ``ready`` or ``failed``.
        code: Of why it failed last, as long as it did not succeed since; else empty.
        endpoints: As it declares them, once it is loaded.
    """

    id: str
    name: str
    digest: str
    service: str
    state: str
    endpoints: list[EndpointInfo] = []
    code: str = ""
    message: str = ""
    cure: str = ""
    detail: str = ""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """What a node serves."""

    digest: str
    bundles: list[BundleInfo]
    endpoints: list[EndpointInfo]
    enforcement: Enforcement
    sent: list[Have] = []


class Join(msgspec.Struct, frozen=True, kw_only=True):
    """A machine asks to become a node: under this name, with a password that it made itself."""

    node: str
    password: str


class Leave(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody at the server asks that a node be let in no more."""

    node: str


READS: Final[dict[str, Any]] = {
    "vitals": Vitals | None,
    "use": Use | None,
    "log_lines": list[LogLine],
    "processes": list[ProcessInfo],
    "messages": list[MessageSeen],
    "stacks": str | None,
    "profile": Profile | None,
    "freeze": bool,
    "debug": DebugDoor | None,
    "ping": float | None,
    "inject": bool,
}
"""The questions of `Read`, and what is answered."""


def encoded(message: Any) -> bytes:
    """For the wire."""
    return msgspec.msgpack.encode(message)


def decoded(kind: Any, data: bytes | msgspec.Raw) -> Any:
    """From the wire.

    Raises:
        RemoteProtocolError: It is not of that kind.
    """
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"not a {getattr(kind, '__name__', kind)}: {error}") from error


def told(boot: str, number: int, generation: int, event: events.SessionEvent) -> Told:
    """Number an event."""
    return Told(
        boot=boot,
        number=number,
        session=event.session_id,
        generation=generation,
        kind=type(event).__name__,
        body=msgspec.Raw(encoded(event)),
    )
