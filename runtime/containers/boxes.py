"""The containers of all rooms: whose they are, what they are called, how many there may be.

Everything an engine does is asked for here and nowhere else, with a bound on how long it may take.  A box
is CREATED until its engine has started it, RUNNING until that says how it ended, and EXITED until somebody
removes it, its room ends, or it makes way for a newer one.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import quote

from msgspec.structs import replace

from runtime.clock import Clock
from runtime.containers.contract import (
    Ask,
    Bind,
    Box,
    BoxId,
    Credential,
    Engine,
    Exec,
    Exit,
    Health,
    Home,
    Image,
    Mounts,
    RunSpec,
    Starter,
)
from runtime.containers.errors import ContainerNotFound, NameTaken, NoEngine, WrongState
from runtime.containers.pulls import Pulls
from runtime.containers.record import Record
from runtime.containers.settings import ContainersSettings
from runtime.errors import InvalidRequest, NotFound, PermissionDenied, RoomFull, RuntimeServiceError
from runtime.files.tree import Tree
from runtime.logs import get_logger
from runtime.tasks import Tasks

_CLOSE_S: Final = 5.0
"""What a container gets to end with its room; a server that ends has not much more itself."""
_LEAST_OF_ID: Final = 6
_log = get_logger("containers")


class RoomBoxes:
    """Runs in: the front's event loop.

    Args:
        engine: None where none is to be had.
        missing: Then: why, and what to do about it.
        base_url: Where a container reaches this server.
        server_id: Tells what belongs to this server from what belongs to others of the same engine.
    """

    def __init__(
        self,
        engine: Engine | None,
        settings: ContainersSettings,
        *,
        clock: Clock,
        base_url: Callable[[], str],
        missing: NoEngine | None = None,
        server_id: str = "",
    ) -> None:
        self._engine = engine
        self._missing = missing
        self._settings = settings
        self._clock = clock
        self._base_url = base_url
        self._server_id = server_id
        self._kept: dict[BoxId, Record] = {}
        self._pulls = Pulls()
        self._reclaiming, self._is_reclaimed = asyncio.Lock(), False
        self._tasks = Tasks(_log, "containers.task_failed")

    # ---- the engine

    async def health(self) -> Health:
        """What runs containers, and whether it answers now; never later than in a few seconds."""
        if self._engine is None:
            missing = "" if self._missing is None else str(self._missing)
            return Health(self.engine_name, ok=self._settings.engine in ("off", "auto"), detail=missing)
        return await self._engine.check()

    @property
    def engine_name(self) -> str:
        """``off`` where there is none."""
        return "off" if self._engine is None else self._engine.name

    @property
    def running_count(self) -> int:
        """Those that run, or are about to."""
        return sum(1 for kept in self._kept.values() if kept.state != "EXITED")

    def reclaim(self) -> None:
        """Begin to remove what a dead server of this state folder left."""
        if self._engine is not None:
            self._tasks.spawn(self._reclaim(self._engine), "reclaim")

    async def _reclaim(self, engine: Engine) -> None:
        try:
            await self._reclaimed(engine)
        except (RuntimeServiceError, OSError) as error:  # who runs something tries again
            _log.warning("containers.not_reclaimed", error=str(error))

    async def _reclaimed(self, engine: Engine) -> None:
        """Return once that is removed: nothing is to run twice."""
        async with self._reclaiming:
            if not self._is_reclaimed:
                count = await engine.reclaim()
                self._is_reclaimed = True
                if count:
                    _log.info("containers.reclaimed", count=count)

    async def aclose(self) -> None:
        """End everything, and let go of the engine."""
        await asyncio.gather(*(self.close_room(room) for room in {kept.room for kept in self._kept.values()}))
        await self._tasks.aclose()
        if self._engine is not None:
            await self._engine.aclose()

    def room_url(self, room: str) -> str:
        """Where a container enters a room."""
        scheme, _, rest = self._base_url().rstrip("/").partition("://")
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}/rooms/{quote(room, safe='')}"

    # ---- images

    async def images(self) -> list[Image]:
        """See `Boxes`; so the others."""
        return await self._there().images()

    async def image(self, reference: str) -> Image:
        found = await self._there().image(reference)
        if found is None:
            raise NotFound(f"no image {reference!r} is here", cure="Pull it first.")
        return found

    async def pull(self, reference: str, credentials: Sequence[Credential]) -> None:
        await self._there().pull(reference, credentials)

    async def delete_image(self, reference: str) -> None:
        await self.image(reference)
        await self._there().delete_image(reference)

    # ---- boxes

    async def run(self, home: Home, ask: Ask, starter: Starter) -> BoxId:
        """Start a container; return once it runs.

        Raises:
            NoEngine: Nothing here runs it.
            NameTaken, Conflict, RoomFull, InvalidRequest: As asked, it cannot be had.
            PermissionDenied: Its image would have to be pulled first, and may not be.
            EngineFailed, EngineSilent: In the engine's words.
        """
        engine = self._there()
        kept = self._reserve(home.room, ask, starter)
        try:
            await self._reclaimed(engine)
            image = await engine.image(ask.image)
            if image is None:
                if not ask.may_pull:
                    raise PermissionDenied(f"the token does not allow pulling {ask.image!r}")
                image = await self._pulls.image(engine, ask.image, ask.credentials)
            kept.image_id = image.id
            running = await engine.run(self._spec(home, kept))
        except BaseException:
            self._kept.pop(kept.id, None)
            kept.ended.set()
            raise
        kept.state, kept.status, kept.ports = "RUNNING", running.status, dict(running.ports)
        kept.since = self._clock.now()
        self._tasks.spawn(self._watch(engine, kept), f"watch {kept.id}")
        _log.info("container.started", container=kept.id, room=home.room, image=ask.image, engine=engine.name)
        if kept.id not in self._kept:  # its room has ended meanwhile
            await engine.remove(kept.id)
            raise ContainerNotFound("the room has ended")
        return kept.id

    def list(self, room: str) -> list[Box]:
        now = self._clock.now()
        return [kept.shown(now) for kept in self._kept.values() if kept.room == room]

    def box(self, room: str, name: str) -> Box:
        return self._find(room, name).shown(self._clock.now())

    async def stop(self, room: str, box: BoxId, *, force: bool) -> None:
        kept = self._find(room, box)
        if kept.state == "EXITED":
            return
        kept.is_stopping = True
        await self._there().stop(kept.id, force=force)
        await kept.ended.wait()

    async def remove(self, room: str, box: BoxId) -> None:
        kept = self._find(room, box)
        if kept.state != "EXITED":
            raise WrongState(f"container {kept.name!r} runs", cure="Stop it first.")
        await self._there().remove(kept.id)
        self._kept.pop(kept.id, None)

    async def wait(self, room: str, box: BoxId) -> Exit:
        kept = self._find(room, box)
        await kept.ended.wait()
        return kept.exit or Exit(1, "lost", "it was removed")

    def logs(self, room: str, box: BoxId, *, follow: bool) -> AsyncGenerator[str]:
        return self._there().logs(self._find(room, box).id, follow=follow)

    async def exec(self, room: str, box: BoxId, argv: Sequence[str], *, tty: bool) -> Exec:
        kept = self._find(room, box)
        if kept.state != "RUNNING":
            raise WrongState(f"container {kept.name!r} does not run", cure="Start another.")
        if kept.execs >= self._settings.max_execs:
            raise RoomFull(f"{self._settings.max_execs} commands run in container {kept.name!r} already")
        kept.execs += 1
        try:
            inner = await self._there().exec(kept.id, argv, tty=tty)
        except BaseException:
            kept.execs -= 1
            raise
        return _Counted(inner, kept)

    async def close_room(self, room: str) -> None:
        mine = [kept for kept in self._kept.values() if kept.room == room]
        await asyncio.gather(*(self._end(kept) for kept in mine))

    # ---- within

    def _there(self) -> Engine:
        if self._engine is None:
            self._refuse()
        return self._engine

    def _refuse(self) -> NoReturn:
        raise self._missing or NoEngine("this server runs no containers", cure="Set containers.engine.")

    def _reserve(self, room: str, ask: Ask, starter: Starter) -> Record:
        """A place for another one; before anything is waited for, so that nobody else gets it."""
        mine = [kept for kept in self._kept.values() if kept.room == room]
        if ask.name and any(kept.name == ask.name and kept.state != "EXITED" for kept in mine):
            raise NameTaken(f"a container {ask.name!r} runs in this room", cure="Stop it, or name another.")
        if self.running_count >= self._settings.max_running:
            raise RoomFull(
                f"{self.running_count} containers run on this server",
                cure="Stop some, or raise containers.max_running.",
            )
        if len(mine) >= self._settings.max_in_room:
            ended = next((kept for kept in mine if kept.state == "EXITED"), None)
            if ended is None:
                raise RoomFull(
                    f"{len(mine)} containers run in this room",
                    cure="Stop some, or raise containers.max_in_room.",
                )
            self._kept.pop(ended.id, None)
            self._tasks.spawn(self._forget(ended), "forget")
        box = BoxId(secrets.token_hex(16))
        kept = Record(box, room, ask, starter, ask.name or f"box-{box[:6]}", "")
        self._kept[box] = kept
        return kept

    def _spec(self, home: Home, kept: Record) -> RunSpec:
        ask, base = kept.ask, self._base_url()
        env = {"MESHAGENT_ROOM": home.room, "MESHAGENT_API_URL": base, "MESHAGENT_ROOM_URL": base}
        if ask.token:
            env["MESHAGENT_TOKEN"] = ask.token
        if ask.token and ask.for_agent:
            env |= {
                "OPENAI_API_KEY": ask.token,
                "OPENAI_BASE_URL": f"{base}/rooms/{quote(home.room, safe='')}/v1",
            }
        labels = {"server": self._server_id, "room": home.room, "box": kept.id, "name": kept.name}
        if ask.service_id:
            labels["service"] = ask.service_id
        return RunSpec(
            id=kept.id,
            name=kept.name,
            image=ask.image,
            argv=ask.argv,
            cwd=ask.cwd,
            env=env | dict(ask.env),
            binds=_binds(home, ask.mounts),
            images=ask.mounts.images,
            files=ask.mounts.files,
            empty_dirs=ask.mounts.empty_dirs,
            ports=ask.ports,
            labels=labels,
            writable=ask.writable,
            most=ask.most,
            bundles=ask.bundles,
        )

    async def _watch(self, engine: Engine, kept: Record) -> None:
        try:
            found = await engine.wait(kept.id)
        except RuntimeServiceError as error:
            found = Exit(255, "lost", str(error))
        if kept.is_stopping and found.reason == "exited":
            found = replace(found, reason="stopped")
        kept.exit, kept.state, kept.since = found, "EXITED", self._clock.now()
        kept.ended.set()
        _log.info(
            "container.exited",
            container=kept.id,
            room=kept.room,
            image=kept.ask.image,
            code=found.code,
            reason=found.reason,
            detail=found.message if found.reason not in ("exited", "stopped") else "",  # else: its last words
        )

    async def _end(self, kept: Record) -> None:
        self._kept.pop(kept.id, None)
        if self._engine is None or (kept.state == "CREATED" and not kept.ended.is_set()):
            return  # whoever starts it sees that it is not wanted any more
        kept.is_stopping = True
        with suppress(RuntimeServiceError, TimeoutError):
            async with asyncio.timeout(min(self._settings.stop_s, _CLOSE_S)):
                if kept.state == "RUNNING":
                    await self._engine.stop(kept.id, force=False)
        await self._forget(kept)

    async def _forget(self, kept: Record) -> None:
        if self._engine is not None:
            try:
                async with asyncio.timeout(_CLOSE_S):
                    await self._engine.remove(kept.id)
            except (RuntimeServiceError, TimeoutError) as error:  # the next start reclaims it
                _log.warning("container.left", container=kept.id, room=kept.room, error=str(error))

    def _find(self, room: str, name: str) -> Record:
        mine = [kept for kept in self._kept.values() if kept.room == room]
        for kept in mine:
            if kept.id == name:
                return kept
        named = [kept for kept in mine if kept.name == name]
        if not named and len(name) >= _LEAST_OF_ID:
            named = [kept for kept in mine if kept.id.startswith(name)]
        if not named:
            raise ContainerNotFound(f"no container {name[:80]!r} in this room")
        return next((kept for kept in named if kept.state == "RUNNING"), named[-1])


class _Counted:
    """A command, counted in its container until it is closed."""

    def __init__(self, inner: Exec, kept: Record) -> None:
        self._inner, self._kept = inner, kept
        self.write, self.close_stdin, self.resize = inner.write, inner.close_stdin, inner.resize
        self.kill, self.chunks, self.wait = inner.kill, inner.chunks, inner.wait
        self._is_closed = False

    async def aclose(self) -> None:
        try:
            await self._inner.aclose()
        finally:
            if not self._is_closed:
                self._is_closed = True
                self._kept.execs -= 1


def _binds(home: Home, mounts: Mounts) -> tuple[Bind, ...]:
    """Folders of this machine, the room's files first."""
    kinds = (
        (home.files, mounts.room, 0),
        (home.project, mounts.project, 0),
        (home.volumes, mounts.volumes, 1),
    )
    return tuple(_bind(root.resolve(), bind, own) for root, binds, own in kinds for bind in binds)


def _bind(root: Path, bind: Bind, own: int) -> Bind:
    """A folder below another, which is made if it is not there.

    Args:
        own: How many names below the root are no container's to change.
    """
    real = (root / bind.source).resolve()
    if not real.is_relative_to(root):
        raise InvalidRequest(f"{bind.source!r} leads out of the folder that it is in")
    if real != root / bind.source:  # a container of the room may have made it
        raise InvalidRequest(f"{bind.source!r} is a link", cure="Mount the folder that it leads to.")
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    below = real.relative_to(root)
    try:
        with Tree(root).folder(str(below), make=True):
            within = str(root) if len(below.parts) > own else ""
            return Bind(str(real), bind.path, bind.read_only, within)
    except NotADirectoryError as error:
        raise InvalidRequest(f"{bind.source!r} is no folder") from error
