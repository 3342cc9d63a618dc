"""Containers of an engine that speaks Docker's API: Docker, or Podman's socket."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shlex
import shutil
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from aiodocker import Docker, DockerError
from aiodocker.containers import DockerContainer
from aiodocker.volumes import DockerVolume

from runtime.containers.contract import BoxId, Credential, Exec, Exit, Health, Image, Running, RunSpec
from runtime.containers.docker.body import (
    PREFIX,
    archive_of,
    auth_for,
    body_of,
    name_of,
    unheld,
    volumes_of,
    whole,
    without_credentials,
)
from runtime.containers.docker.client import told
from runtime.containers.docker.command import MARK, Command
from runtime.containers.errors import ContainerNotFound, EngineFailed, EngineSilent
from runtime.containers.settings import ContainersSettings
from runtime.errors import NotSupported, RuntimeServiceError
from runtime.logs import get_logger
from runtime.tasks import Tasks

_CHECK_S: Final = 2.0
_AGAIN_S: Final = 2.0
_MOST_AGAIN_S: Final = 30.0
_FOLDER: Final = "boxes"
_MAX_LINE_CHARS: Final = 16 << 10
_SAID_LAST: Final = 3
_LATE_TRIES: Final = 6
_PROCESS_CHARS: Final = 300
_log = get_logger("containers")


class _Made(msgspec.Struct, frozen=True):
    container: DockerContainer
    folder: Path | None
    volumes: tuple[str, ...]
    memory_bytes: int


class DockerEngine:
    """See `Engine`.  Runs in: the front's event loop.

    Args:
        server_id: Marks its containers, so that they are found again.
        state: The server's state folder.
        is_local: The engine is on this machine, and sees its files.
    """

    name = "docker"

    def __init__(
        self, docker: Docker, settings: ContainersSettings, *, server_id: str, state: Path, is_local: bool
    ) -> None:
        self._docker, self._settings = docker, settings
        self._server_id, self._state, self._is_local = server_id, state.resolve(), is_local
        self._run = secrets.token_hex(6)
        self._made: dict[BoxId, _Made] = {}
        self._tasks = Tasks(_log, "containers.task_failed")

    async def check(self) -> Health:
        try:
            async with told("say which it is", timeout_s=_CHECK_S):
                found = await self._docker.version()
        except EngineFailed as error:
            return Health(self.name, ok=False, detail=str(error))
        parts = found.get("Components") or [{}]
        return Health(self.name, ok=True, detail=str(parts[0].get("Name", "")), version=str(found["Version"]))

    # ---- images

    async def images(self) -> list[Image]:
        async with told("list images"):
            return [_image(one) for one in await self._docker.images.list() if one.get("RepoTags")]

    async def image(self, reference: str) -> Image | None:
        async with told("look for an image"):
            try:
                return _image(await self._docker.images.inspect(reference))
            except DockerError as error:
                if error.status != 404:
                    raise
                return None

    async def pull(self, reference: str, credentials: Sequence[Credential]) -> None:
        auth = auth_for(reference, credentials)
        try:
            async with told(f"pull {reference}", timeout_s=self._settings.pull_s):
                await self._docker.images.pull(whole(reference) if auth else reference, auth=auth)
        except EngineFailed as error:
            if await self.image(reference) is not None:
                _log.info("image.not_refreshed", image=reference, error=error.message)
                return  # it is here, and its registry is not to be had
            said = without_credentials(error.message, credentials)
            raise type(error)(said, cure=error.cure) from None

    async def delete_image(self, reference: str) -> None:
        async with told(f"delete {reference}"):
            await self._docker.images.delete(reference)

    # ---- boxes

    async def run(self, spec: RunSpec) -> Running:
        folder, most = await self._files(spec), spec.most.filled(self._settings)
        body = body_of(
            spec,
            run=self._run,
            most=most,
            log_bytes=self._settings.log_bytes,
            publish=self._settings.publish,
            # What the room's files belong to has to be able to write them.
            user=f"{os.geteuid()}:{os.getegid()}" if spec.binds and os.geteuid() else "",
            files_from="" if folder is None else str(folder),
        )
        volumes = tuple(volumes_of(spec))
        container: DockerContainer | None = None
        creating = asyncio.create_task(self._created(spec, body))
        try:
            try:
                container = await asyncio.shield(creating)
            except asyncio.CancelledError:  # an engine that was asked makes it all the same
                with suppress(RuntimeServiceError):
                    container = await creating
                raise
            if volumes:
                async with told("look at the container"):
                    where = unheld(spec, await container.show())
                if where:
                    raise NotSupported(
                        f"this engine cannot mount a part of the room's files at {where} safely",
                        cure="Mount the whole folder, or have Docker 26 or newer.",
                    )
            if spec.files and folder is None:
                async with told("put files into the container"):
                    await container.put_archive("/", archive_of(spec.files))  # type: ignore[no-untyped-call]
            async with told(f"start {spec.image}"):
                await container.start()
                found = await container.show()
        except BaseException:
            await asyncio.shield(self._undo(container, folder, volumes))
            raise
        self._made[spec.id] = _Made(container, folder, volumes, most.memory_bytes or 0)
        return Running(_ports(found), "")

    async def stop(self, box: BoxId, *, force: bool) -> None:
        container, stop_s = self._find(box).container, self._settings.stop_s
        async with told("stop the container", timeout_s=self._settings.answer_s + stop_s):
            try:
                if force:
                    await container.kill()
                else:
                    await container.stop(t=int(stop_s), timeout=None)
            except DockerError as error:
                if error.status not in (304, 404, 409):  # it has ended
                    raise

    async def remove(self, box: BoxId) -> None:
        made = self._made.pop(box, None)
        if made is not None:
            await self._undo(made.container, made.folder, made.volumes)

    async def wait(self, box: BoxId) -> Exit:
        made, again_s = self._find(box), _AGAIN_S
        container = made.container
        while True:
            try:
                async with told("wait for the container"):
                    await container.wait()
                    shown: dict[str, Any] = await container.show()
                break
            except ContainerNotFound:
                return Exit(255, "lost", "somebody removed it from the engine")
            except EngineFailed as error:  # an engine that is started again has it still
                _log.warning("container.unwatched", container=box, error=error.message)
                await asyncio.sleep(again_s)
                again_s = min(_MOST_AGAIN_S, 2 * again_s)
        state = shown["State"]
        process = shlex.join([str(shown.get("Path") or ""), *(shown.get("Args") or ())])[:_PROCESS_CHARS]
        if state.get("OOMKilled"):
            message = "the machine had no memory left"
            if made.memory_bytes:
                message = f"it used more than {made.memory_bytes >> 20} MiB of memory"
            return Exit(int(state["ExitCode"]), "memory", message, process)
        code, said = int(state["ExitCode"]), str(state.get("Error") or "")
        said = said or (await self._said_last(container) if code else "")
        return Exit(code, "exited", said, process)

    async def logs(self, box: BoxId, *, follow: bool) -> AsyncGenerator[str]:
        container, rest = self._find(box).container, ""
        async with told("read the log"):
            if follow:
                async for text in container.log(stdout=True, stderr=True, follow=True):
                    *lines, rest = (rest + text).split("\n")
                    for line in lines:
                        yield line[:_MAX_LINE_CHARS].rstrip("\r")
                    rest = rest[: _MAX_LINE_CHARS + 1]
            else:
                texts = await container.log(stdout=True, stderr=True, follow=False)
                *lines, rest = "".join(texts).split("\n")
                for line in lines:
                    yield line[:_MAX_LINE_CHARS].rstrip("\r")
        if rest:
            yield rest[:_MAX_LINE_CHARS]

    async def exec(self, box: BoxId, argv: Sequence[str], *, tty: bool) -> Exec:
        container, mark = self._find(box).container, secrets.token_hex(8)
        env = {MARK: mark} | ({"TERM": "xterm"} if tty else {})
        async with told("start a command"):
            command = await container.exec(list(argv), stdin=True, tty=tty, environment=env)
            stream = command.start(detach=False)
            await stream.__aenter__()
        return Command(container, command, stream, mark=mark, tty=tty)

    async def reclaim(self) -> int:
        wanted = {"label": [f"{PREFIX}server={self._server_id}"]}
        async with told("list what was left"):
            found = await self._docker.containers.list(all="true", filters=json.dumps(wanted))
            left = [one for one in found if one["Labels"].get(f"{PREFIX}run") != self._run]
            kept: Any = await self._docker.volumes.list(filters=wanted)  # type: ignore[no-untyped-call]
            volumes = kept.get("Volumes") or ()
            parts = [one["Name"] for one in volumes if one["Labels"].get(f"{PREFIX}run") != self._run]
        await asyncio.gather(*(self._undo(one, None, ()) for one in left))
        await self._undo(None, None, parts)
        await asyncio.to_thread(_clear, self._state / _FOLDER, set(self._made))
        return len(left)

    async def aclose(self) -> None:
        for box in list(self._made):
            await self.remove(box)
        await self._tasks.aclose()
        await self._docker.close()

    # ---- within

    async def _created(self, spec: RunSpec, body: dict[str, Any]) -> DockerContainer:
        try:
            async with told(f"make a container of {spec.image}"):
                return await self._docker.containers.create(body, name=name_of(spec))
        except EngineSilent:
            self._tasks.spawn(self._forget_late(name_of(spec)), "forget what comes late")
            raise
        except EngineFailed as error:
            if "log" not in error.message or "driver" not in error.message:
                raise
        del body["HostConfig"]["LogConfig"]  # Podman has drivers of its own
        async with told(f"make a container of {spec.image}"):
            return await self._docker.containers.create(body, name=name_of(spec))

    async def _forget_late(self, name: str) -> None:
        """Remove what an engine may still make when nobody waits for it any more."""
        for doubled in range(_LATE_TRIES):
            await asyncio.sleep(self._settings.answer_s * 2**doubled)
            with suppress(EngineFailed, ContainerNotFound):
                async with told("remove the container"):
                    await self._docker.containers.container(name).delete(force=True, v=True)
                return

    async def _said_last(self, container: DockerContainer) -> str:
        """The end of its log, in which mostly stands why it ended."""
        with suppress(EngineFailed, ContainerNotFound):
            async with told("read the log"):
                lines = await container.log(stdout=True, stderr=True, follow=False, tail=_SAID_LAST)
                return " | ".join("".join(lines).splitlines())[-500:]
        return ""

    async def _files(self, spec: RunSpec) -> Path | None:
        """A folder with the files to mount; None where they are put in, as into a root that is not fixed."""
        if not spec.files or spec.writable:
            return None
        if not self._is_local:
            raise NotSupported(
                "an engine elsewhere mounts no files into a fixed root", cure="Set writable_root_fs."
            )
        folder = self._state / _FOLDER / spec.id

        def make() -> None:
            folder.parent.mkdir(mode=0o700, exist_ok=True)
            folder.mkdir()
            for place, file in enumerate(spec.files):
                (folder / str(place)).write_text(file.text)

        await asyncio.to_thread(make)
        return folder

    async def _undo(
        self, container: DockerContainer | None, folder: Path | None, volumes: Iterable[str]
    ) -> None:
        try:
            if container is not None:
                async with told("remove the container"):
                    await container.delete(force=True, v=True)
            for name in volumes:  # what is in them is the room's
                async with told("remove a volume"):
                    await DockerVolume(self._docker, name).delete(  # type: ignore[no-untyped-call]
                        force=True  # or one that was not made is complained of
                    )
        except ContainerNotFound:
            pass
        except EngineFailed as error:  # the next start reclaims it
            _log.warning("container.left", container=container.id if container else "", error=error.message)
        finally:
            if folder is not None:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _find(self, box: BoxId) -> _Made:
        found = self._made.get(box)
        if found is None:
            raise ContainerNotFound(f"no container {box}")
        return found


def _clear(folder: Path, kept: Collection[str]) -> None:
    """Remove the folders with files of boxes that are gone."""
    for one in folder.iterdir() if folder.is_dir() else ():
        if one.name not in kept:
            shutil.rmtree(one, ignore_errors=True)


def _image(one: dict[str, Any]) -> Image:
    labels = one.get("Labels") or (one.get("Config") or {}).get("Labels") or {}
    return Image(
        id=str(one["Id"]),
        references=tuple(one.get("RepoTags") or ()),
        size_bytes=int(one.get("Size") or 0),
        labels={str(key): str(value) for key, value in labels.items()},
    )


def _ports(found: dict[str, Any]) -> dict[int, int]:
    ports = (found.get("NetworkSettings") or {}).get("Ports") or {}
    return {
        int(inner.partition("/")[0]): int(outer[0]["HostPort"]) for inner, outer in ports.items() if outer
    }
