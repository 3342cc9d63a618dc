"""What somebody asks for: a server in its settings, a bundle in its file, an author in a decorator."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from runtime.confinement.hosts import parse_host
from runtime.confinement.level import Level
from runtime.errors import ConfigError

Network = Literal["all", "none"] | tuple[str, ...]

_MAX_ENTRIES: Final = 64
_MAX_CHARS: Final = 4096


@dataclass(frozen=True, slots=True, init=False)
class Confine:
    """What a session may reach; None, or an empty list, leaves that to the bundle and the server.

    Whoever stands nearer to the session may only narrow what the server says, but for files: there each names
    what it needs, and the server checks whether that may be granted.

    Attributes:
        level: ``"off"``, ``"basic"`` or ``"strict"``.
        network: ``"all"``, ``"none"``, or hosts such as ``["api.openai.com:443", "*.example.com"]``.
        read: Files and folders it may read, besides the system's, its bundle's and its own; relative ones lie
            below the bundle's folder, ``~`` is the server's home.
        write: Files and folders it may read and write.
        shm: Whether it may use shared memory by name (``/dev/shm``).
        gpu: Whether it may use NVIDIA's devices.

    Raises:
        ConfigError: A value cannot be used; says what to write.
    """

    level: Level | None
    network: Network | None
    read: tuple[str, ...]
    write: tuple[str, ...]
    shm: bool | None
    gpu: bool | None

    def __init__(
        self,
        *,
        level: Level | Literal["off", "basic", "strict"] | None = None,
        network: Literal["all", "none"] | Iterable[str] | None = None,
        read: Iterable[str] = (),
        write: Iterable[str] = (),
        shm: bool | None = None,
        gpu: bool | None = None,
    ) -> None:
        for name, value in (
            ("level", _level(level)),
            ("network", _network(network)),
            ("read", _paths("read", read)),
            ("write", _paths("write", write)),
            ("shm", _flag("shm", shm)),
            ("gpu", _flag("gpu", gpu)),
        ):
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, table: Mapping[str, Any], *, ignored: Iterable[str] = ()) -> Confine:
        """Read a mapping, such as a table of TOML or what `plain` wrote.

        Args:
            ignored: Keys that are somebody else's.

        Raises:
            ConfigError: It has a key that nobody knows, or a value that cannot be used.
        """
        known = [field.name for field in fields(cls)]
        said = {name: value for name, value in table.items() if name not in ignored}
        for name in said:
            if name not in known:
                close = difflib.get_close_matches(str(name), known, n=1)
                hint = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
                raise ConfigError(f"confinement: unknown key {str(name)[:80]!r}", cure=hint)
        return cls(**said)

    def plain(self) -> dict[str, Any]:
        """Only what was said, as data that `of` reads."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else str(value) if name == "level" else value
            for name, value in said.items()
            if value is not None and (value != () or name == "network")
        }


def _level(value: Any) -> Level | None:
    if value is None:
        return None
    try:
        return Level(value)
    except ValueError:
        raise ConfigError(
            f"confinement: level is {value!r:.80}", cure=f"One of: {', '.join(Level)}."
        ) from None


def _network(value: Any) -> Network | None:
    if value is None or value in ("all", "none"):
        found: Network | None = value
        return found
    example = 'Write network="all", "none", or a list of hosts such as ["api.openai.com:443"].'
    hosts = _texts("network", value, example)
    for host in hosts:
        try:
            parse_host(host)
        except ValueError as error:
            raise ConfigError(f"confinement: network: {error}", cure=example) from None
    return hosts or "none"


def _paths(name: str, value: Any) -> tuple[str, ...]:
    example = f'Write {name}=["data"]: a list of files and folders.'
    found = _texts(name, value, example)
    for path in found:
        if not path.strip() or "\0" in path:
            raise ConfigError(f"confinement: {name} names {path!r:.80}, which is no path", cure=example)
        if path.startswith("~") and path != "~" and not path.startswith("~/"):
            raise ConfigError(
                f"confinement: {name} names {path!r:.80}, somebody's home", cure="Write the whole path."
            )
        if any(letter in path for letter in "*?["):
            raise ConfigError(
                f"confinement: {name} names {path!r:.80}, a pattern", cure="Name the folder that holds them."
            )
    return found


def _texts(name: str, value: Any, example: str) -> tuple[str, ...]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise ConfigError(f"confinement: {name} is {value!r:.80}", cure=example)
    found = tuple(str(item) if hasattr(item, "__fspath__") else item for item in value)
    for item in found:
        if not isinstance(item, str) or len(item) > _MAX_CHARS:
            raise ConfigError(f"confinement: {name} holds {item!r:.80}", cure=example)
    if len(found) > _MAX_ENTRIES:
        raise ConfigError(
            f"confinement: {name} has {len(found)} entries, at most {_MAX_ENTRIES}",
            cure="Name folders that hold several of them.",
        )
    return tuple(dict.fromkeys(found))


def _flag(name: str, value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise ConfigError(f"confinement: {name} is {value!r:.80}", cure=f"Write {name}=True or {name}=False.")
