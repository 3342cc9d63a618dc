"""What travels on the pipes between the front, a zygote and a worker: data, never code.

Each message is a msgpack map with its type under ``t``.  Unknown fields are ignored, so that a worker of
an older generation and a newer front still understand each other; an unknown type is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from runtime.errors import RemoteProtocolError
from runtime.wire.by_pipe import Dial, OfModel, ToModel
from runtime.wire.looking.debug import Debug, Debugging
from runtime.wire.spans import Spans as Spans
from runtime.wire.trace import Trace


class _Message(msgspec.Struct, frozen=True, tag_field="t", omit_defaults=True):
    """Base: the type's name travels as its tag."""


# ---- front -> worker


class Start(_Message, frozen=True, tag="start"):
    """Be this session.  The first message a worker gets, and it gets it once.

    Attributes:
        limits: `Limits.plain`, base units.
        join_s: Seconds to reach and enter the room.
        env: Variables to set before the agent is constructed.
        record: Keep what others send to it, for a replay.
        confinement: What it may reach (`Policy.plain`); empty where nothing is held back.
        relay: Its room comes over this pipe.
        dial: It enters that room by asking for it (`Dial`); else the connection is there already.
        model: Who answers a model's question over this pipe: ``provider`` or ``offline``; empty for nobody.
        traces: Of its work, as parts of `traceparent`, it tells (`Spans`) ``work``, or ``content`` as well,
            or nothing but ``steps`` of turns that its room hears of from nobody else.
    """

    session_id: str
    generation: int
    endpoint: str
    identity: str
    room: str
    room_url: str = ""
    token: str = ""
    relay: bool = False
    arguments: dict[str, Any] = {}
    limits: dict[str, float] = {}
    env: dict[str, str] = {}
    join_s: float = 10.0
    heartbeat_s: float = 1.0
    traceparent: str = ""
    record: bool = False
    confinement: dict[str, Any] = {}
    dial: bool = False
    model: str = ""
    traces: str = ""


class Stop(_Message, frozen=True, tag="stop"):
    """End by yourself within `grace_s` seconds.

    Attributes:
        finish_s: The session is called again with its program's new code: what it does for others may be
            finished for so long before its grace begins, and whoever waits longer is to ask again.
    """

    reason: str
    grace_s: float
    finish_s: float | None = None


class Ping(_Message, frozen=True, tag="ping"):
    """Answer with a `Pong` of the same number, from the session's event loop."""

    seq: int


class Fault(_Message, frozen=True, tag="fault"):
    """Misbehave in this way (`runtime.worker.chaos`); sent only by a server that was told to allow it.

    Attributes:
        at: Of an attack, whom it is for (`Targets.plain`); empty for a fault.
    """

    kind: str
    at: dict[str, Any] = {}


class Packet(_Message, frozen=True, tag="packet"):
    """One room packet of a relayed connection; the same message in both directions."""

    data: bytes


class RelayClosed(_Message, frozen=True, tag="relay_closed"):
    """The relayed connection is closed on the sender's side; the same message in both directions.

    Attributes:
        code: Of a `RoomError`, where it was not closed properly: ``room_lost``, ``room_refused``,
            ``room_unreachable``.
    """

    code: str = ""
    message: str = ""
    cure: str = ""


# ---- worker -> front


class Hello(_Message, frozen=True, tag="hello"):
    """The process exists and its event loop turns."""

    pid: int


class ReadyNow(_Message, frozen=True, tag="ready"):
    """The agent is in the room and its `start` returned."""

    participant_id: str = ""


class Pong(_Message, frozen=True, tag="pong"):
    """The answer to a `Ping`."""

    seq: int


class StatusNow(_Message, frozen=True, tag="status"):
    """What a worker tells about itself; shown, never acted upon."""

    values: dict[str, bool | int | float | str | None]


class Imported(_Message, frozen=True, tag="imported"):
    """The session imported more of its bundle's code; files as in `Described`."""

    files: dict[str, list[str]]


