"""What each bundle of a server may reach: its settings, the bundle's file, its decorators, and this disk."""

from __future__ import annotations

import os
import sys
import sysconfig
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import structlog
from msgspec.structs import replace

import runtime
from runtime.confinement.confine import Confine
from runtime.confinement.ground import SYSTEM, Ground
from runtime.confinement.layers import Asked, policy_of, union_of
from runtime.confinement.level import Level
from runtime.confinement.paths import absolute, first_above, is_below
from runtime.confinement.policy import Policy
from runtime.confinement.uids import Uids
from runtime.confinement.upheld import Upheld
from runtime.errors import BundleError, ConfigError
from runtime.files import plain_file
from runtime.knob import parse_uids
from runtime.process.confine.files.grants import holds_home
from runtime.process.confine.home.private import clear_leftovers
from runtime.process.program.as_user import cure_of, missing_capabilities, out_of_reach
from runtime.process.program.command import Command
from runtime.settings import ConfinementSettings
from runtime.supervisor.bundles.bundle_file import MAX_BYTES, file_of, tables_of
from runtime.supervisor.bundles.confined.declared import Declared, DeclaredBefore, confine_of
from runtime.supervisor.bundles.confined.held import Held
from runtime.supervisor.bundles.discovery import program_of
from runtime.supervisor.bundles.dotenv import NAME as DOTENV

log = structlog.get_logger("supervisor")

_SERVERS_OWN: Final = ("grantable",)
"""Keys of the table that are the server's alone; its file may be the bundle's, too."""

_MAX_LINKS: Final = 40  # more than that the kernel does not follow


