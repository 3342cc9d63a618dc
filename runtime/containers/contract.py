"""Containers as plain data, and two protocols: what a room asks of them, and what runs them.

A *box* is one container, or a process in place of one.  It belongs to a room, not to who started it.  Above
the engines nobody knows which of them runs; an engine knows no room.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NewType, Protocol

import msgspec

from runtime.containers.settings import ContainersSettings
from runtime.knob import parse_bytes

BoxId = NewType("BoxId", str)
State = Literal["CREATED", "RUNNING", "EXITED", "UNKNOWN"]
STDOUT: Final = 1
STDERR: Final = 2


@dataclass(frozen=True, slots=True)
class Credential:
    """With what a registry is asked; None for the default one."""

    registry: str | None
    username: str = field(repr=False)
    password: str = field(repr=False)


class Bind(msgspec.Struct, frozen=True):
    """A folder of this machine, or of the room's files, at a path of the container.

    Attributes:
        within: The folder above it below which other containers may put a link in the place of any, while it
            is mounted; empty where none can.
    """

    source: str
    path: str
    read_only: bool = False
    within: str = ""


@dataclass(frozen=True, slots=True)
class FileAt:
    """A file that is made before the start."""

    path: str
    text: str = field(repr=False)


class ImageAt(msgspec.Struct, frozen=True):
    """What is in another image, read only."""

    image: str
    path: str
    subpath: str = ""


class Mounts(msgspec.Struct, frozen=True):
    """What a container finds beside its image.

    Attributes:
        room: Sources are paths among the room's files.
        project: Among the files that all rooms share.
        volumes: Among the room's volumes; a source begins with the name of one.
    """

    room: tuple[Bind, ...] = ()
    project: tuple[Bind, ...] = ()
    volumes: tuple[Bind, ...] = ()
    images: tuple[ImageAt, ...] = ()
    files: tuple[FileAt, ...] = ()
    empty_dirs: tuple[str, ...] = ()


class Most(msgspec.Struct, frozen=True, kw_only=True):
    """How much a container may use; None for what the settings say of all of them.

    Attributes:
        cpu: Processors, such as 0.5.
        pids: Processes and threads.
    """

    memory_bytes: int | None = None
    cpu: float | None = None
    pids: int | None = None

    def filled(self, settings: ContainersSettings) -> Most:
        """With what the settings say where it says nothing; 0 is no limit."""
        memory_bytes = parse_bytes(settings.memory) if self.memory_bytes is None else self.memory_bytes
        return Most(
            memory_bytes=memory_bytes,
            cpu=settings.cpu if self.cpu is None else self.cpu,
            pids=settings.pids if self.pids is None else self.pids,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What somebody wants to run.

    Attributes:
        argv: None for the image's own.
        ports: Host's by container's; 0 takes a free one.
        token: For a participant in there; empty for none.
        for_agent: It gets what an agent needs beside that: where its model is.
        may_pull: An image that is not here may be pulled.
        bundles: Where there is no engine, an agent of this server may stand in for an image that no setting
            names.
        service_id: Of which service it is the container.
    """

    image: str
    argv: tuple[str, ...] | None = None
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[int, int] = field(default_factory=dict)
    credentials: tuple[Credential, ...] = field(default=(), repr=False)
    name: str = ""
    mounts: Mounts = field(default_factory=Mounts)
    writable: bool = False
    private: bool = False
    token: str = field(default="", repr=False)
    for_agent: bool = False
    may_pull: bool = True
    bundles: bool = True
    service_id: str | None = None
    most: Most = field(default_factory=Most)


class Starter(msgspec.Struct, frozen=True):
    """Who started a container: a participant, or the server for a service."""

    id: str
    name: str


