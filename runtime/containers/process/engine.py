"""The engine where there is none: supervised trees of processes, in place of containers.

A box has a folder of its own in the state folder, where it runs unless its image names another, and is held
as a session is: it reads what every program of this machine may, what stands in for its image, and writes its
folder and what of the room's files it was given.  Paths are this machine's: nothing is mounted.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import signal
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from runtime.confinement.level import Level
from runtime.containers.contract import BoxId, Credential, Exec, Exit, Health, Image, Running, RunSpec
from runtime.containers.errors import ContainerNotFound, EngineFailed, NoEngine
from runtime.containers.process.catalogue import Catalogue, Program
from runtime.containers.process.command import Command, Ends, NeverStarted
from runtime.containers.process.guard import Guard, Ran
from runtime.containers.process.guard import Program as Started
from runtime.containers.process.kept_log import KeptLog
from runtime.containers.process.limits import broken, limits_of
from runtime.containers.process.ports import Ports
from runtime.containers.settings import ContainersSettings
from runtime.errors import InvalidRequest
from runtime.files.removal import remove_folder
from runtime.knob import parse_bytes
from runtime.logs import get_logger
from runtime.process.confine.files.installed import programs
from runtime.process.confine.hold import Errand
from runtime.process.environment import BUNDLE_MARK
from runtime.process.logpipe import LogPipe
from runtime.process.program.command import Launch
from runtime.settings import SupervisorSettings
from runtime.supervisor.watch.disks import Disks
from runtime.tasks import Tasks, or_undone

_log = get_logger("containers")
_FOLDER: Final = "boxes"
_ENVIRONMENTS: Final = "environments"
_PASSED_ON: Final = ("LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
_SAID_LAST: Final = 3
_PROCESS_CHARS: Final = 300
NOT_A_CONTAINER: Final = "a process, not isolated like a container"


class _Box(msgspec.Struct, eq=False):
    spec: RunSpec
    program: Program
    folder: Path
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    log: KeptLog
    ports: Ports
    guard: Guard
    exit: asyncio.Future[Exit]
    main: Ran
    pipe: LogPipe | None = None
    broke: Exit | None = None
    commands: set[Exec] = msgspec.field(default_factory=set)


class ProcessEngine:
    """See `Engine`.  Runs in: the front's event loop.

    Args:
        state: The server's state folder.
        level: How tightly boxes are held.
        network: ``none`` where sessions have none either; a list of hosts is kept for sessions alone.
    """

    name = "process"

    def __init__(
        self,
        settings: ContainersSettings,
        catalogue: Catalogue,
        *,
        state: Path,
        level: Level,
        network: str = "all",
        logs: SupervisorSettings | None = None,
    ) -> None:
        self._settings, self._catalogue = settings, catalogue
        self._state, self._folder = state.resolve(), state.resolve() / _FOLDER
        self._level, self._network = level, network
        self._logs = logs or SupervisorSettings()
        self._disks = Disks()
        self._boxes: dict[BoxId, _Box] = {}
        self._tasks = Tasks(_log, "containers.task_failed")

    async def check(self) -> Health:
        detail = f"no container engine: each container is {NOT_A_CONTAINER}"
        return Health(self.name, ok=True, detail=f"{detail}; confinement is {self._level}")

    # ---- images

    async def images(self) -> list[Image]:
        return await asyncio.to_thread(self._catalogue.images)

    async def image(self, reference: str) -> Image | None:
        return await asyncio.to_thread(self._catalogue.image, reference)

    async def pull(self, reference: str, credentials: Sequence[Credential]) -> None:
        if await self.image(reference) is None:
            raise _nothing_for(reference)

    async def delete_image(self, reference: str) -> None:
        raise NoEngine(
            f"{reference!r} is a folder of this machine, and not an image",
            cure="Take it out of containers.images, or remove the folder.",
        )

    # ---- boxes

    async def run(self, spec: RunSpec) -> Running:
        program = await asyncio.to_thread(self._catalogue.find, spec.image, bundles=spec.bundles)
        if program is None:
            raise _nothing_for(spec.image)
        launch = await asyncio.to_thread(program.launch, self._state / _ENVIRONMENTS, _paths())
        argv = spec.argv or program.argv
        if argv is not None and argv is program.argv and launch is not None:
            argv = (launch.python, *argv[1:])
        if argv is None:
            raise InvalidRequest(
                f"nothing says what {spec.image!r} runs: there is no container engine",
                cure="Give a command.",
            )
        if spec.images:
            raise NoEngine(
                "without a container engine no image can be mounted", cure="Start Docker or Podman."
            )
        folder = self._folder / spec.id
        ports = Ports()
        try:
            await asyncio.to_thread(_make, folder, spec)
            await ports.open(spec.ports, self._settings.publish)
            box = await self._started(spec, program, launch, argv, folder, ports)
        except BaseException as error:
            await ports.close()
            await asyncio.to_thread(remove_folder, folder)
            if isinstance(error, OSError):
                raise EngineFailed(f"{argv[0]} cannot be started: {error.strerror}") from error
            raise
        self._boxes[spec.id] = box
        self._tasks.spawn(self._look_after(box), "box looked after")
        return Running(dict(ports.outer), f"process {box.guard.pid}, {NOT_A_CONTAINER}")

    async def stop(self, box: BoxId, *, force: bool) -> None:
        one = self._find(box)
        if not force and not one.exit.done():
            one.guard.strike(one.main.number, signal.SIGTERM)
            try:
                async with asyncio.timeout(self._settings.stop_s):
                    await asyncio.shield(one.exit)
            except TimeoutError:
                pass
        await one.guard.end()
        await asyncio.shield(one.exit)

    async def remove(self, box: BoxId) -> None:
        one = self._boxes.pop(box, None)
        if one is not None:
            await one.guard.end()
            await asyncio.shield(one.exit)
            await asyncio.to_thread(remove_folder, one.folder)

    async def wait(self, box: BoxId) -> Exit:
        return await asyncio.shield(self._find(box).exit)

    def logs(self, box: BoxId, *, follow: bool) -> AsyncGenerator[str]:
        return self._find(box).log.read(follow=follow)

    async def exec(self, box: BoxId, argv: Sequence[str], *, tty: bool) -> Exec:
        one = self._find(box)
        env = {**one.env, "TERM": "xterm"} if tty else one.env
        ends = Ends(tty=tty)
        try:
            ran = await one.guard.run(Started(argv, env, one.cwd), ends.given(), tty=tty)
        except OSError as error:
            ends.close()
            missing = error.errno == errno.ENOENT
            reason = "not found" if missing else os.strerror(error.errno or 0)
            return NeverStarted(argv[0], reason, 127 if missing else 126)
        except BaseException:
            ends.close()
            raise
        ends.let_go()
        return Command(ends, ran.status, lambda: one.guard.strike(ran.number, signal.SIGKILL))

    async def reclaim(self) -> int:
        """Processes of a dead server are gone: what holds them ends with it."""
        left = list(self._folder.iterdir()) if self._folder.is_dir() else []  # before there are new ones
        await asyncio.to_thread(_clear, left)
        return len(left)

    async def aclose(self) -> None:
        for box in list(self._boxes):
            await self.remove(box)
        await self._tasks.aclose()
        self._disks.close()

    # ---- within

    async def _started(
        self,
        spec: RunSpec,
        program: Program,
        launch: Launch | None,
        argv: Sequence[str],
        folder: Path,
        ports: Ports,
    ) -> _Box:
        own = self._env(spec, launch, folder, ports)
        env = {**own, **spec.env}
        cwd = spec.cwd or str(program.folder or folder)
        held_fd: int | None = None
        if self._level is not Level.OFF:
            errand = Errand(
                read=(
                    *(str(path) for path in {program.path, program.folder} - {None}),
                    *(() if launch is None else programs(launch.python, {"PATH": ""}, of_others=True)),
                    *_binds(spec, True),
                ),
                write=_binds(spec, False),
                but=(str(self._state),),
                exact=tuple(bind.source for bind in spec.binds),
                level=self._level,
                network="none" if self._level is Level.STRICT and self._network != "all" else "all",
            )
            # By its own variables: those that it was given may name any folder as one of programs.
            held_fd = await _descriptor(errand, own, folder)
        read_fd, write_fd = os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        guard: Guard | None = None
        log = KeptLog(self._settings.log_bytes)
        try:
            guard = Guard.start(held_fd)
            main = await guard.run(Started(argv, env, cwd), (nothing, write_fd, write_fd), tty=False)
        except BaseException:
            os.close(read_fd)
            if guard is not None:
                await guard.end()
            raise
        finally:
            os.close(write_fd)
            os.close(nothing)
            if held_fd is not None:
                os.close(held_fd)
        exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        box = _Box(spec, program, folder, argv, env, cwd, log, ports, guard, exit, main)
        box.pipe = LogPipe(
            read_fd,
            log.append,
            max_line_bytes=self._logs.log_line_bytes,
            lines_per_s=self._logs.log_lines_per_s,
            bytes_per_s=self._logs.log_bytes_per_s,
        )
        self._tasks.spawn(self._ended(box), "box ended")
        return box

    def _env(self, spec: RunSpec, launch: Launch | None, folder: Path, ports: Ports) -> dict[str, str]:
        env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        if launch is None:
            env["PATH"] = os.pathsep.join((os.path.dirname(sys.executable), _paths()["PATH"]))
        else:
            env |= launch.env
        env |= {"HOME": str(folder), "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
        # A host in it keeps its state there: the working folder may be the agents', which nobody writes to.
        env |= {
            BUNDLE_MARK: "1",
            "MESHAGENT_HOST": "127.0.0.1",
            "BULKHEAD_STATE_DIR": str(folder / ".bulkhead"),
        }
        for place, inner in enumerate(ports.inner.values()):
            env["MESHAGENT_PORT" if place == 0 else f"MESHAGENT_PORT_{place}"] = str(inner)
        if spec.binds:
            env["MESHAGENT_DATA"] = spec.binds[0].source
        return env

    async def _ended(self, box: _Box) -> None:
        code = await box.main.status
        await box.guard.end()
        if box.pipe is not None:
            box.pipe.drain()
            box.pipe.close()
            if box.pipe.dropped:
                box.log.append(f"… {box.pipe.dropped} lines came too fast to be kept")
        box.log.close()
        await box.ports.close()
        said = " | ".join(box.log.last(_SAID_LAST))[-500:] if code and box.broke is None else ""
        found = box.broke or Exit(code, "exited", said)
        box.exit.set_result(replace(found, process=f"{box.main.pid} {shlex.join(box.argv)}"[:_PROCESS_CHARS]))

    async def _look_after(self, box: _Box) -> None:
        limits = limits_of(box.spec.most.filled(self._settings), parse_bytes(self._settings.disk))
        box.broke = await broken(box.guard, limits, box.folder, box.exit, self._disks)
        if box.broke is not None:
            await box.guard.end(at_once=box.broke.reason == "pids")

    def _find(self, box: BoxId) -> _Box:
        found = self._boxes.get(box)
        if found is None:
            raise ContainerNotFound(f"no container {box}")
        return found


async def _descriptor(errand: Errand, env: Mapping[str, str], folder: Path) -> int:
    """What holds a program; closed once it is there when nobody waits for it any more."""
    making = asyncio.get_running_loop().run_in_executor(None, errand.descriptor, env, str(folder))
    return await or_undone(making, os.close)


def _nothing_for(reference: str) -> NoEngine:
    return NoEngine(
        f"there is no container engine, and nothing here stands in for the image {reference!r}",
        cure="Start Docker or Podman, or name what runs for it: "
        f'containers.images = ["{reference}=agents/NAME"].',
    )


def _binds(spec: RunSpec, read_only: bool) -> tuple[str, ...]:
    return tuple(bind.source for bind in spec.binds if bind.read_only is read_only)


def _paths() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath)}


def _make(folder: Path, spec: RunSpec) -> None:
    """The folder of a box, with the files that it is given, whose paths lie below it."""
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700)
    for path in spec.empty_dirs:
        _inside(folder, path).mkdir(parents=True, exist_ok=True)
    for file in spec.files:
        place = _inside(folder, file.path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.text)


def _inside(folder: Path, path: str) -> Path:
    place = folder / path.lstrip("/")
    if place == folder or not place.resolve().is_relative_to(folder):
        raise InvalidRequest(f"{path!r} is no path of a container")
    return place


def _clear(left: Sequence[Path]) -> None:
    for one in left:
        remove_folder(one)