class Confinement:
    """Runs in: anywhere; `held` blocks on the disk.

    Args:
        state: The server's state folder.
        file: The server's own file of settings, which may lie in the folder of a bundle.

    Raises:
        ConfigError: A setting cannot be used.

    Attributes:
        declared: What its bundles declared before.
    """

    def __init__(
        self, settings: ConfinementSettings, *, state: Path = Path(".bulkhead"), file: Path | None = None
    ) -> None:
        network: Any = settings.network or None
        if settings.network in (("all",), ("none",)):
            (network,) = settings.network
        asked = Confine.of(
            {
                "level": settings.level,
                "network": network,
                "read": settings.read,
                "write": settings.write,
                "shm": None if settings.shm else False,  # True allows it and does not ask for it
                "gpu": settings.gpu or None,
            }
        )
        self._servers = Asked(asked, "the server's settings", is_servers=True)
        self._grantable = tuple(map(_resolved, settings.grantable))
        self._state = state
        self._file = file
        self._uids = _uids(settings)
        self.declared = DeclaredBefore(state)
        self._told: Upheld | None = None
        self._told_home: set[Path] = set()

    @property
    def level(self) -> Level:
        """The server's; a bundle may ask for a stricter one."""
        return self._servers.confine.level or Level.OFF

    def is_news(self, upheld: Upheld) -> bool:
        """Whether something else holds a bundle than the one that was asked about last; not by whose user."""
        is_news = self._told is None or replace(upheld, uid=self._told.uid) != self._told
        self._told = upheld
        return is_news

    def upheld(self) -> Upheld | None:
        """What was found last; None as long as no bundle was held."""
        return self._told

    def clear_leftovers(self) -> int:
        """Remove the private folders of sessions that a dead server left; how many generations had any."""
        return clear_leftovers(_resolved(self._state))

    def held(self, source: Path, others: Iterable[Path], declared: Declared) -> Held:
        """What a bundle may reach that declares so.

        Args:
            source: The bundle's file or folder.
            others: Those of the other bundles.

        Raises:
            BundleError: It asks for more than it may be given; the cure says what to write.
        """
        ground = self._ground(source, others)
        layers = [self._servers, *self._of_file(source)]
        own = {
            path: Asked(confine_of(path, said), f'@service.path("{path}")')
            for path, said in declared.items()
            if said
        }
        ground = replace(ground, written=_written([*layers, *own.values()], ground))
        base = policy_of(layers, ground)
        endpoints = {path: policy_of([*layers, asked], ground) for path, asked in own.items()}
        each = {path: endpoints.get(path, base) for path in declared}
        whole = union_of(each.values() or [base])
        _refuse_lists_in_wider(whole, each)
        if whole.level is not Level.OFF and holds_home(ground.folder, ground):
            self._tell_home(source, ground.folder)
        return Held(whole, each, ground)

    def _tell_home(self, source: Path, folder: str) -> None:
        """Once: what lies in somebody's home is not all the bundle's."""
        if source in self._told_home:
            return
        self._told_home.add(source)
        log.warning(
            "bundle.lives_at_home",
            source=str(source),
            detail=f"{folder} holds the server's home: files whose names begin with a dot, and folders of "
            "other users, are not given to it; its own .env is",
            cure="Keep it in a folder of its own.",
        )

    def before_import(self, source: Path, others: Iterable[Path], last: Declared) -> Held:
        """What it may reach while it is not known what it declares: what it declared `last`, if it still may.

        Args:
            last: Empty when it was not loaded yet; then what it declared to a server before this one counts.

        Raises:
            BundleError: As `held`.
        """
        others = list(others)
        if last := last or self.declared.last(_resolved(source)):
            try:
                return self.held(source, others, last)
            except BundleError:
                pass  # it may have been mended since; what it declares now is judged after its import
        return self.held(source, others, {})

    def note(self, source: Path, declared: Declared) -> None:
        """It was loaded, and declares this: the next server is to know it.  Blocks."""
        self.declared.note(_resolved(source), declared)

    def with_user(self, held: Held, command: Command) -> Held:
        """With the user that it is to run as.  One that is held by nothing has none of its own.

        Args:
            command: How its program is started.

        Raises:
            BundleError: It is held strictly, or a part of it, and its user could not run it.
        """
        if self._uids is None or held.bundle.level is Level.OFF:
            return held
        source = command.source
        uid = self._uids.of_bundle(_resolved(source))
        found = out_of_reach(replace(command, policy=held.bundle), program_of(source), uid)
        if not found:
            return replace(held, user=uid, no_user="", uids=self._uids)
        cure = cure_of(found, uid)
        told = f"{source.name} would run as user {uid}, who cannot {found}"
        if Level.STRICT in (held.bundle.level, *(one.level for one in held.endpoints.values())):
            raise BundleError(told, cure=cure)
        return replace(held, user=None, no_user=f"{told}: {cure}")

    def _of_file(self, source: Path) -> list[Asked]:
        file = file_of(source)
        if self._file is not None and _resolved(file) == _resolved(self._file):
            return []  # said by the server's settings already
        try:
            table = tables_of(source).get("confinement", {})
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            if not _may_say_something(file):
                return []  # that it cannot be read is told where its limits are read
            raise BundleError(f"{file.name} cannot be read: {error}", cure="Mend it.") from None
        if not isinstance(table, dict):
            raise BundleError(
                f"{file.name}: confinement is no table", cure="Write [confinement] on a line of its own."
            )
        try:
            return [Asked(Confine.of(table, ignored=_SERVERS_OWN), file.name)]
        except ConfigError as error:
            raise BundleError(f"{file.name}: {error.message}", cure=error.cure) from None

    def foreign(self, source: Path, others: Iterable[Path]) -> tuple[str, ...]:
        """Where sessions of other bundles may write in the folder of this one, as far as known.  Blocks."""
        folder = _resolved(source if source.is_dir() else source.parent)
        found = (place for other in others for place in self._written_by(other))
        return tuple(dict.fromkeys(place for place in found if place != folder and is_below(place, folder)))

    def _written_by(self, source: Path) -> Iterator[str]:
        """Where sessions of a bundle may write, as far as that is known before it was loaded."""
        folder = _resolved(source if source.is_dir() else source.parent)
        said: list[Mapping[str, Any]] = [*self.declared.last(_resolved(source)).values()]
        with suppress(BundleError):
            said += [asked.confine.plain() for asked in self._of_file(source)]
        for one in said:
            for text in one.get("write", ()):
                yield _resolved(absolute(str(text), folder=folder, home=_resolved("~")))

    def _ground(self, source: Path, others: Iterable[Path]) -> Ground:
        folder = _resolved(source if source.is_dir() else source.parent)
        found: list[str] = []
        others = list(others)
        for other in others:
            path = _resolved(other)
            if is_below(folder, path):  # this one lives in the other's folder
                program = program_of(other)
                found += map(_resolved, (program, file_of(other), program.parent / DOTENV))
            elif other.is_dir():
                found.append(path)
            else:
                found += (path, _resolved(file_of(other)))
        return Ground(
            folder=folder,
            home=_resolved("~"),
            state=_resolved(self._state),
            real=lambda path: os.path.realpath(path, strict=True),
            links=links_of,
            others=tuple(dict.fromkeys(found)),
            ours=what_runs(),
            grantable=self._grantable,
            hidden=() if self._file is None else (_resolved(self._file),),
            foreign=self.foreign(source, others),
            is_shared=any(is_below(folder, place) for other in others for place in self._written_by(other)),
        )