class Home(msgspec.Struct, frozen=True):
    """A room as far as its containers know it.

    Attributes:
        files: The folder of its files.
    """

    room: str
    files: Path

    @property
    def volumes(self) -> Path:
        """Folders that are kept for containers of the room, by name."""
        return self.files.parent / "volumes"

    @property
    def project(self) -> Path:
        """The folder that containers of all rooms share."""
        return self.files.parents[2] / "project"


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image that can be run without being pulled."""

    id: str
    references: tuple[str, ...]
    size_bytes: int = 0
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    created_at: float | None = None


class Exit(msgspec.Struct, frozen=True):
    """How a container ended.

    Attributes:
        code: Of its first process; 128 and the signal for one that was killed.
        reason: A word: ``exited``, ``stopped``, ``memory``, ``pids``, ``disk``, ``lost``.
        message: A sentence, where there is more to say.
        process: Its first process, as far as that is known: number and command.
    """

    code: int
    reason: str = "exited"
    message: str = ""
    process: str = ""

    @property
    def oom_killed(self) -> bool:
        """It took more memory than it may."""
        return self.reason == "memory"


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """A container as those in its room see it.

    Attributes:
        execs: Commands that run in it.
    """

    id: BoxId
    name: str
    image: str
    image_id: str
    state: State
    status: str
    starter: Starter
    private: bool = False
    service_id: str | None = None
    ports: Mapping[int, int] = msgspec.field(default_factory=dict)
    exit: Exit | None = None
    execs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """What an engine runs.

    Attributes:
        name: For people.
        labels: Kept with it, without a prefix.
        bundles: As of an `Ask`.
    """

    id: BoxId
    name: str
    image: str
    argv: tuple[str, ...] | None = None
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    binds: tuple[Bind, ...] = ()
    images: tuple[ImageAt, ...] = ()
    files: tuple[FileAt, ...] = ()
    empty_dirs: tuple[str, ...] = ()
    ports: Mapping[int, int] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    writable: bool = False
    most: Most = field(default_factory=Most)
    bundles: bool = True


class Running(msgspec.Struct, frozen=True):
    """What became of a start.

    Attributes:
        ports: Where each port of the container is reached on this machine.
        status: What it is, for people.
    """

    ports: Mapping[int, int] = msgspec.field(default_factory=dict)
    status: str = ""


class Health(msgspec.Struct, frozen=True):
    """What runs containers, and whether it answers.

    Attributes:
        engine: ``docker``, ``process`` or ``off``.
        detail: What somebody should know of it, in a sentence.
    """

    engine: str
    ok: bool
    detail: str = ""
    version: str = ""


class Exec(Protocol):
    """A command in a running container.  `aclose` ends it, if need be by force."""

    async def write(self, data: bytes) -> None:
        """Hand it input; waits until it takes some.  What it does not want any more is dropped."""
        ...

    async def close_stdin(self) -> None: ...

    async def resize(self, columns: int, rows: int) -> None: ...

    async def kill(self) -> None: ...

    def chunks(self) -> AsyncIterator[tuple[int, bytes]]:
        """What it writes, by channel (`STDOUT`, `STDERR`); nothing is read that nobody asks for."""
        ...

    async def wait(self) -> int:
        """Its status, once it has ended; 128 and the signal for one that was killed."""
        ...

    async def aclose(self) -> None: ...


class Engine(Protocol):
    """What runs containers: one for each server.

    Every method may raise EngineFailed, and EngineSilent when no answer came in time.
    """

    name: str

    async def check(self) -> Health:
        """Whether it answers now; does not raise."""
        ...

    async def images(self) -> list[Image]: ...

    async def image(self, reference: str) -> Image | None:
        """One that is here; None for others."""
        ...

    async def pull(self, reference: str, credentials: Sequence[Credential]) -> None: ...

    async def delete_image(self, reference: str) -> None: ...

    async def run(self, spec: RunSpec) -> Running:
        """Make a container and start it; nothing stays of one that does not start."""
        ...

    async def stop(self, box: BoxId, *, force: bool) -> None:
        """Ask it to end, then end it; by force at once.  One that has ended is no error."""
        ...

    async def remove(self, box: BoxId) -> None:
        """Forget one that has ended, or end it; one that is gone is no error."""
        ...

    async def wait(self, box: BoxId) -> Exit: ...

    def logs(self, box: BoxId, *, follow: bool) -> AsyncGenerator[str]:
        """Its lines without their ends, in order; with `follow` until it ends."""
        ...

    async def exec(self, box: BoxId, argv: Sequence[str], *, tty: bool) -> Exec: ...

    async def reclaim(self) -> int:
        """Remove what a server that died has left; how many."""
        ...

    async def aclose(self) -> None: ...


class Boxes(Protocol):
    """What rooms ask for: every id is looked for in the room that is named, and in no other."""

    async def images(self) -> list[Image]: ...

    async def image(self, reference: str) -> Image: ...

    async def pull(self, reference: str, credentials: Sequence[Credential]) -> None: ...

    async def delete_image(self, reference: str) -> None: ...

    async def run(self, home: Home, ask: Ask, starter: Starter) -> BoxId: ...

    def list(self, room: str) -> list[Box]:
        """Those of a room, the ended ones included, the oldest first."""
        ...

    def box(self, room: str, name: str) -> Box:
        """By id, by the beginning of one, or by the name of one that runs; raises ContainerNotFound."""
        ...

    async def stop(self, room: str, box: BoxId, *, force: bool) -> None: ...

    async def remove(self, room: str, box: BoxId) -> None: ...

    async def wait(self, room: str, box: BoxId) -> Exit: ...

    def logs(self, room: str, box: BoxId, *, follow: bool) -> AsyncGenerator[str]: ...

    async def exec(self, room: str, box: BoxId, argv: Sequence[str], *, tty: bool) -> Exec: ...

    def room_url(self, room: str) -> str:
        """Where a container enters a room."""
        ...

    async def close_room(self, room: str) -> None:
        """End and forget everything of a room."""
        ...
