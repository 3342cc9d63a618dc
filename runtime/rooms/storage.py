"""The room's files for participants: whole requests and handles (older dialect), pulled streams (newer)."""

from __future__ import annotations

import asyncio
import mimetypes
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from runtime.errors import Conflict, InvalidRequest, NotFound, PermissionDenied, RoomFull
from runtime.rooms.connection import Peer
from runtime.rooms.documents import Documents
from runtime.rooms.files import Entry, Files, clean_path, on_disk, whole, whole_on_disk
from runtime.rooms.live import LiveRoom
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.rooms.streams import ServerStream
from runtime.wire.content import EmptyContent, FileContent, JsonContent

PULL_BYTES: Final = 65_536
MAX_CHUNK_BYTES: Final = 1024 * 1024


class _Upload(msgspec.Struct):
    peer: Peer
    path: str
    overwrite: bool
    staged: Path
    size: int = 0
    turn: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)  # writes of one handle keep their order


class Storage:
    """Requests ``storage.*`` and the built-in toolkit ``storage``.

    Args:
        link: Makes the address of a file, from the address of the room and the file's path.
    """

    def __init__(
        self, live: LiveRoom, files: Files, documents: Documents, *, link: Callable[[str, str], str]
    ) -> None:
        self._live = live
        self._link = link
        self._files = files
        self._documents = documents
        self._uploads: dict[str, _Upload] = {}
        self._downloads: dict[str, int] = {}

    def requests(self) -> Handlers:
        """The older dialect's names."""
        return {
            **self.tools(),
            "storage.open": self._open,
            "storage.write": self._write,
            "storage.close": self._close,
            "storage.download": self.download_whole,
        }

    def tools(self) -> Handlers:
        """The newer dialect's plain tools."""
        return {
            "storage.exists": self._exists,
            "storage.stat": self._stat,
            "storage.list": self._list,
            "storage.delete": self._delete,
            "storage.move": self._move,
            "storage.download_url": self._download_url,
        }

    def leave(self, peer: Peer) -> None:
        """Drop the unfinished uploads of a participant."""
        for handle, upload in list(self._uploads.items()):
            if upload.peer is peer:
                del self._uploads[handle]
                self._discard(upload)

    # ---- asking

    async def _exists(self, request: Request) -> Outcome:
        entry = await on_disk(self._files.stat, _path(request, write=False))
        return JsonContent({"exists": entry is not None})

    async def _stat(self, request: Request) -> Outcome:
        entry = await on_disk(self._files.stat, _path(request, write=False))
        if entry is None:
            return JsonContent({"exists": False})
        return JsonContent({"exists": True, **_describe(entry, sized=request.is_tool)})

    async def _list(self, request: Request) -> Outcome:
        path = clean_path(request.path())
        if path == ".schemas" and not request.peer.participant.claims.allows_file(path, write=False):
            return JsonContent({"files": []})  # every agent lists it at its start, whatever its grants
        entries = await on_disk(self._files.list, _path(request, write=False))
        return JsonContent({"files": [_describe(entry, sized=request.is_tool) for entry in entries]})

    async def _download_url(self, request: Request) -> Outcome:
        return JsonContent({"url": await self.address(request)})

    async def address(self, request: Request) -> str:
        """A link to the file at the request's path."""
        path = _path(request, write=False)
        await on_disk(self._files.need_on_disk, path)  # else it would fail later, where nobody looks
        return self._link(request.peer.room_url, path)

    # ---- changing

    async def _delete(self, request: Request) -> Outcome:
        path = _path(request, write=True)
        await whole(self._deleted(path, recursive=request.flag("recursive")))
        self._tell("deleted", request.peer, path=path)
        return EmptyContent()

    async def _deleted(self, path: str, *, recursive: bool) -> None:
        async with self._documents.held(path):  # no document is written back behind the deletion
            freed, is_gone = await on_disk(self._files.delete, path, recursive=recursive)
            self._files.release(freed)
            self._documents.forget(path)
        if not is_gone:
            raise Conflict(
                f"not all of {path!r} could be deleted",
                cure="End what still writes there, a container perhaps, and delete it again.",
            )

    async def _move(self, request: Request) -> Outcome:
        source = _path(request, "source_path", write=True)
        destination = _path(request, "destination_path", write=True)
        for path in (source, destination):
            self._refuse_open_document(path)
        overwrite = request.flag("overwrite")
        await whole(self._placed(self._files.move, source, destination, overwrite=overwrite))
        self._tell("moved", request.peer, source_path=source, destination_path=destination)
        return EmptyContent()

    async def _placed(self, place: Callable[..., int], *args: Any, overwrite: bool) -> None:
        """Have something take a place, and count what was there no more."""
        self._files.release(await on_disk(place, *args, overwrite=overwrite))

    async def _open(self, request: Request) -> Outcome:
        path, overwrite = _path(request, write=True), request.flag("overwrite")
        handle = await self._begin(request.peer, path, overwrite=overwrite)
        return JsonContent({"handle": handle})

    async def _write(self, request: Request) -> Outcome:
        await self._append(self._upload(request), request.data)
        return EmptyContent()

    async def _close(self, request: Request) -> Outcome:
        upload = self._upload(request)
        del self._uploads[request.text("handle")]
        await self._finish(upload)
        return EmptyContent()

    async def download_whole(self, request: Request) -> Outcome:
        """A file in one message."""
        path = _path(request, write=False)
        size = await on_disk(self._files.size, path)
        if size > self._live.limits.max_message_bytes:
            raise RoomFull(f"{path!r} has {size} bytes, too many for one message")
        data = await on_disk(self._files.read, path, max_bytes=size)
        return FileContent(path.rpartition("/")[2], _mime_type(path), data)

    # ---- streams of the newer dialect

    async def upload(self, stream: ServerStream) -> None:
        """Streamed tool: ask for the file piece by piece, then store it."""
        stream.accept()
        start = await stream.start()
        path, size = _path(start, write=True), start.arguments.get("size")
        async with self._uploading(stream.peer, path, overwrite=start.flag("overwrite")) as upload:
            while not isinstance(size, int) or upload.size < size:
                stream.send({"kind": "pull", "chunk_size": PULL_BYTES})
                chunk = await stream.receive_binary("data")
                if chunk is None:
                    break
                await self._append(upload, chunk.data)
            if isinstance(size, int) and upload.size != size:
                raise InvalidRequest(f"{path!r} ended after {upload.size} of {size} bytes")

    async def save(self, request: Request, data: bytes) -> None:
        """Keep a whole file at the request's path."""
        path, overwrite = _path(request, write=True), request.flag("overwrite")
        async with self._uploading(request.peer, path, overwrite=overwrite) as upload:
            await self._append(upload, data)

    async def download(self, stream: ServerStream) -> None:
        """Streamed tool: describe the file, then send a piece for each pull."""
        stream.accept()
        start = await stream.start()
        path, wanted = _path(start, write=False), start.arguments.get("chunk_size")
        step = min(wanted, MAX_CHUNK_BYTES) if isinstance(wanted, int) and wanted > 0 else PULL_BYTES
        size = await on_disk(self._files.size, path)
        name = path.rpartition("/")[2]
        stream.send({"kind": "start", "name": name, "mime_type": _mime_type(path), "size": size})
        sent = 0
        while sent < size:
            if await stream.receive_binary("pull") is None:
                return
            wanted_bytes = min(step, size - sent)
            data = await on_disk(self._files.read, path, offset=sent, max_bytes=wanted_bytes)
            if not data:
                raise Conflict(f"{path!r} became shorter while it was read")
            sent += len(data)
            stream.send({"kind": "data"}, data)

    # ---- uploads

    @asynccontextmanager
    async def _uploading(self, peer: Peer, path: str, *, overwrite: bool) -> AsyncIterator[_Upload]:
        """An upload that is a file when this is left, and nothing when that is by an error."""
        handle = await self._begin(peer, path, overwrite=overwrite)
        upload = self._uploads[handle]
        try:
            yield upload
        except BaseException:
            if self._uploads.pop(handle, None) is not None:
                self._discard(upload)
            raise
        del self._uploads[handle]
        await self._finish(upload)

    async def _begin(self, peer: Peer, path: str, *, overwrite: bool) -> str:
        mine = sum(1 for upload in self._uploads.values() if upload.peer is peer)
        if mine >= self._live.limits.max_open_files:
            raise RoomFull(f"a participant may have {self._live.limits.max_open_files} uploads in progress")
        handle = uuid.uuid4().hex
        self._refuse_open_document(path)
        if not path:
            raise InvalidRequest("a file needs a path")
        entry = await on_disk(self._files.stat, path)
        if entry is not None and entry.is_folder:
            raise Conflict(f"{path!r} is a folder")
        if entry is not None and not overwrite and not entry.is_built_in:
            raise Conflict(f"{path!r} exists already", cure="Ask to overwrite it.")
        # One small file is made right here: after the last await, so that a participant who has left
        # meanwhile leaves nothing behind.
        self._uploads[handle] = _Upload(peer, path, overwrite, self._files.stage())
        return handle

    async def _append(self, upload: _Upload, data: bytes) -> None:
        async with upload.turn:
            self._files.reserve(len(data))
            upload.size += len(data)
            await whole_on_disk(self._files.append, upload.staged, data)

    async def _finish(self, upload: _Upload) -> None:
        await whole(self._committed(upload))
        self._tell("updated", upload.peer, path=upload.path)

    async def _committed(self, upload: _Upload) -> None:
        async with upload.turn:
            try:
                self._refuse_open_document(upload.path)
                commit, overwrite = self._files.commit, upload.overwrite
                await self._placed(commit, upload.staged, upload.path, overwrite=overwrite)
            except BaseException:
                self._discard(upload)
                raise

    def _discard(self, upload: _Upload) -> None:
        self._files.release(upload.size)
        self._files.discard(upload.staged)

    def _upload(self, request: Request) -> _Upload:
        upload = self._uploads.get(str(request.arguments.get("handle")))
        if upload is None or upload.peer is not request.peer:
            raise NotFound("no such storage handle")
        return upload

    def _refuse_open_document(self, path: str) -> None:
        if self._documents.is_open(path):
            raise Conflict(f"{path!r} is a document that somebody has open")

    def _tell(self, what: str, peer: Peer, **paths: str) -> None:
        self._live.push_all(f"storage.file.{what}", {**paths, "participant_id": peer.id})


def _path(request: Request, key: str = "path", *, write: bool) -> str:
    path = clean_path(request.path(key))
    if not request.peer.participant.claims.allows_file(path, write=write):
        verb = "writing" if write else "reading"
        raise PermissionDenied(f"the token does not allow {verb} {path!r}")
    return path


def _describe(entry: Entry, *, sized: bool) -> dict[str, Any]:
    described: dict[str, Any] = {"name": entry.name, "is_folder": entry.is_folder}
    if sized:  # only the newer clients know this key
        described["size"] = entry.size
    return {**described, "created_at": entry.created_at, "updated_at": entry.updated_at}


def _mime_type(path: str) -> str:
    return mimetypes.guess_type(path)[0] or "application/octet-stream"
