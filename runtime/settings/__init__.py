"""Settings: frozen slices, validated when built, each value with its origin.

Precedence: flags > environment > ``bulkhead.toml`` > default.  An environment variable is
``BULKHEAD_<SLICE>_<FIELD>``, or without the slice for the `server` slice (``BULKHEAD_PORT``); a few
fields also answer to names other tools already set (``MESHAGENT_PORT``).  A field that holds a secret
also reads ``<NAME>_FILE``.  Unknown keys are errors, in the file and in the environment alike.

A component takes the slice it needs, so a new knob touches two places: here and where it is used.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast, get_type_hints

from runtime.containers.settings import ContainersSettings
from runtime.errors import ConfigError
from runtime.knob import convert, knob, one_of, parse_bytes, parse_seconds, parse_uids
from runtime.settings.cluster import ClusterSettings
from runtime.settings.mail import MailSettings
from runtime.settings.rooms import RoomsSettings
from runtime.settings.telemetry import TelemetrySettings
from runtime.settings.usage import UsageSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where the front listens, whom it trusts, what it keeps."""

    host: str = knob("127.0.0.1", "address to listen on", env=("MESHAGENT_HOST",))
    port: int = knob(8080, "port to listen on; 0 takes a free one", env=("MESHAGENT_PORT",), minimum=0)
    public_url: str = knob("", "base URL under which others reach this server; default: the bound address")
    advertise_url: str = knob("", "base URL under which sessions reach its rooms; default: the bound address")
    agents_dir: Path = knob(Path("agents"), "folder whose *.py files and folders are the bundles")
    agents_env: str = knob("", "file of variables for agents alone; default: agents.env, where there is one")
    state_dir: Path = knob(Path(".bulkhead"), "folder for the journal, rooms, threads and keys")
    room: str = knob("", "room to call every endpoint into at start", env=("MESHAGENT_ROOM",))
    remote: str = knob("", "address of a MeshAgent server that has this room, entered with the API key")
    webhook_secret: str = knob(
        "",
        "secret(s) that sign webhooks, separated by spaces",
        env=("MESHAGENT_WEBHOOK_SECRET",),
        secret=True,
    )
    room_secret: str = knob(
        "", "secret that signs participant tokens", env=("MESHAGENT_SECRET",), secret=True
    )
    api_key: str = knob(
        "",
        "API key of the project (ma-…): signs participant tokens, and is a bearer of the operator API",
        env=("MESHAGENT_API_KEY",),
        secret=True,
    )
    model_key: str = knob(
        "",
        "key of the model provider, for agents that reach it through their room",
        env=("OPENAI_API_KEY",),
        secret=True,
    )
    model_url: str = knob(
        "",
        "base URL of the model provider; with neither, the offline model answers",
        env=("OPENAI_BASE_URL",),
    )
    anthropic_key: str = knob(
        "",
        "key of Anthropic, for agents that ask its Messages API through their room",
        env=("ANTHROPIC_API_KEY",),
        secret=True,
    )
    anthropic_url: str = knob(
        "", "base URL of what answers the Messages API in its place", env=("ANTHROPIC_BASE_URL",)
    )
    api_token: str = knob("", "token for the operator API; also asked on this machine", secret=True)
    token_s: float = knob(86400.0, "time in which a token made for a person lets it enter a room", minimum=60)
    call_allow: str = knob("", "hosts and networks, besides public addresses, that room.call may post to")
    insecure: bool = knob(False, "serve unsigned webhooks and an open operator API beyond loopback")
    watch: bool = knob(True, "load new and changed bundles while running")
    drain_s: float = knob(30.0, "time that running sessions get to end after SIGTERM", minimum=0)
    hang_s: float = knob(30.0, "silence of the server after which it is started again; 0: never", minimum=0)
    max_body_bytes: int = knob(1 << 20, "largest webhook body", minimum=1024)
    body_timeout_s: float = knob(10.0, "time in which a webhook body must arrive", minimum=0.1)
    replay_window_s: float = knob(300.0, "how far a signed time may be from now", minimum=1)
    crash_count: int = knob(500, "crash reports that are kept", minimum=1)
    crash_bytes: int = knob(32 << 20, "what kept crash reports may come to together", minimum=1 << 20)
    history_count: int = knob(1000, "ended sessions that stay in the journal", minimum=1)
    history_bytes: int = knob(64 << 20, "what their arguments may come to together", minimum=1 << 20)
    event_buffer_count: int = knob(2000, "events kept for readers of /events that resume", minimum=10)
    max_subscribers: int = knob(100, "readers of /events at once", minimum=1)
    chaos: bool = knob(False, "let bulkhead chaos make sessions of this server misbehave")


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorSettings:
    """How sessions are started and ended."""

    max_sessions: int = knob(1000, "sessions alive at once, over all endpoints", minimum=1)
    max_starting: int = knob(64, "sessions between the webhook and Ready at once", minimum=1)
    max_queued: int = knob(1000, "accepted calls that may wait for their start beyond those", minimum=0)
    queue_s: float = knob(60.0, "time a call may wait for its start", minimum=0.1)
    reserve_memory: str = knob(
        "256MiB", "memory of the machine or container that new sessions leave free", reads=parse_bytes
    )
    restart: str = knob("on_failure", "restart policy of endpoints that name none: never, on_failure, always")
    restart_intensity: int = knob(5, "restarts of one session within restart_period_s", minimum=0)
    restart_period_s: float = knob(60.0, "period of restart_intensity", minimum=0.1)
    restart_first_s: float = knob(0.5, "delay of a first restart; it doubles with each one", minimum=0)
    restart_most_s: float = knob(30.0, "longest delay of a restart", minimum=0)
    restart_stable_s: float = knob(60.0, "life after which a session's delays begin anew", minimum=0)
    restart_room_s: float = knob(300.0, "time for which a room that is out of reach is tried", minimum=0)
    resume: bool = knob(True, "start again, with the server, the sessions that ran when it ended")
    quarantine_deaths: int = knob(3, "deaths by one input that park it; 0 parks nothing", minimum=0)
    quarantine_period_s: float = knob(3600.0, "time in which these deaths must happen", minimum=1)
    max_parked: int = knob(2, "children of a zygote that wait for a session; 0 forks on demand", minimum=0)
    immortal: bool = knob(True, "count no references to what sessions share, which halves their memory")
    import_s: float = knob(60.0, "time a bundle may take to import", minimum=0.1)
    start_s: float = knob(60.0, "time from fork to Ready", minimum=0.1)
    join_s: float = knob(10.0, "time to reach and enter the room", minimum=0.1)
    stop_s: float = knob(10.0, "time between asking a session to stop and SIGTERM", minimum=0)
    reload_s: float = knob(5.0, "time tasks get to finish when their agent is moved to new code", minimum=0)
    term_s: float = knob(2.0, "time between SIGTERM and SIGKILL", minimum=0)
    heartbeat_s: float = knob(1.0, "period of a loop's heartbeat that cannot say when it waits", minimum=0.1)
    hang_warn_s: float = knob(2.0, "silence of a worker after which its stacks are taken", minimum=0.2)
    hang_kill_s: float = knob(10.0, "silence of a worker after which it is killed; 0: never", minimum=0)
    stopped_kill_s: float = knob(60.0, "time a foreign signal may keep a session stopped; 0: ever", minimum=0)
    max_frame_bytes: int = knob(8 << 20, "largest frame on a control pipe", minimum=1 << 19)
    record: bool = knob(
        False,
        "keep what others send to a session, for `bulkhead replay`; it may be private",
        env=("BULKHEAD_RECORD",),
    )
    log_lines: int = knob(500, "log lines kept per session", minimum=1)
    log_line_bytes: int = knob(16384, "longest log line; the rest is cut", minimum=256)
    log_lines_per_s: float = knob(500.0, "log lines kept of a session each second; the rest drops", minimum=1)
    log_kept_bytes: int = knob(64 << 20, "log lines kept of all sessions together", minimum=1 << 20)
    log_echo_bytes_per_s: float = knob(
        8192.0,
        "bytes of a session's lines that go on to the server's own log each second",
        minimum=0,
    )
    log_bytes_per_s: float = knob(float(1 << 20), "bytes of log read of a session each second", minimum=4096)
    cgroups: str = knob("auto", "auto: a cgroup for each session where one may be made; off: never")
    pass_env: str = knob("", "environment variables a bundle may see, between spaces; empty: all but our own")

    def __post_init__(self) -> None:
        one_of("supervisor.restart", self.restart, ("never", "on_failure", "always"))
        one_of("supervisor.cgroups", self.cgroups, ("auto", "off"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """Limits of a session whose endpoint names none of its own.

    The defaults hold what one agent with its libraries needs many times over.  One that drives a browser
    needs more memory: `Limits(memory="2GiB")` on its endpoint.
    """

    memory: str = knob("512MiB", "memory of a session's process tree; 0: no limit", reads=parse_bytes)
    cpu: float = knob(0.0, "cores of a session's process tree; 0: no limit", minimum=0)
    cpu_total: str = knob("", "processor time of a session's whole life, such as 10m", reads=parse_seconds)
    pids: int = knob(256, "processes and threads of a session's tree; 0: no limit", minimum=0)
    files: int = knob(1024, "open files of a process; 0: no limit", minimum=0)
    file_size: str = knob("", "largest file a session may write, such as 1GiB", reads=parse_bytes)
    disk: str = knob("1GiB", "what a session may keep in its own folder; 0: no limit", reads=parse_bytes)
    timeout: str = knob("", "longest life of a session, such as 30m", reads=parse_seconds)
    idle_timeout: str = knob("", "longest time without a message, such as 10m", reads=parse_seconds)
    concurrency: int = knob(0, "sessions of an endpoint at once; 0: no limit", minimum=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfinementSettings:
    """What sessions may reach; bundles and endpoints may narrow it.

    Lists are written as arrays in the file, and with spaces between their entries in the environment.
    """

    level: str = knob("basic", "how tightly sessions are held: off, basic or strict")
    network: tuple[str, ...] = knob((), "all, none, or hosts such as api.openai.com:443; none but at strict")
    read: tuple[str, ...] = knob((), "files and folders every session may read; relative: of its bundle")
    write: tuple[str, ...] = knob((), "files and folders every session may write; relative: of its bundle")
    shm: bool = knob(True, "whether sessions may use shared memory by name (/dev/shm)")
    gpu: bool = knob(False, "let every session use NVIDIA's devices, whether it asks or not")
    uids: str = knob(
        "", "users for bundles and sessions of a server run by root, such as 200000-265535", reads=parse_uids
    )
    grantable: tuple[str, ...] = knob((), "folders below which bundles may be granted files; empty: anywhere")

    def __post_init__(self) -> None:
        one_of("confinement.level", self.level, ("off", "basic", "strict"))
        if self.level != "strict" and self.network not in ((), ("all",)):
            raise ConfigError(
                f"confinement.network is {' '.join(self.network)}, which is kept at level strict alone",
                cure="Set confinement.level = strict, or leave confinement.network out.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """How Bulkhead itself logs."""

    level: str = knob("info", "debug, info, warning or error", env=("LOG_LEVEL",))
    format: str = knob("auto", "auto, console or json", env=("LOG_FORMAT",))

    def __post_init__(self) -> None:
        one_of("log.level", self.level.lower(), ("debug", "info", "warning", "error"))
        one_of("log.format", self.format.lower(), ("auto", "console", "json"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every slice, and where each value came from.

    Attributes:
        origins: ``"server.port"`` -> ``"default"``, ``"flag --port"``, ``"env BULKHEAD_PORT"`` or
            ``"file bulkhead.toml"``.
        file: The file that was read; None when there was none.
    """

    server: ServerSettings = field(default_factory=ServerSettings)
    supervisor: SupervisorSettings = field(default_factory=SupervisorSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    confinement: ConfinementSettings = field(default_factory=ConfinementSettings)
    rooms: RoomsSettings = field(default_factory=RoomsSettings)
    containers: ContainersSettings = field(default_factory=ContainersSettings)
    mail: MailSettings = field(default_factory=MailSettings)
    usage: UsageSettings = field(default_factory=UsageSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    log: LogSettings = field(default_factory=LogSettings)
    origins: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None


_SLICES = [item for item in fields(Settings) if item.name not in ("origins", "file")]
SLICES: dict[str, type[Any]] = {item.name: cast("type[Any]", item.default_factory) for item in _SLICES}
_OF_BUNDLES = ("python", "fork")
"""What a bundle says above the tables of its own file, which may be the server's, too."""
_ALIASES_TO_IGNORE = {"BULKHEAD_INTERNAL", "BULKHEAD_TEST_PATIENCE", "BULKHEAD_SESSION", "BULKHEAD_URL"}
_ALIASES_TO_IGNORE |= {"BULKHEAD_DEBUG", "BULKHEAD_JOIN", "BULKHEAD_JOIN_FILE"}  # of commands alone
_IGNORED_PREFIXES = ("BULKHEAD_OFFLINE_", "BULKHEAD_INTERNAL_", "BULKHEAD_LIVE_")
_ROOM_OF_A_CONTAINER = "MESHAGENT_ROOM"
_BESIDE_IT = ("MESHAGENT_ROOM_URL", "MESHAGENT_SESSION_ID")
"""Whatever runs a container for a room sets these as well: there the room's name says where the container is,
and whoever started it calls the endpoints that are wanted.  Called here too, each would be there twice."""
_FOR_A_ROOM = {"supervisor.immortal": False}
"""Defaults there: one session of each endpoint shares with nobody, and the room waits for its start."""


def knobs() -> Iterable[tuple[str, Field[Any]]]:
    """Every knob as (``"server.port"``, field), in the order of the documentation."""
    for name, slice_type in SLICES.items():
        for item in fields(slice_type):
            yield f"{name}.{item.name}", item


def env_names(key: str, item: Field[Any]) -> tuple[str, ...]:
    """The environment variables that set a knob, strongest first."""
    slice_name, field_name = key.split(".")
    own = f"BULKHEAD_{field_name}" if slice_name == "server" else f"BULKHEAD_{slice_name}_{field_name}"
    return (own.upper(), *item.metadata["env"])


def shown(settings: Settings) -> Iterable[tuple[str, Field[Any], bool | int | float | str]]:
    """Every knob with its value for people; of a secret no more than that it is set."""
    for key, item in knobs():
        slice_name, name = key.split(".")
        value = getattr(getattr(settings, slice_name), name)
        if item.metadata["secret"]:
            value = "•••" if value else ""
        if isinstance(value, tuple):
            value = " ".join(value)
        yield key, item, value if isinstance(value, bool | int | float) else str(value)


def usual_file() -> Path | None:
    """``bulkhead.toml`` of this folder, where there is one."""
    file = Path("bulkhead.toml")
    return file.resolve() if file.is_file() else None


def load_settings(
    *,
    flags: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Merge flags, environment and file over the defaults.

    Args:
        flags: ``{"server.port": 9000}``; a value of None means the flag was not given.
        env: The environment; nothing is read from the process's own.
        file: A TOML file with a table per slice; None when there is none.

    Raises:
        ConfigError: An unknown key or a value of the wrong kind; says which, where, and what is nearest.
    """
    env, flags = env or {}, {k: v for k, v in (flags or {}).items() if v is not None}
    is_for_a_room = any(env.get(name) for name in _BESIDE_IT)
    if is_for_a_room:
        env = {name: value for name, value in env.items() if name != _ROOM_OF_A_CONTAINER}
    tables = _read_file(file)
    known_env: set[str] = set()
    values: dict[str, dict[str, Any]] = {name: {} for name in SLICES}
    origins: dict[str, str] = {}
    for key, item in knobs():
        slice_name, field_name = key.split(".")
        names = env_names(key, item)
        known_env.update(names)
        if item.metadata["secret"]:
            known_env.update(f"{name}_FILE" for name in names)
        raw, origin = _pick(key, item, names, flags, env, tables, file)
        origins[key] = origin
        if raw is not MISSING:
            values[slice_name][field_name] = convert(key, item, _kind(key), raw, origin)
        elif is_for_a_room and key in _FOR_A_ROOM:
            values[slice_name][field_name] = _FOR_A_ROOM[key]
    _refuse_unknown(env, known_env)
    built = {name: slice_type(**values[name]) for name, slice_type in SLICES.items()}
    return Settings(**built, origins=origins, file=file)


def _kind(key: str) -> type[Any]:
    slice_name, field_name = key.split(".")
    kind: type[Any] = get_type_hints(SLICES[slice_name])[field_name]
    return kind


def _pick(
    key: str,
    item: Field[Any],
    names: tuple[str, ...],
    flags: Mapping[str, Any],
    env: Mapping[str, str],
    tables: Mapping[str, Mapping[str, Any]],
    file: Path | None,
) -> tuple[Any, str]:
    slice_name, field_name = key.split(".")
    if key in flags:
        return flags[key], f"flag --{field_name.replace('_', '-')}"
    for name in names:
        if env.get(name, "") != "":
            return env[name], f"env {name}"
        if item.metadata["secret"] and env.get(f"{name}_FILE"):
            return _read_secret(name, env[f"{name}_FILE"]), f"env {name}_FILE"
    if field_name in tables.get(slice_name, {}):
        return tables[slice_name][field_name], f"file {file.name if file else ''}"
    return MISSING, "default"


def _read_file(file: Path | None) -> dict[str, dict[str, Any]]:
    if file is None:
        return {}
    try:
        tables = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        cure = "Give a readable TOML file."
        raise ConfigError(f"cannot read {file}: {error.strerror}", cure=cure) from error
    except UnicodeDecodeError as error:
        cure = "Save the file as UTF-8."
        raise ConfigError(f"{file} is not UTF-8 (byte {error.start})", cure=cure) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}", cure="Mend that line.") from error
    for name in _OF_BUNDLES:
        tables.pop(name, None)
    for name, table in tables.items():
        if name not in SLICES or not isinstance(table, dict):
            raise ConfigError(f"{file}: unknown table [{name}]", cure=_nearest(name, SLICES))
        for key in table:
            allowed = [item.name for item in fields(SLICES[name])]
            if key not in allowed:
                raise ConfigError(f"{file}: unknown key {key!r} in [{name}]", cure=_nearest(key, allowed))
    return tables


def _read_secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ConfigError(
            f"{name}_FILE: cannot read {path}: {error.strerror}", cure="Point it at a readable file."
        ) from error


def _refuse_unknown(env: Mapping[str, str], known: set[str]) -> None:
    for name in env:
        if not name.startswith("BULKHEAD_") or name in known or name in _ALIASES_TO_IGNORE:
            continue
        if not name.startswith(_IGNORED_PREFIXES):
            raise ConfigError(f"unknown setting {name} in the environment", cure=_nearest(name, known))


def _nearest(name: str, allowed: Iterable[str]) -> str:
    allowed = sorted(allowed)
    close = difflib.get_close_matches(name, allowed, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(allowed[:40])}."
