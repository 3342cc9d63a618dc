"""The documents of a room: opening, relaying changes, keeping them on disk.

A change is merged into the server's copy and relayed to the other subscribers only when it changed
something: every client echoes what it receives, and an echo must end here.  A document is a file at its
path, written some moments after a change, when its last subscriber leaves, and when the room closes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import structlog

from runtime.errors import Conflict, InvalidRequest, NotFound, PermissionDenied, RoomError, RoomFull
from runtime.rooms.built_in.schemas import THREAD_SCHEMA
from runtime.rooms.connection import Peer
from runtime.rooms.document import Document, decode_update, encode_update
from runtime.rooms.document_schema import DocumentSchema
from runtime.rooms.files import Files, clean_path, on_disk, whole
from runtime.rooms.holdings import Contents
from runtime.rooms.limits import RoomLimits
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.rooms.streams import ServerStream
from runtime.wire.content import EmptyContent, JsonContent

log = structlog.get_logger(__name__)

MAX_SCHEMA_BYTES = 1024 * 1024
_AGAIN_S = 10.0


class _Subscription(msgspec.Struct, eq=False):
    """Somebody who has the document open; ``written`` is the path in that client's spelling."""

    peer: Peer
    written: str
    send: Callable[[bytes], None]
    closed: Callable[[], None] | None = None


class _Open(msgspec.Struct):
    path: str
    document: Document
    subscriptions: list[_Subscription] = msgspec.field(default_factory=list)
    is_dirty: bool = False
    stored_bytes: int = 0
    counted_bytes: int = 0  # among the room's contents
    writing: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)