def _refuse_lists_in_wider(whole: Policy, each: Mapping[str, Policy]) -> None:
    """A list is kept by what holds the whole program; raises BundleError where that is held by less."""
    if whole.network != "all" or whole.level is Level.OFF:
        return
    for path, policy in each.items():
        if isinstance(policy.network, tuple):
            others = ", ".join(other for other, its in each.items() if its.network == "all")
            raise BundleError(
                f"{path} may connect to a list of hosts, and {others} of the same program to all: a list "
                "holds for a program as a whole",
                cure='Give the others a list, or network="none", too; or put it into a program of its own.',
            )


@cache
def what_runs() -> tuple[str, ...]:
    """Where the programs of this server lie: interpreter, its packages, our own."""
    bases = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    names = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    found = [
        sys.executable,
        os.path.dirname(str(runtime.__file__)),
        *(sysconfig.get_paths()[name] for name in names),
        *(sysconfig.get_paths(vars=bases)[name] for name in names),
        # A prefix such as /usr/local holds more than an interpreter.
        *(prefix for prefix in (sys.prefix, sys.base_prefix) if first_above(prefix, SYSTEM) is None),
    ]
    return tuple(dict.fromkeys(map(_resolved, found)))


def _uids(settings: ConfinementSettings) -> Uids | None:
    if not settings.uids:
        return None
    if missing := missing_capabilities():
        raise ConfigError(
            f"confinement.uids is set, and this server cannot use it: it has no {', '.join(missing)}",
            cure="Run it as root with these capabilities, or leave confinement.uids empty.",
        )
    return Uids(*parse_uids(settings.uids))


def _written(layers: Iterable[Asked], ground: Ground) -> tuple[str, ...]:
    """What sessions may write, as far as it is there."""
    found = []
    for asked in layers:
        for text in asked.confine.write:
            with suppress(OSError):
                found.append(ground.real(absolute(text, folder=ground.folder, home=ground.home)))
    return tuple(dict.fromkeys(found))


def _may_say_something(file: Path) -> bool:
    try:
        return b"confinement" in plain_file.read(file, most_bytes=MAX_BYTES)
    except FileNotFoundError:
        return False
    except OSError:
        return True


def links_of(path: str) -> Iterator[str]:
    """Where the links lie that lead on the way to a path."""
    at, rest, left = "/", path.split("/")[::-1], _MAX_LINKS
    while rest and left:
        part = rest.pop()
        if part in ("", ".", ".."):
            at = os.path.dirname(at) if part == ".." else at
            continue
        place = os.path.join(at, part)
        try:
            target = os.readlink(place)
        except OSError:
            at = place
            continue
        yield place
        left -= 1
        at = "/" if target.startswith("/") else at
        rest += target.split("/")[::-1]


def _resolved(path: Path | str) -> str:
    return os.path.realpath(os.path.expanduser(path))
