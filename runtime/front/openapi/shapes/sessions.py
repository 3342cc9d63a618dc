"""Sessions, endpoints and bundles as the API shows them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType, field

from runtime.front.openapi.shapes.shape import SessionName, Shape, Time, words
from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import SessionState

Limits = Annotated[
    dict[str, int | float], Meta(description="What is limited, in bytes, seconds and numbers", examples=[{}])
]


class Exit(Shape, frozen=True, kw_only=True):
    """How a session ended."""

    reason: ExitReason
    code: int | None
    signal: int | None
    message: str
    at: Time


class Restart(Shape, frozen=True, kw_only=True):
    """Whether a session is started again."""

    policy: Annotated[str, words("never", "on_failure", "always")]
    at: Annotated[Time | None, Meta(description="When the next attempt is due")]
    last_exit: Exit | None


class ConfinedFiles(Shape, frozen=True, kw_only=True):
    """Files and folders that a session was granted, besides what every session has."""

    read: list[str]
    write: list[str]


class Enforced(Shape, frozen=True, kw_only=True):
    """By what a session is held."""

    landlock: Annotated[int, Meta(description="The version of the kernel's Landlock; 0 for none")]
    seccomp: Annotated[bool, Meta(description="There is a filter of system calls")]
    uid: Annotated[int | None, Meta(description="Its own user; None for the server's")]


class Confinement(Shape, frozen=True, kw_only=True):
    """What a session may reach, and what it was refused."""

    level: Annotated[str, words("off", "basic", "strict")]
    files: ConfinedFiles
    network: Annotated[str | list[str], Meta(description="`all`, `none`, or the hosts it may connect to")]
    shm: Annotated[bool, Meta(description="It may use shared memory by name")]
    gpu: bool
    rules: Enforced | UnsetType = UNSET
    missing: Annotated[
        list[str] | UnsetType, Meta(description="What is not kept although it should be, as a probe found")
    ] = UNSET
    refused: Annotated[dict[str, int], Meta(description="How often each rule refused it something")]


class Worker(Shape, frozen=True, kw_only=True):
    """A session and its process."""

    id: SessionName
    state: SessionState
    pid: int | None
    node: Annotated[str, Meta(description="The machine that runs it; empty before it was placed")]
    boot: Annotated[str, Meta(description="Which life of that machine's supervisor")]
    endpoint: str
    identity: str
    room: str
    bundle: str
    attempt: Annotated[int, Meta(description="Which attempt of the session this is, from 1")]
    code_generation: Annotated[int, Meta(description="Which load of its bundle's code runs; 0 before that")]
    generation: Annotated[int, Meta(description="`attempt`, as it was called before")]
    revision: Annotated[int, Meta(description="Of the service that is deployed there, which it runs; else 0")]
    accepted_at: Time
    uptime_s: float
    cpu_s: float
    rss_bytes: int
    pss_bytes: Annotated[int, Meta(description="Shared pages divided by who shares them; 0 when not read")]
    disk_bytes: Annotated[int | None, Meta(description="Kept in its own folder, when that was last counted")]
    fds: int
    threads: int
    children: int
    lag_ms: Annotated[float | None, Meta(description="Longest that its event loop was busy lately")]
    last_heartbeat: Time | None
    note: Annotated[str | None, Meta(description="What keeps it from going on, such as a signal")]
    frozen: Annotated[bool, Meta(description="An operator keeps it from running")]
    restarts: int
    restart: Restart
    input: Annotated[str | None, Meta(description="Hash of room and arguments, as quarantine names it")]
    messages: int
    limits: Limits
    limit_sources: dict[str, str]
    confinement: Annotated[Confinement | None, Meta(description="None where nothing is held back")]
    exit: Exit | None


class Process(Shape, frozen=True, kw_only=True):
    """One process of a session's tree."""

    pid: int
    parent: int
    name: str
    command: str
    state: str
    threads: int
    cpu_s: float
    rss_bytes: int
    started_at: Time


class Curve(Shape, frozen=True, kw_only=True):
    """What a session used over time, one list a figure."""

    t_s: Annotated[list[float], Meta(description="Seconds since the process began")]
    cpu: Annotated[list[float], Meta(description="Share of a core")]
    rss_bytes: list[int]


class WorkerDetail(Worker, frozen=True, kw_only=True):
    """A session with its process tree and what it used over time."""

    processes: list[Process]
    curve: Curve


class RecentUse(Shape, frozen=True, kw_only=True):
    """The last minute of a session, second by second."""

    cpu: list[float]
    rss: list[int]


class LiveWorker(Worker, frozen=True, kw_only=True):
    """A session as Studio's stream tells of it."""

    crashed: bool
    spark: RecentUse | UnsetType = UNSET


class Endpoint(Shape, frozen=True, kw_only=True):
    """A path that a bundle serves, or would serve if it could."""

    path: str
    identity: str
    bundle: str
    code_generation: Annotated[int, Meta(description="Which load of its bundle's code new sessions get")]
    generation: Annotated[int, Meta(description="`code_generation`, as it was called before")]
    state: Annotated[str, words("loading", "ready", "failed")]
    class_name: str = field(name="class")
    kind: str
    title: str
    description: str
    limits: Limits
    limit_sources: dict[str, str]
    error: str | UnsetType = UNSET


