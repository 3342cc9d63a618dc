"""What a bundle's processes are held by, as the front makes it and as it travels to them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.process.confine import grants, landlock, launch
from runtime.process.confine.private import IMPORT, PrivateFolders

LAUNCH: Final = str(Path(launch.__file__).resolve())


@dataclass(frozen=True, slots=True)
class Private:
    """The private folder of one session; of nobody where nothing is held back.

    Attributes:
        path: Empty for nobody's.
    """

    name: str = ""
    path: str = ""
    folders: PrivateFolders | None = None

    @classmethod
    def of(cls, hold: Hold | None) -> Self:
        if hold is None:
            return cls()
        name = hold.private.new()
        return cls(name, os.path.join(hold.private.path, name), hold.private)

    def leave(self) -> None:
        """Have it removed; idempotent."""
        if self.folders is not None:
            self.folders.leave(self.name)


@dataclass(frozen=True, slots=True)
class Hold:
    """Of one generation of a bundle.

    Attributes:
        outer: Rules for its zygote, or a session in an interpreter of its own; without private folders.
        inner: Rules for a session that is forked, likewise.
    """

    level: Level
    state: str
    outer: tuple[grants.Rule, ...]
    inner: tuple[grants.Rule, ...]
    private: PrivateFolders

    @classmethod
    def of(cls, policy: Policy, ground: Ground, source: Path, python: str, env: Mapping[str, str]) -> Hold:
        """Look at the disk, and make its private folders.  Blocks.

        Raises:
            OSError: The state folder cannot be written.
        """
        return cls(
            policy.level,
            ground.state,
            tuple(grants.rules(policy, ground, source, python, env)),
            tuple(grants.rules(policy, ground, source, python, env, whole=True)),
            PrivateFolders(ground.state),
        )

    def for_zygote(self, env: Mapping[str, str]) -> tuple[int, dict[str, str]]:
        """A descriptor for `launch`, and the environment for the import."""
        return self._written(self.private.path), self._at_home(env, IMPORT)

    def for_session(self, env: Mapping[str, str], name: str) -> tuple[int, dict[str, str]]:
        """The same for a session in an interpreter of its own, whose private folder is called `name`."""
        return self._written(self.private.make(name)), self._at_home(env, name)

    def _at_home(self, env: Mapping[str, str], name: str) -> dict[str, str]:
        folder = os.path.join(self.private.path, name)
        kept = {}
        if "PYTHONUSERBASE" not in env and os.path.isdir(os.path.expanduser("~/.local/lib")):
            kept["PYTHONUSERBASE"] = os.path.expanduser("~/.local")  # where HOME would lead
        return {**env, **kept, "TMPDIR": folder, "HOME": folder}

    def _written(self, private: str) -> int:
        held: dict[str, Any] = {
            "level": str(self.level),
            "state": self.state,
            "front": os.getpid(),
            "kept": [os.getpid(), os.getppid()],
            "outer": [*self.outer, (private, landlock.WRITE, True)],
            "inner": list(self.inner),
            "private": private,
        }
        fd = os.memfd_create("bulkhead-hold", os.MFD_CLOEXEC)
        launch.write(fd, held)
        return fd