class Documents:
    """Requests ``room.…`` about documents, and the built-in toolkit ``sync``."""

    def __init__(self, limits: RoomLimits, files: Files, contents: Contents) -> None:
        self._limits = limits
        self._files = files
        self._contents = contents
        self._open: dict[str, _Open] = {}
        self._opening = asyncio.Lock()
        self._dirty = asyncio.Event()

    def requests(self) -> Handlers:
        """The older dialect's names."""
        return {
            "room.connect": self._connect,
            "room.sync": self._sync,
            "room.disconnect": self._disconnect,
            "room.create": self._create,
            "room.describe": self.describe,
        }

    def tools(self) -> Handlers:
        """The newer dialect's plain tools."""
        return {"sync.create": self._create, "sync.describe": self.describe}

    def paths(self) -> list[str]:
        """Documents that somebody has open."""
        return sorted(path for path, opened in self._open.items() if opened.subscriptions)

    def is_open(self, path: str) -> bool:
        """Whether somebody has this document open, or one inside this folder."""
        return any(known == path or known.startswith(f"{path}/") for known in self.paths())

    def has_schema(self, name: str) -> bool:
        """Whether documents with this extension can be opened without bringing a schema."""
        try:
            return self._files.stat(clean_path(f".schemas/{name}.json")) is not None
        except InvalidRequest:
            return False

    @asynccontextmanager
    async def held(self, path: str) -> AsyncIterator[None]:
        """No document at or below this path is written while this is entered."""
        async with AsyncExitStack() as stack:
            for opened in [self._open[known] for known in self._at(path)]:
                await stack.enter_async_context(opened.writing)
            yield

    def forget(self, path: str) -> None:
        """The file or folder at this path was deleted: close its documents for everybody."""
        for known in self._at(path):
            opened = self._let_go(known)
            opened.is_dirty = False
            for subscription in opened.subscriptions:
                if subscription.closed is not None:
                    subscription.closed()
            opened.subscriptions.clear()

    async def leave(self, peer: Peer) -> None:
        """Drop a participant's subscriptions; documents that nobody has open are written and let go."""
        for opened in list(self._open.values()):
            if any(subscription.peer is peer for subscription in opened.subscriptions):
                opened.subscriptions = [s for s in opened.subscriptions if s.peer is not peer]
                await self._release(opened)

    async def keep_flushed(self) -> None:
        """Write changed documents after a short while; runs until cancelled."""
        while True:
            await self._dirty.wait()
            await asyncio.sleep(self._limits.flush_s)
            self._dirty.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write every changed document now."""
        for opened in list(self._open.values()):
            await self._write(opened)

    # ---- streamed (newer dialect)

    async def open(self, stream: ServerStream) -> None:
        """Streamed tool: the state, then everybody's changes in both directions."""
        stream.accept()
        start = await stream.start()
        written, own, vector = start.path(), _own_schema(start), start.optional_text("vector")
        known = decode_update(vector.encode()) if vector else None
        opened = await self._opened(start)
        try:
            state = opened.document.state(known)
        except InvalidRequest:
            await self._release(opened)
            raise
        schema = own or opened.document.schema
        subscription = _Subscription(
            stream.peer,
            written,
            lambda data: stream.send({"kind": "sync", "path": written}, data),
            closed=stream.finish,
        )
        stream.send({"kind": "state", "path": written, "schema": schema.raw}, encode_update(state))
        opened.subscriptions.append(subscription)
        try:
            while (chunk := await stream.receive_binary("sync")) is not None:
                if subscription not in opened.subscriptions:
                    raise Conflict(f"document {written!r} was deleted")
                self._apply(opened, subscription, chunk.data)
        finally:
            if subscription in opened.subscriptions:
                opened.subscriptions.remove(subscription)
                await self._release(opened)

    # ---- requests

    async def _connect(self, request: Request) -> Outcome:
        written, own, peer = request.path(), _own_schema(request), request.peer
        opened = await self._opened(request)
        if peer.is_gone:
            await self._release(opened)
            return None
        for subscription in opened.subscriptions:
            if subscription.peer is peer and subscription.written == written:
                raise Conflict(f"already connected to {written!r}")
        schema = own or self._default_schema(opened)
        # The answer must come before the first state: an older client that gets them the other way round
        # waits for ever.
        request.answer(JsonContent({"schema": schema.raw}))

        def send(data: bytes) -> None:
            peer.push("room.sync", {"path": written}, data)

        send(encode_update(opened.document.state()))
        opened.subscriptions.append(_Subscription(peer, written, send))
        return None

    def _sync(self, request: Request) -> Outcome:
        opened, subscription = self._subscribed(request)
        self._apply(opened, subscription, request.data)
        return EmptyContent()

    async def _disconnect(self, request: Request) -> Outcome:
        opened, subscription = self._subscribed(request)
        opened.subscriptions.remove(subscription)
        await self._release(opened)
        return EmptyContent()

    async def _create(self, request: Request) -> Outcome:
        path = _document_path(request, write=True)
        async with self._opening:
            if path in self._open or await on_disk(self._files.stat, path) is not None:
                raise Conflict(f"{path!r} exists already")
            schema = await self._schema_for(request, path)
            opened = await self._make(path, schema, request.optional_object("json"))
        await self._release(opened)
        return EmptyContent()

    async def describe(self, request: Request) -> Outcome:
        """The JSON form of the document at the request's path."""
        path = _document_path(request, write=False)
        async with self._opening:
            opened = self._open.get(path) or await self._load(path)
        if opened is None:
            raise NotFound(f"no document {path!r}")
        described = opened.document.describe()
        await self._release(opened)
        return JsonContent(described)

    # ---- opening

    async def _opened(self, request: Request) -> _Open:
        path = _document_path(request, write=False)
        async with self._opening:
            opened = self._open.get(path) or await self._load(path)
            if opened is not None:
                return opened
            if not request.flag("create", default=True):
                raise NotFound(f"no document {path!r}", cure="Open it with create.")
            _document_path(request, write=True)
            schema = await self._schema_for(request, path)
            # A client that comes back with a state brings the children with it: fresh ones would stand
            # beside them.
            is_back = request.optional_text("vector") is not None
            return await self._make(path, schema, request.optional_object("initial_json"), seeded=not is_back)

    async def _load(self, path: str) -> _Open | None:
        entry = await on_disk(self._files.stat, path)
        if entry is None:
            return None
        if entry.size is None:
            raise Conflict(f"{path!r} is a folder")
        if entry.size > 2 * self._limits.max_document_bytes:
            raise Conflict(f"{path!r} is not a document")
        self._check_count()
        self._contents.check(entry.size)
        raw = await on_disk(self._files.read, path, max_bytes=entry.size)
        document = Document.load(raw, max_bytes=self._limits.max_document_bytes)
        opened = self._open[path] = _Open(path, document, stored_bytes=len(raw))
        self._count(opened)
        return opened

    async def _make(
        self, path: str, schema: DocumentSchema, content: dict[str, Any] | None, *, seeded: bool = True
    ) -> _Open:
        self._check_count()
        if not path:
            raise InvalidRequest("a document needs a path")
        self._files.reserve(0)
        self._contents.check(1)
        if seeded or content is not None:
            document = Document.create(schema, content=content, max_bytes=self._limits.max_document_bytes)
        else:
            document = Document(schema, max_bytes=self._limits.max_document_bytes)
        opened = self._open[path] = _Open(path, document, is_dirty=True)
        self._count(opened)
        try:
            await whole(self._written(opened))  # at once: from now on it is a file like any other
        except BaseException:
            self._let_go(path)
            raise
        return opened

    def _check_count(self) -> None:
        if len(self._open) >= self._limits.max_documents:
            raise RoomFull(f"the room has {self._limits.max_documents} documents open")

    async def _schema_for(self, request: Request, path: str) -> DocumentSchema:
        own = _own_schema(request)
        if own is not None:
            return own
        extension = path.rpartition("/")[2].rpartition(".")[2]
        named = request.optional_text("schema_path")
        if named is None and extension == "thread":  # whatever the file there says: see `_default_schema`
            return DocumentSchema(THREAD_SCHEMA)
        source = clean_path(named or f".schemas/{extension}.json")
        try:
            raw = await on_disk(self._files.read, source, max_bytes=MAX_SCHEMA_BYTES)
            return DocumentSchema(json.loads(raw))
        except NotFound as error:
            raise NotFound(f"no schema for {path!r}: {source!r} is not there") from error
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(f"{source!r} is not JSON") from error

    def _default_schema(self, opened: _Open) -> DocumentSchema:
        """For those who bring none: clients that old cannot read what newer ones may have brought."""
        is_thread = opened.path.rpartition(".")[2] == "thread"
        return DocumentSchema(THREAD_SCHEMA) if is_thread else opened.document.schema

    # ---- changing and keeping

    def _apply(self, opened: _Open, sender: _Subscription, data: bytes) -> None:
        update = decode_update(data)
        if not sender.peer.participant.claims.allows_document(opened.path, write=True):
            # Readers echo like everybody else; only a real change is refused.
            if opened.document.would_change(update):
                raise PermissionDenied(f"the token does not allow changing {opened.path!r}")
            return
        self._contents.check(len(update))
        changed = opened.document.apply(update)
        self._count(opened)
        if changed is None:
            return
        self._mark(opened)
        encoded = encode_update(changed)
        for subscription in list(opened.subscriptions):
            if subscription is not sender:
                subscription.send(encoded)

    def _subscribed(self, request: Request) -> tuple[_Open, _Subscription]:
        written = request.path()
        opened = self._open.get(clean_path(written))
        for subscription in opened.subscriptions if opened else ():
            if opened and subscription.peer is request.peer and subscription.written == written:
                return opened, subscription
        raise Conflict(f"not connected to {written!r}")

    def _at(self, path: str) -> list[str]:
        return [known for known in self._open if known == path or known.startswith(f"{path}/")]

    def _mark(self, opened: _Open) -> None:
        opened.is_dirty = True
        self._dirty.set()

    async def _release(self, opened: _Open) -> None:
        if not opened.subscriptions:
            await whole(self._released(opened))

    async def _released(self, opened: _Open) -> None:
        await self._write(opened)
        # Somebody may have opened or changed it during the writing.
        if not opened.subscriptions and not opened.is_dirty and self._open.get(opened.path) is opened:
            self._let_go(opened.path)

    def _count(self, opened: _Open) -> None:
        grown = opened.document.size_bytes - opened.counted_bytes
        opened.counted_bytes += grown
        self._contents.add(grown)

    def _let_go(self, path: str) -> _Open:
        opened = self._open.pop(path)
        self._contents.add(-opened.counted_bytes)
        opened.counted_bytes = 0
        return opened

    async def _write(self, opened: _Open) -> None:
        """Write it if it has changed, whoever is cancelled meanwhile; again later, where it cannot be."""
        try:
            await whole(self._written(opened))
        except (OSError, RoomError) as error:
            log.warning("document.write_failed", error=str(error))
            asyncio.get_running_loop().call_later(_AGAIN_S, self._dirty.set)

    async def _written(self, opened: _Open) -> None:
        async with opened.writing:
            if not opened.is_dirty or self._open.get(opened.path) is not opened:
                return
            opened.is_dirty = False
            raw = opened.document.dump()
            staged = self._files.stage()
            try:
                await on_disk(self._files.append, staged, raw)
                await on_disk(self._files.commit, staged, opened.path, overwrite=True)
            except (OSError, RoomError):
                self._files.discard(staged)
                opened.is_dirty = True
                raise
            self._files.release(opened.stored_bytes - len(raw))
            opened.stored_bytes = len(raw)


def _document_path(request: Request, *, write: bool) -> str:
    path = clean_path(request.path())
    if not request.peer.participant.claims.allows_document(path, write=write):
        verb = "changing" if write else "opening"
        raise PermissionDenied(f"the token does not allow {verb} {path!r}")
    return path


def _own_schema(request: Request) -> DocumentSchema | None:
    raw = request.optional_object("schema")
    return None if raw is None else DocumentSchema(raw)