class Bundle(Shape, frozen=True, kw_only=True):
    """A file or folder of agents."""

    name: str
    source: str
    code_generation: Annotated[int, Meta(description="How often its code was loaded; 0 for not at all")]
    generation: Annotated[int, Meta(description="`code_generation`, as it was called before")]
    state: Annotated[str, words("loading", "ready", "failed")]
    pid: int | None
    parked: Annotated[int, Meta(description="Workers that wait for a session")]
    threads: Annotated[list[str], Meta(description="Threads its import left running")]
    fork: Annotated[str, words("auto", "always", "never")]
    forked: Annotated[bool, Meta(description="Its sessions come from one process")]
    opened: Annotated[list[str], Meta(description="What its import left that sessions would share")]
    start_ms: Annotated[float | None, Meta(description="From a call to ready, in the middle")]
    error: str | UnsetType = UNSET
    detail: Annotated[str, Meta(description="Traceback of its import")] | UnsetType = UNSET


class Bundles(Shape, frozen=True, kw_only=True):
    """What is served, and by which code."""

    endpoints: list[Endpoint]
    bundles: list[Bundle]


class Workers(Bundles, frozen=True, kw_only=True):
    """Endpoints, bundles, and sessions: live ones first, oldest first, then the ended, latest first."""

    workers: list[Worker]


class WorkersQuery(Shape, frozen=True, kw_only=True):
    """Which sessions are listed."""

    all: Annotated[bool, Meta(description="Ended sessions too")] = False
    state: Annotated[SessionState, Meta(description="Only those in this state")] | UnsetType = UNSET
    room: Annotated[str, Meta(description="Only those of this room")] = ""
    identity: Annotated[str, Meta(description="Only those of this identity")] = ""
    endpoint: Annotated[str, Meta(description="Only those of this path", examples=["/chat"])] = ""
    node: Annotated[str, Meta(description="Only those of this machine")] = ""


class StopQuery(Shape, frozen=True, kw_only=True):
    """How a session is ended."""

    grace_s: (
        Annotated[float, Meta(ge=0, le=3600, description="Seconds between asking and killing")] | UnsetType
    ) = UNSET
    reload: Annotated[
        bool,
        Meta(description="It makes way for new code: its tasks may finish first (supervisor.reload_s)"),
    ] = False


class Message(Shape, frozen=True, kw_only=True):
    """A message between a session and its room, or several of a kind in a row; not what was in them."""

    at: Time
    direction: Annotated[str, words("in", "out")]
    kind: str
    bytes: int
    count: int
    summary: str


class Messages(Shape, frozen=True, kw_only=True):
    """The last messages, oldest first."""

    messages: list[Message]
    dropped: Annotated[int | None, Meta(description="null when there were more than are kept")]


class LogLine(Shape, frozen=True, kw_only=True):
    """A line that a session wrote."""

    seq: Annotated[int, Meta(description="1, 2, 3 …; a gap is lines that were dropped")]
    at: Time
    stream: str
    level: str
    text: str
    trace_id: Annotated[str, Meta(description="Its trace; empty where calls are not traced")] = ""
    span_id: Annotated[str, Meta(description="Its span; empty where calls are not traced")] = ""


class Logs(Shape, frozen=True, kw_only=True):
    """The lines that are kept."""

    session: SessionName
    lines: list[LogLine]
    next: Annotated[int, Meta(description="What to send as `after` for those that follow")]
    dropped: int


class LogsQuery(Shape, frozen=True, kw_only=True):
    """Which lines, and whether to wait for more."""

    after: Annotated[int, Meta(ge=0, le=10**12, description="Only lines numbered above")] = 0
    follow: Annotated[bool, Meta(description="Stream lines until the session ends")] = False


class DebugQuery(Shape, frozen=True, kw_only=True):
    """Where a debugger is to listen."""

    port: Annotated[int, Meta(ge=0, le=65535, description="0 takes a free one")] = 0


class Debugger(Shape, frozen=True, kw_only=True):
    """Where a debugger listens."""

    session: SessionName
    node: Annotated[str, Meta(description="The machine that it listens on")]
    host: str
    port: Annotated[int, Meta(description="0 where none does")]


class ReplayRequest(Shape, frozen=True, kw_only=True):
    """How a replay is run."""

    for_s: Annotated[float, Meta(ge=1, le=300, description="Stop one that does not fail after so long")] = (
        20.0
    )


class Ping(Shape, frozen=True, kw_only=True):
    """How long one round trip to the session's event loop took."""

    session: SessionName
    round_trip_ms: float


class Fault(Shape, frozen=True, kw_only=True):
    """A way to misbehave."""

    fault: Annotated[str, Meta(min_length=1, max_length=40)]
    at: Annotated[dict[str, Any], Meta(description="Whom to attack")] = field(default_factory=dict)


class Injected(Shape, frozen=True, kw_only=True):
    """What was asked of the session."""

    session: SessionName
    fault: str