class Refused(_Message, frozen=True, tag="refused"):
    """Its confinement refused something; at most one a second.  Advice: whoever hides it is refused as well.

    Attributes:
        found: The first of each kind: a rule, and the path, host or process.
        counts: Of each rule, from the start on.
    """

    found: list[tuple[str, str]] = []
    counts: dict[str, int] = {}


class Failed(_Message, frozen=True, tag="failed"):
    """User code raised, or the room could not be entered; the process ends next.

    Attributes:
        stage: ``import``, ``construct``, ``join``, ``start``, ``run`` or ``stop``.
        reason: An exit reason when the worker knows a better one than the stage implies.
        trace: Frames, tasks and source for the report; None where no line of the agent had a part in it.
    """

    stage: str
    kind: str
    message: str
    where: str = ""
    traceback: str = ""
    reason: str = ""
    trace: Trace | None = None


class Exiting(_Message, frozen=True, tag="exiting"):
    """User code called exit, or raised where nothing catches; the process ends now.  For the report alone.

    Attributes:
        kind: Class name of what was raised, such as ``SystemExit``.
    """

    kind: str
    message: str
    where: str = ""
    traceback: str = ""
    trace: Trace | None = None


class Ended(_Message, frozen=True, tag="ended"):
    """The session is over by itself or as asked; the process ends next.

    Attributes:
        reason: ``finished``, ``dismissed``, ``room_ended``, ``room_lost`` or ``stopped``.
    """

    reason: str
    message: str = ""


# ---- front -> zygote (a datagram each; Fork carries descriptors)


class Fork(_Message, frozen=True, tag="fork"):
    """Fork a worker around the descriptors that come along (see `runtime.process.plumbing`).

    Attributes:
        parked: Whether it is to wait for its session, instead of being forked for one.
        private: Name of its private folder; empty where nothing is held back.
        user: Whom it is to run as; 0 for its zygote's user.
    """

    ticket: int
    parked: bool = False
    private: str = ""
    user: int = 0


# ---- zygote -> front


class EndpointDecl(msgspec.Struct, frozen=True, omit_defaults=True):
    """One endpoint as its bundle declared it; `limits` as given to `Limits`, `confinement` to `Confine`."""

    path: str
    identity: str
    class_name: str
    kind: str = "agent"
    title: str = ""
    description: str = ""
    permissions: dict[str, Any] | None = None
    limits: dict[str, Any] = {}
    restart: str = ""
    confinement: dict[str, Any] = {}


