"""Named queues of JSON messages, in memory for as long as the room is open."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import msgspec

from runtime.errors import NotFound, PermissionDenied, RoomFull
from runtime.rooms.connection import Peer
from runtime.rooms.holdings import Contents
from runtime.rooms.limits import RoomLimits
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.wire.content import EmptyContent, JsonContent


class _Queue(msgspec.Struct):
    messages: deque[tuple[Any, int]] = msgspec.field(default_factory=deque)  # with the size of its JSON
    waiting: deque[Request] = msgspec.field(default_factory=deque)


class Queues:
    """Requests ``queues.*``, the same in both dialects.

    A receive that waits is answered when a message comes.  A message is handed to a waiting participant only
    while that participant is connected, so none is lost to one that has gone.
    """

    def __init__(self, limits: RoomLimits, contents: Contents) -> None:
        self._limits, self._contents = limits, contents
        self._queues: dict[str, _Queue] = {}
        self._held_bytes = 0

    def requests(self) -> Handlers:
        """Handlers by request name."""
        return {
            "queues.open": self._open,
            "queues.send": self._send,
            "queues.receive": self._receive,
            "queues.list": self._list,
            "queues.drain": self._drain,
            "queues.close": self._close,
        }

    def waits(self, name: str) -> bool:
        """Whether somebody waits for a message of this queue."""
        queue = self._queues.get(name)
        return queue is not None and bool(queue.waiting)

    def hand_over(self, name: str, message: Any) -> bool:
        """Give a message of the server's own to who has waited longest; False where nobody waits."""
        if not self.waits(name):
            return False
        self._queues[name].waiting.popleft().answer(JsonContent(message))
        return True

    def sizes(self) -> dict[str, int]:
        """Messages waiting, by queue name."""
        return {name: len(queue.messages) for name, queue in self._queues.items()}

    def leave(self, peer: Peer) -> None:
        """Forget what a participant was waiting for."""
        for queue in self._queues.values():
            queue.waiting = deque(request for request in queue.waiting if request.peer is not peer)

    def _open(self, request: Request) -> Outcome:
        name = request.text("name")
        if not request.peer.participant.claims.allows_queue_receive(name):
            raise PermissionDenied(f"the token does not allow opening queue {name!r}")
        self._queue(name, create=True)
        return EmptyContent()

    def _send(self, request: Request) -> Outcome:
        name = request.text("name")
        if not request.peer.participant.claims.allows_queue_send(name):
            raise PermissionDenied(f"the token does not allow sending to queue {name!r}")
        queue = self._queue(name, create=request.flag("create", default=True))
        message = request.arguments.get("message")
        if queue.waiting:
            queue.waiting.popleft().answer(JsonContent(message))
            return EmptyContent()
        size = len(json.dumps(message))
        if len(queue.messages) >= self._limits.max_queue_messages:
            raise RoomFull(f"queue {name!r} holds {self._limits.max_queue_messages} messages already")
        if self._held_bytes + size > self._limits.max_queue_bytes:
            raise RoomFull(f"the room's queues hold {self._limits.max_queue_bytes} bytes already")
        self._contents.check(size)
        queue.messages.append((message, size))
        self._hold(size)
        return EmptyContent()

    def _receive(self, request: Request) -> Outcome:
        name = request.text("name")
        if not request.peer.participant.claims.allows_queue_receive(name):
            raise PermissionDenied(f"the token does not allow receiving from queue {name!r}")
        queue = self._queue(name, create=request.flag("create", default=True))
        if queue.messages:
            message, size = queue.messages.popleft()
            self._hold(-size)
            return JsonContent(message)
        if not request.flag("wait", default=True):
            return EmptyContent()
        waiting = sum(1 for other in self._queues.values() for r in other.waiting if r.peer is request.peer)
        if waiting >= self._limits.max_pending_requests:
            raise RoomFull(f"more than {self._limits.max_pending_requests} receives are waiting")
        queue.waiting.append(request.remembered())
        return None

    def _list(self, request: Request) -> Outcome:
        if not request.peer.participant.claims.allows_queue_list():
            raise PermissionDenied("the token does not allow listing queues")
        return JsonContent({"queues": [{"name": name, "size": size} for name, size in self.sizes().items()]})

    def _drain(self, request: Request) -> Outcome:
        queue = self._receivable(request)
        self._hold(-sum(size for _, size in queue.messages))
        queue.messages.clear()
        return EmptyContent()

    def _close(self, request: Request) -> Outcome:
        queue = self._receivable(request)
        del self._queues[request.text("name")]
        self._hold(-sum(size for _, size in queue.messages))
        for waiting in queue.waiting:
            waiting.answer(EmptyContent())
        return EmptyContent()

    def _hold(self, count_bytes: int) -> None:
        self._held_bytes += count_bytes
        self._contents.add(count_bytes)

    def _receivable(self, request: Request) -> _Queue:
        name = request.text("name")
        if not request.peer.participant.claims.allows_queue_receive(name):
            raise PermissionDenied(f"the token does not allow emptying queue {name!r}")
        return self._queue(name, create=False)

    def _queue(self, name: str, *, create: bool) -> _Queue:
        queue = self._queues.get(name)
        if queue is not None:
            return queue
        if not create:
            raise NotFound(f"no queue {name!r}", cure="Open it first, or send with create.")
        if len(self._queues) >= self._limits.max_queues:
            raise RoomFull(f"the room has {self._limits.max_queues} queues already")
        queue = self._queues[name] = _Queue()
        return queue
