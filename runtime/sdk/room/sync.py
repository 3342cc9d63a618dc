"""Shared documents of a room: open, keep in step, close.

Theory: one `_Open` per path, counted by its openers.  Local changes gather for a few milliseconds and go out
as one update; one request is under way at a time, so the room gets them in order.  What the room pushes is
applied and never sent back.  A document that the room no longer takes updates for is broken: its copy still
reads, and `flush` and `close` say why.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Mapping
from typing import Any

from pycrdt import merge_updates

from runtime.errors import NotFound, ProtocolError, RemoteProtocolError, RoomError, RoomFull, RoomLost
from runtime.sdk.room.document import Document
from runtime.sdk.room.exchange import RoomExchange
from runtime.wire.content import JsonContent
from runtime.wire.room import Message

BATCH_S = 0.005
OPEN_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 5.0
MAX_OPEN_COUNT = 256
MAX_WAITING_COUNT = 64

_log = logging.getLogger("room.sync")


class SyncClient:
    """The documents that one participant has open.

    Args:
        client: The room; its `request` and `on_push` are used.
        batch_s: How long local changes gather before they are sent.
        open_timeout_s: Deadline for opening, the document's first state included.
        max_open_count: Documents open at once.
    """

    def __init__(
        self,
        client: RoomExchange,
        *,
        batch_s: float = BATCH_S,
        open_timeout_s: float = OPEN_TIMEOUT_S,
        max_open_count: int = MAX_OPEN_COUNT,
    ) -> None:
        self._client = client
        self._batch_s = batch_s
        self._open_timeout_s = open_timeout_s
        self._max_open_count = max_open_count
        self._open: dict[str, _Open] = {}
        client.on_push("room.sync", self._pushed)

    async def open(
        self,
        path: str,
        *,
        create: bool = True,
        schema: Mapping[str, Any] | None = None,
        initial_json: Mapping[str, Any] | None = None,
    ) -> Document:
        """Open a document and return once its state is here.

        Opening an open path returns the same document and counts: close as often as you open.

        Args:
            create: Make the document if the room has none at this path.
            schema: Its schema; None lets the room choose one by the path's extension.
            initial_json: What a new document starts with.

        Raises:
            RoomException: The room refused.
            RoomFull: Too many documents are open.
            RoomError: No state came before the deadline, or the state is not a document.
            RoomLost: The connection ended.
        """
        held = self._open.get(path)
        if held is None:
            if len(self._open) >= self._max_open_count:
                raise RoomFull(
                    f"{len(self._open)} documents are open", cure="Close some before opening more."
                )
            held = self._open[path] = _Open(self._client, path, self._batch_s)
            request: dict[str, Any] = {"path": path, "create": create}
            if schema is not None:
                request["schema"] = dict(schema)
            if initial_json is not None:
                request["initial_json"] = dict(initial_json)
            held.opening = asyncio.ensure_future(self._connect(held, request))
        held.count += 1
        try:
            # Shielded: one opener that gives up must not fail the others.
            assert held.opening is not None
            await asyncio.shield(held.opening)
        except BaseException:
            await self._release(held)
            raise
        return held.document

    async def close(self, path: str) -> None:
        """Undo one `open`; the last one sends what is unsent and leaves the document.

        Raises:
            NotFound: The path is not open.
        """
        held = self._open.get(path)
        if held is None:
            raise NotFound(f"the document {path} is not open")
        await self._release(held)

    async def flush(self, path: str) -> None:
        """Return once every local change made so far is in the room.

        Raises:
            NotFound: The path is not open.
            RoomException, RoomLost: The room did not take a change.
        """
        held = self._open.get(path)
        if held is None:
            raise NotFound(f"the document {path} is not open")
        await held.flush()

    async def describe(self, path: str) -> dict[str, Any]:
        """The document as JSON, without opening it."""
        content = await self._client.request("room.describe", {"path": path})
        return dict(content.json) if isinstance(content, JsonContent) else {}

    def schema(self, path: str) -> dict[str, Any]:
        """The schema the room gave an open document; empty when it has none."""
        held = self._open.get(path)
        return held.schema if held else {}

    async def cancel_listeners(self) -> None:
        """Stop sending; the room client calls this when its connection is over."""
        held = list(self._open.values())
        self._open.clear()
        for document in held:
            await document.stop()

    async def _connect(self, held: _Open, request: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._open_timeout_s):
                content = await self._client.request("room.connect", request)
                if isinstance(content, JsonContent) and isinstance(content.json, dict):
                    held.schema = content.json.get("schema") or {}
                await held.first_state.wait()
        except TimeoutError as error:
            raise RoomError(
                f"the room sent no state of {held.path} within {self._open_timeout_s:g} s",
                cure="Try again; if it stays so, look at the room server's log.",
            ) from error
        if held.broken:
            raise held.broken
        held.start()

    async def _release(self, held: _Open) -> None:
        held.count -= 1
        if held.count > 0 or self._open.get(held.path) is not held:
            return
        connected = held.opening is not None and held.opening.done() and not held.opening.cancelled()
        connected = connected and held.opening is not None and held.opening.exception() is None
        try:
            if connected and not self._client.is_closed:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await held.flush()
        except (RoomError, ProtocolError, TimeoutError) as error:
            _log.warning("the last changes of a document were not sent: %s", error)
        finally:
            if self._open.get(held.path) is held and held.count <= 0:
                del self._open[held.path]
                await held.stop()
        if connected and not self._client.is_closed and held.path not in self._open:
            try:
                await self._client.request("room.disconnect", {"path": held.path})
            except RoomError as error:
                _log.debug("a document was not closed in the room: %s", error)

    def _pushed(self, message: Message) -> None:
        held = self._open.get(str(message.header.get("path")))
        if held is not None:
            held.receive(message.data)


class _Open:
    """One open document and the task that sends its changes."""

    def __init__(self, client: RoomExchange, path: str, batch_s: float) -> None:
        self.path = path
        self.document = Document()
        self.schema: dict[str, Any] = {}
        self.count = 0
        self.opening: asyncio.Future[None] | None = None
        self.first_state = asyncio.Event()
        self.broken: RoomError | ProtocolError | None = None
        self._client = client
        self._batch_s = batch_s
        self._waiting: list[bytes] = []
        self._sender: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._flushing = False

    def receive(self, encoded: bytes) -> None:
        """Apply what the room pushed.  Nonsense breaks this document alone."""
        try:
            self.document.apply(base64.b64decode(encoded, validate=True))
        except (binascii.Error, ValueError):
            self.broken = RemoteProtocolError(f"the room's update of {self.path} is not base64")
        except RemoteProtocolError as error:
            self.broken = error
        if self.broken:
            _log.error("document %s is broken: %s", self.path, self.broken)
        self.first_state.set()

    def start(self) -> None:
        self.document.on_update(self._updated)
        self._sender = asyncio.create_task(self._send(), name=f"sync:{self.path}")

    async def stop(self) -> None:
        tasks = [task for task in (self._sender, self.opening) if task is not None and not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._idle.set()  # whoever still waits in flush() would wait for ever
        if self.opening is not None and self.opening.done() and not self.opening.cancelled():
            self.opening.exception()  # marks it as seen: its openers may all be gone

    async def flush(self) -> None:
        self._flushing = True
        self._changed.set()
        await self._idle.wait()
        if self.broken:
            raise self.broken

    def _updated(self, update: bytes) -> None:
        if self.broken:
            return
        self._waiting.append(update)
        if len(self._waiting) > MAX_WAITING_COUNT:
            # The room is slow: one merged update instead of a list that grows.
            self._waiting = [merge_updates(*self._waiting)]
        self._idle.clear()
        self._changed.set()

    async def _send(self) -> None:
        while not self.broken:
            await self._changed.wait()
            if not self._flushing:
                await asyncio.sleep(self._batch_s)
            self._changed.clear()
            self._flushing = False
            if self._waiting:
                update = self._waiting[0] if len(self._waiting) == 1 else merge_updates(*self._waiting)
                self._waiting.clear()
                try:
                    await self._client.request("room.sync", {"path": self.path}, base64.b64encode(update))
                except RoomLost as error:
                    self.broken = error
                except RoomError as error:
                    _log.error("the room refused a change of document %s: %s", self.path, error)
                    self.broken = error
            if not self._waiting or self.broken:
                self._idle.set()
