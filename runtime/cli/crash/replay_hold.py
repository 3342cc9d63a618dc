"""What the process of a replay is held by: as its session is, but for the network, for its room is there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from runtime.settings import Settings

_MAX_BYTES: Final = 64 << 10


class Started(NamedTuple):
    """How to start it.

    Attributes:
        folder: Its own, or one that nothing lies in.
    """

    argv: list[str]
    env: dict[str, str]
    pass_fds: tuple[int, ...]
    folder: Path


class ReplayHold:
    """Of one call.

    Args:
        python: The interpreter that runs it, with `env` but for the bundle's own variables.

    Attributes:
        declared: What its endpoint declares of what it may reach, as far as that is known: by a server that
            loaded it, or by the process itself (`learn`).
        level: How tightly it is held.

    Raises:
        BundleError: It asks for more than it may be given.
        ConfigError: A setting cannot be used.
    """

    def __init__(
        self, settings: Settings, bundle: Path, endpoint: str, python: str, env: Mapping[str, str]
    ) -> None:
        from runtime.supervisor.bundles.confined.bundle_confinement import Confinement
        from runtime.supervisor.bundles.discovery import bundles_in

        self._confinement = Confinement(
            replace(settings.confinement, uids=""), state=settings.server.state_dir, file=settings.file
        )
        self._bundle, self._endpoint = bundle, endpoint
        self._others = [path for path in bundles_in([bundle.parent]).values() if path != bundle]
        self._python, self._env = python, env
        known = self._confinement.declared.last(os.path.realpath(bundle))
        self.declared: dict[str, Any] = dict(known.get(endpoint, {}))
        self._judge()

    def _judge(self) -> None:
        held = self._confinement.held(self._bundle, self._others, {self._endpoint: self.declared})
        self._ground, self._policy = (
            held.ground,
            msgspec.structs.replace(held.of(self._endpoint), network="all"),
        )
        self.level = self._policy.level

    @property
    def told(self) -> str:
        """For people."""
        from runtime.confinement.level import Level

        if self.level is Level.OFF:
            return "by nothing (confinement.level is off)"
        return f"as its sessions are, at {self.level}, but for the network"

    def learn(self, folder: Path) -> None:
        """Take what the process said that its endpoint declares now.

        Raises:
            BundleError: It may not be given that.
        """
        from runtime.errors import BundleError
        from runtime.files import plain_file
        from runtime.worker.replay import DECLARES

        try:
            said = json.loads(plain_file.read(folder / DECLARES, most_bytes=_MAX_BYTES))
        except (OSError, ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise BundleError(f"{self._endpoint} did not say what it declares", cure="Run it again.")
        self.declared = said
        self._judge()

    @contextmanager
    def held(self, argv: Sequence[str], env: Mapping[str, str], place: Path) -> Iterator[Started]:
        """How to start it, while this is entered; its own folder is below `place` and gone afterwards.

        Raises:
            OSError: There is no room for it.
        """
        import sys

        from runtime.confinement.level import Level
        from runtime.process.confine.hold import LAUNCH, Hold, Private
        from runtime.process.confine.home.private import PrivateFolders

        if self.level is Level.OFF or self._ground is None:
            yield Started(list(argv), dict(env), (), place)
            return
        folders = PrivateFolders(str(place))
        try:
            hold = Hold.of(
                self._policy,
                self._ground,
                self._bundle,
                self._python,
                self._env,
                narrower={},
                folders=folders,
            )
            private = Private.of(hold)
            fd = hold.for_session(env, private)
            try:
                launched = [sys.executable, "-I", "-S", LAUNCH, str(fd), *argv, "--held", str(fd)]
                yield Started(launched, {}, (fd,), Path(private.path))
            finally:
                os.close(fd)
        finally:
            folders.remove()