class Opened(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something of the kernel's that the program opened while it was imported, and sessions would share.

    Attributes:
        kind: ``connection``, ``listener``, ``pair``, ``pipe``, ``file``, ``database``, ``process``,
            ``memory``, ``event_loop``, ``poller``, ``event``, ``timer``, ``watch``, ``signals``, ``device``
            or ``thread``; ``task`` or ``bound`` for what is in the program's event loop.
        what: In a few words, with its peer or path.
        where: The line of the program that opened it, such as ``main.py:12``; empty when it is not known.
        library: The package that opened it; empty when it is not known, or the program itself did.
        name: Of a thread.
        through: The package that the program imports and that imports `library`; empty where it is the same.
        is_native: A thread that Python does not know.
    """

    kind: str
    what: str
    where: str = ""
    library: str = ""
    name: str = ""
    through: str = ""
    is_native: bool = False


class Confined(_Message, frozen=True, tag="confined"):
    """What holds this process and those to come, said before a line of the bundle's program was run.

    Attributes:
        landlock: The kernel's ABI; 0 for none.
        seccomp: Whether there is a filter of system calls.
        missing: What the kernel does not keep, with the version that does.
        got_through: What a probe could do that nobody may.
    """

    landlock: int
    seccomp: bool
    missing: list[str] = []
    got_through: list[str] = []


class Described(_Message, frozen=True, tag="described"):
    """The bundle is imported; these are its endpoints.

    Attributes:
        opened: What its sessions would share; not empty: do not fork from this process, unless told to.
        alike: Random generators that give all sessions the same numbers.
        name: The service's own name, empty when it has none.
        sha256: Of the program's file as it was run, in hexadecimal.
        modified_at: When that file was last changed, seconds since the epoch.
        files: What was imported or looked for, folder by folder; without the libraries.
    """

    endpoints: list[EndpointDecl]
    opened: list[Opened] = []
    alike: list[str] = []
    name: str = ""
    sha256: str = ""
    modified_at: float = 0.0
    files: dict[str, list[str]] = {}


class ImportFailed(_Message, frozen=True, tag="import_failed"):
    """Running the bundle's program raised; the zygote ends next.

    Attributes:
        missing: The module that could not be found, when that was the reason.
        near: The file of the program whose name is most like it.
        shared: Its package is one whose parts come from several distributions.
        refused: What its confinement refused, when that was the reason: a rule, and a path, host or process.
        files: As in `Described`, with the file in which it failed.
    """

    kind: str
    message: str
    where: str = ""
    traceback: str = ""
    missing: str = ""
    files: dict[str, list[str]] = {}
    near: str = ""
    refused: tuple[str, str] | None = None
    shared: bool = False


class Forked(_Message, frozen=True, tag="forked"):
    """A worker exists; its pidfd comes along."""

    ticket: int
    pid: int


class ForkFailed(_Message, frozen=True, tag="fork_failed"):
    """The kernel refused another process.

    Attributes:
        errno: Its number for that; 0 when there is none.
    """

    ticket: int
    message: str
    errno: int = 0


class Reaped(_Message, frozen=True, tag="reaped"):
    """A worker has ended.

    Attributes:
        status: Its exit code, or minus the signal that ended it.
        cpu_s: Processor time of it and of the children it waited for, as the kernel counted it.
    """

    pid: int
    status: int
    cpu_s: float = 0.0


def paths_of(files: Mapping[str, Sequence[str]]) -> list[str]:
    """The paths of a message's `files`."""
    return [f"{folder}/{name}" for folder, names in files.items() for name in names]


ToWorker = Start | Stop | Ping | Debug | Fault | Packet | RelayClosed | OfModel
_Over = Failed | Exiting | Ended
_Carried = Packet | RelayClosed | Dial | ToModel
FromWorker = Hello | ReadyNow | Pong | Debugging | StatusNow | Spans | Imported | Refused | _Over | _Carried
FromZygote = Confined | Described | ImportFailed | Forked | ForkFailed | Reaped

to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
to_zygote: msgspec.msgpack.Decoder[Fork] = msgspec.msgpack.Decoder(Fork)
from_zygote: msgspec.msgpack.Decoder[FromZygote] = msgspec.msgpack.Decoder(FromZygote)

PIPE_CUT_CODE: Final = 72
SYSTEM_SHORT_CODE: Final = 73
"""Exit code of a worker that found its pipe to the front closed, or had to close it because it was full."""

MAX_PLAIN_BYTES: Final = 1 << 20
"""Of a worker's message that is no packet, nor its last: read, it may be sixty times as large."""
_LARGER: Final = (b"\xa1t\xa6packet", b"\xa1t\xa6failed", b"\xa1t\xa7exiting", b"\xa1t\xa5ended")

_encoder = msgspec.msgpack.Encoder(enc_hook=str)
M = TypeVar("M")


def encode(message: msgspec.Struct) -> bytes:
    """Write a message; values no message can carry (a class, a path) become their text."""
    return _encoder.encode(message)


def decode(decoder: msgspec.msgpack.Decoder[M], payload: bytes) -> M:
    """Read a message.

    Raises:
        RemoteProtocolError: Not msgpack, an unknown type, a field of the wrong kind, or too large.
    """
    is_workers = decoder is from_worker
    if is_workers and len(payload) > MAX_PLAIN_BYTES and not payload.startswith(_LARGER, 1):
        raise RemoteProtocolError(f"a message of {len(payload)} bytes that is no packet")
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(f"not a message: {error}") from error
