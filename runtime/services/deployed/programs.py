"""What deployments ask of whatever runs programs, and of whoever keeps their sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

Recorded = Mapping[str, tuple[str, dict[str, Any] | None]]
"""By path: the identity, and the API scope that its tokens get."""


class Declared(Protocol):
    """An endpoint of a program.

    Attributes:
        permissions: The API scope that its tokens get; None for the agent default.
    """

    @property
    def path(self) -> str: ...

    @property
    def identity(self) -> str: ...

    @property
    def permissions(self) -> dict[str, Any] | None: ...


class Program(Protocol):
    """A bundle that is loaded."""

    @property
    def endpoints(self) -> Sequence[Declared]: ...


class Programs(Protocol):
    """What loads bundles and forks their sessions.

    On this machine `runtime.supervisor.bundles.served.deployed`, on others
    `runtime.placement.cluster.sent.wanted`, which knows a bundle's digest by the name of its folder.
    """

    @property
    def folders_in_use(self) -> set[Path]: ...

    async def prepare(self, name: str, folder: Path, say: Callable[[str], None]) -> None: ...

    async def load(
        self, name: str, folder: Path, env: Mapping[str, str], recorded: Recorded | None = None
    ) -> Any: ...

    def serve(self, service: str, bundle: Any) -> None: ...

    def expect(self, service: str) -> None: ...

    def drop(self, service: str) -> None: ...

    async def discard(self, bundle: Any) -> None: ...


class Sessions(Protocol):
    """The sessions of services that are bundles."""

    def count(
        self, service: str, room: str | None = None, path: str | None = None, *, besides: str = ""
    ) -> int:
        """How many run, or are to; of one room, or of one path of the server, if that is said.

        Args:
            besides: Those of this bundle are not counted.
        """
        ...

    async def end(self, service: str, room: str) -> None:
        """End those of a room, each within its grace; return once they have."""
        ...

    async def log(self, service: str, room: str, *, previous: bool) -> list[str]:
        """What those that run in a room wrote; with `previous`, what those did that have ended."""
        ...
