"""What a bundle's processes are held by, as the front makes it and as it travels to them."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.paths import first_above, is_below
from runtime.confinement.policy import Policy
from runtime.confinement.uids import Block
from runtime.errors import SpawnFailed, SystemShort, lacking
from runtime.process.confine import landlock, launch
from runtime.process.confine.files import grants, installed
from runtime.process.confine.files.bytecode import folder_for
from runtime.process.confine.files.entries import Entries
from runtime.process.confine.home.private import IMPORT, PrivateFolders

LAUNCH: Final = str(Path(launch.__file__).resolve())


class Private(msgspec.Struct, frozen=True):
    """The private folder of one session; of nobody where nothing is held back.

    Attributes:
        path: Empty for nobody's.
        user: Whom the session runs as; None for our own user.
        users: Where that user comes from; None where others run as it, too.
    """

    name: str = ""
    path: str = ""
    folders: PrivateFolders | None = None
    user: int | None = None
    users: Block | None = None

    @classmethod
    def of(cls, hold: Hold | None) -> Self:
        """Of a session to be started.

        Raises:
            SystemShort: The system has no room for it.
            SpawnFailed: It is to be another user's, and cannot be made.
        """
        if hold is None:
            return cls()
        name = hold.private.new()
        path = os.path.join(hold.private.path, name)
        user = None if hold.users is None else hold.users.take()
        users = hold.users if user is not None else None
        one = cls(name, path, hold.private, hold.user if user is None else user, users)
        try:
            if one.user is not None:
                hold.private.make(name, one.user)
        except OSError as error:
            one.leave()
            told = f"its folder cannot be made: {error.strerror}"
            if lacks := lacking(error):
                raise SystemShort(lacks, told) from error
            raise SpawnFailed(told, cure="Make room where the state folder is.") from error
        return one

    def leave(self) -> None:
        """Have it removed; idempotent."""
        if self.folders is not None:
            self.folders.leave(self.name, self._left)

    def _left(self) -> None:
        if self.users is not None and self.user is not None:
            self.users.give_back(self.user)


class Hold(msgspec.Struct, frozen=True):
    """Of one generation of a bundle.

    Attributes:
        network: ``all``, ``none`` or ``list``.
        common: Rules for its zygote, or a session in an interpreter of its own; without private folders.
        granted: What it was granted besides.
        inner: Rules for a session that is forked, without private folders as well.
        narrower: By path of an endpoint what that was granted, if it is less, and whether that is strict.
        user: Whom it runs as; None for our own user.
        users: For its sessions; None when they run as that one, too.
        bytecode: Where its import keeps what it compiled; empty for beside the sources.
        home: The server's, in whose place its sessions have their own folders.
        entries: Folders that are granted entry by entry.
    """

    level: Level
    network: str
    state: str
    common: tuple[grants.Rule, ...]
    granted: tuple[grants.Rule, ...]
    inner: tuple[grants.Rule, ...]
    narrower: Mapping[str, tuple[tuple[grants.Rule, ...], bool]]
    private: PrivateFolders
    user: int | None = None
    users: Block | None = None
    bytecode: str = ""
    home: str = ""
    entries: Entries | None = None

    @classmethod
    def of(
        cls,
        policy: Policy,
        ground: Ground,
        source: Path,
        python: str,
        env: Mapping[str, str],
        *,
        narrower: Mapping[str, Policy],
        user: int | None = None,
        users: Block | None = None,
        folders: PrivateFolders | None = None,
    ) -> Hold:
        """Look at the disk, and make its private folders.  Blocks.

        Args:
            narrower: Of those of its endpoints that may use less than the bundle.
            folders: Private ones that lie elsewhere than in the state folder, in which nothing is kept then.

        Raises:
            OSError: The state folder cannot be written.
        """
        packages = installed.packages_of(python)
        bytecode = "" if folders is not None else folder_for(ground.state, source, python, packages)
        if bytecode and user is not None and os.stat(bytecode).st_uid != user:
            os.chmod(bytecode, 0o750)  # its sessions are of its group
            os.chown(bytecode, user, user)
        common = grants.common(ground, source, python, env, is_other_user=user is not None)
        left_out = (ground.state, *ground.others, *ground.hidden, *ground.foreign)
        of_session = grants.rules(policy, ground, source, python, env, whole=True)
        is_strict = policy.level is Level.STRICT
        return cls(
            policy.level,
            policy.network if isinstance(policy.network, str) else "list",
            ground.state,
            tuple(common),
            tuple(grants.granted(policy)),
            tuple(grants.of_no_process(of_session) if is_strict else of_session),
            {path: (tuple(grants.granted(own)), own.level is Level.STRICT) for path, own in narrower.items()},
            folders or PrivateFolders(ground.state, user),
            user,
            users,
            bytecode,
            ground.home,
            Entries.of(_kept_still(common, policy, ground, python), left_out, ground.folder),
        )

    def close(self) -> None:
        """No more is started that it holds; idempotent."""
        self.private.close()
        if self.users is not None:
            self.users.close()

    def for_zygote(self, env: Mapping[str, str], watch_fd: int = -1) -> int:
        """A descriptor for `launch`, with the environment for the import.

        Args:
            watch_fd: Where the listener of its calls is sent; -1: nowhere, and none is listened to.
        """
        users = None if self.users is None else (self.users.first, self.users.last)
        home = self._at_home(env, IMPORT)
        return self._written(self.private.path, home, self.user, users, watch_fd, bytecode=landlock.WRITE)

    def for_session(
        self, env: Mapping[str, str], private: Private, watch_fd: int = -1, *, endpoint: str = ""
    ) -> int:
        """The same for a session in an interpreter of its own."""
        if private.user is None:
            self.private.make(private.name)
        home = self._at_home(env, private.name)
        own, is_strict = self.narrower.get(endpoint, (self.granted, self.level is Level.STRICT))
        rules = (*self.common, *own)
        if is_strict:
            rules = (*grants.of_no_process(rules), ("/proc/self", landlock.READ, False))
        return self._written(private.path, home, private.user, None, watch_fd, of_session=rules)

    def _at_home(self, env: Mapping[str, str], name: str) -> dict[str, str]:
        folder, short = os.path.join(self.private.path, name), os.path.join(self.private.short, name)
        kept = {}
        if "PYTHONUSERBASE" not in env and os.path.isdir(os.path.expanduser("~/.local/lib")):
            kept["PYTHONUSERBASE"] = os.path.expanduser("~/.local")  # where HOME would lead
        if self.network == "list":
            kept["RES_OPTIONS"] = "use-vc"  # names are asked for over connections, which are answered for it
        if self.bytecode:
            kept["PYTHONPYCACHEPREFIX"] = self.bytecode
        return {**env, **kept, "TMPDIR": short, "HOME": folder}

    def _written(
        self,
        private: str,
        env: Mapping[str, str],
        user: int | None,
        users: tuple[int, int] | None,
        watch_fd: int,
        *,
        bytecode: int = landlock.READ,
        of_session: tuple[grants.Rule, ...] | None = None,
    ) -> int:
        compiled = [(self.bytecode, landlock.READ, True)] if self.bytecode else []
        common = [
            *(self.common if of_session is None else of_session),
            *((path, bytecode, exactly) for path, _, exactly in compiled),
            (private, landlock.WRITE, True),
        ]
        granted = self.granted if of_session is None else ()
        held: dict[str, Any] = {
            "level": str(self.level),
            "network": self.network,
            "watch": watch_fd,
            "state": self.state,
            "front": os.getpid(),
            "kept": [os.getpid(), os.getppid()],
            "outer": [*common, *granted],
            "inner": [*self.inner, *compiled],
            "narrower": {
                path: {
                    "rules": [*(grants.of_no_process(common) if is_strict else common), *own],
                    "strict": is_strict,
                }
                for path, (own, is_strict) in self.narrower.items()
                if of_session is None
            },
            "private": private,
            "short": self.private.short,
            "home": self.home,
            "user": user,
            "group": self.user,
            "users": users,
            "env": dict(env),
        }
        return _descriptor(held)


class Errand(msgspec.Struct, frozen=True):
    """What programs may use that do something for the server with what others wrote.

    Attributes:
        read: Files and folders they may read, besides those of the system.
        write: Files and folders they may write; what is not there is left out.
        but: Folders that they may not read, even if the system's are around them.
        exact: Those of `read` and `write` that others could exchange for links: left out, if they did.
        network: ``all``, or at level strict ``none``.
    """

    read: tuple[str, ...]
    write: tuple[str, ...]
    but: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()
    level: Level = Level.BASIC
    network: str = "all"

    @contextmanager
    def held(self, argv: Sequence[str], env: Mapping[str, str]) -> Iterator[tuple[list[str], int]]:
        """The command to start instead, and the descriptor that it is to be given.

        It has a folder of its own for temporary files, which is gone afterwards.

        Raises:
            OSError: There is no such program, or no room.
        """
        program = shutil.which(argv[0], path=env.get("PATH", os.defpath))
        if program is None:
            raise FileNotFoundError(argv[0])
        with tempfile.TemporaryDirectory(prefix="bulkhead-", ignore_cleanup_errors=True) as folder:
            fd = self.descriptor(env, folder)
            try:
                yield [sys.executable, "-I", "-S", LAUNCH, str(fd), program, *argv[1:]], fd
            finally:
                os.close(fd)

    def descriptor(self, env: Mapping[str, str], folder: str) -> int:
        """What `launch` reads, for a program that has this folder for temporary files.  Blocks."""
        made = [
            *grants.everyday(env, but=self.but),
            *((path, landlock.READ, path in self.exact) for path in self.read),
            *((path, landlock.WRITE, path in self.exact) for path in (*self.write, folder)),
        ]
        return _descriptor(
            {
                "level": str(self.level),
                "network": self.network,
                "watch": -1,
                "outer": made,
                "kept": [os.getpid(), os.getppid()],
                "user": None,
                "group": None,
                "users": None,
                "env": {**env, "TMPDIR": folder},
            }
        )


def _kept_still(
    rules: Iterable[grants.Rule], policy: Policy, ground: Ground, python: str
) -> Iterator[grants.Rule]:
    """But for folders in which sessions make files, of which it is no news that there are some, and those
    that packages are installed into, unless the bundle lies there: what comes later is not its code."""
    installations = [os.path.realpath(path) for path in installed.installation_of(python)]
    for rule in rules:
        is_busy = ground.is_shared and rule[0] == ground.folder
        is_elsewhere = (
            not is_below(rule[0], ground.folder) and first_above(rule[0], installations) is not None
        )
        if not is_busy and not is_elsewhere and first_above(rule[0], policy.write) is None:
            yield rule


def _descriptor(held: dict[str, Any]) -> int:
    """What `launch` reads, in a file that only who is given it has."""
    fd = os.memfd_create("bulkhead-hold", os.MFD_CLOEXEC)
    try:
        launch.write(fd, held)
    except BaseException:
        os.close(fd)
        raise
    return fd
