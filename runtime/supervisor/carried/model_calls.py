"""Ask the model for a session that has no network: its requests come over its pipe, and the answers go there.

Theory: a request is a task here, from its last piece to the end of the answer.  What may be under way of an
answer is a window: the worker says how much of it was read, and no more is sent than that and the window.
So a session that does not read its answers holds up its own provider, and nobody's memory.
"""

from __future__ import annotations

import asyncio
import json
from typing import Final

import structlog

from runtime.errors import ChannelClosed, RuntimeServiceError
from runtime.process.worker_process import WorkerProcess
from runtime.session.info import ModelPort
from runtime.wire import by_pipe
from runtime.wire.by_pipe import MAX_PIECE_BYTES, WINDOW_BYTES

MAX_CALLS: Final = 32
"""Requests of one session at once."""

log = structlog.get_logger("supervisor")


class ModelCalls:
    """The front's part, for one session.  Runs in: the front's event loop."""

    def __init__(self, worker: WorkerProcess, model: ModelPort) -> None:
        self._worker = worker
        self._model = model
        self._calls: dict[int, _Call] = {}

    def heard(self, message: by_pipe.ToModel) -> None:
        """Take a message of the worker; never blocks."""
        call = self._calls.get(message.number)
        match message:
            case by_pipe.ModelAsk():
                if call is None:
                    if len(self._calls) >= MAX_CALLS:
                        self._refuse(
                            message.number, 429, "model_busy", f"{MAX_CALLS} requests are under way."
                        )
                        return
                    call = self._calls[message.number] = _Call(message)
                self._take(message, call)
            case by_pipe.ModelTaken():
                if call is not None and message.count > 0:
                    call.taken(message.count)
            case by_pipe.ModelGivenUp():
                if call is not None:
                    self._calls.pop(message.number)
                    call.cancel()

    async def close(self) -> None:
        """End all of them."""
        calls, self._calls = list(self._calls.values()), {}
        tasks = [task for call in calls if (task := call.cancel()) is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take(self, message: by_pipe.ModelAsk, call: _Call) -> None:
        if call.task is not None:
            return  # it was asked already: whatever this is, it belongs to nothing
        call.body += message.data
        if len(call.body) > self._model.max_body_bytes:
            del self._calls[message.number]
            most = f"A request may have {self._model.max_body_bytes} bytes."
            self._refuse(message.number, 413, "body_too_large", most)
        elif not message.more:
            call.task = asyncio.create_task(self._answer(message.number, call), name="model:answer")

    async def _answer(self, number: int, call: _Call) -> None:
        error = ""
        try:
            async with self._model.ask(
                call.first.path, call.first.bearer, bytes(call.body), call.first.headers
            ) as answer:
                call.body.clear()
                self._worker.send(by_pipe.ModelHead(number, answer.status, dict(answer.headers)))
                async for chunk in answer.chunks:
                    for at in range(0, len(chunk), MAX_PIECE_BYTES):
                        await self._piece(number, call, chunk[at : at + MAX_PIECE_BYTES])
        except RuntimeServiceError as failed:
            error = str(failed)
        except Exception:
            log.exception("model.answer_failed")
            error = "The server made a mistake; its log has the details"
        # Forgotten first: a worker that hears of the end may ask again at once.
        self._calls.pop(number, None)
        self._worker.send(by_pipe.ModelEnd(number, error))

    async def _piece(self, number: int, call: _Call, piece: bytes) -> None:
        await call.may_send(len(piece))
        if not self._worker.send(by_pipe.ModelPiece(number, piece)):
            raise ChannelClosed("the session's pipe is closed")
        await self._worker.drain()

    def _refuse(self, number: int, status: int, code: str, detail: str) -> None:
        headers = {"content-type": "application/problem+json"}
        self._worker.send(by_pipe.ModelHead(number, status, headers))
        said = {"status": status, "title": detail, "detail": detail, "code": code}
        self._worker.send(by_pipe.ModelPiece(number, json.dumps(said).encode()))
        self._worker.send(by_pipe.ModelEnd(number))


class _Call:
    """One request, and how much of its answer is under way."""

    def __init__(self, first: by_pipe.ModelAsk) -> None:
        self.first = first
        self.body = bytearray()
        self.task: asyncio.Task[None] | None = None
        self._under_way = 0
        self._room = asyncio.Event()

    async def may_send(self, count: int) -> None:
        """Wait until so much fits into the window."""
        while self._under_way and self._under_way + count > WINDOW_BYTES:
            self._room.clear()
            await self._room.wait()
        self._under_way += count

    def taken(self, count: int) -> None:
        """So much of it was read; a worker that claims more than it was sent gets no more for it."""
        self._under_way = max(0, self._under_way - count)
        self._room.set()

    def cancel(self) -> asyncio.Task[None] | None:
        if self.task is not None:
            self.task.cancel()
        return self.task
