"""The model over the worker's pipe: requests go up in pieces, answers come as fast as they are read."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from runtime.errors import ChannelClosed
from runtime.model.contract import ModelError
from runtime.sdk.llm import by_pipe
from runtime.wire.by_pipe import (
    MAX_PIECE_BYTES,
    ModelAsk,
    ModelEnd,
    ModelGivenUp,
    ModelHead,
    ModelPiece,
    ModelTaken,
    OfModel,
    ToModel,
)


class PipedModel:
    """The worker's end; a `runtime.sdk.llm.by_pipe.Asks`.

    Args:
        kind: Who answers: ``provider``, ``offline``, or ``none`` where nobody does.
        send: Hands a message to the front; raises ChannelClosed when the front is gone.
        drain: Waits while the front does not read.
    """

    def __init__(
        self, kind: str, send: Callable[[Any], None], drain: Callable[[], Awaitable[None]], *, token: str
    ) -> None:
        self.kind = kind
        self.token = token
        self._send = send
        self._drain = drain
        self._numbers = itertools.count(1)
        self._answers: dict[int, _Answer] = {}

    def receive(self, message: OfModel) -> None:
        """Called for each message of the front; of an answer that was given up they are dropped."""
        answer = self._answers.get(message.number)
        if answer is None:
            return
        if isinstance(message, ModelEnd):
            del self._answers[message.number]
        answer.receive(message)

    async def ask(self, path: str, bearer: str, body: bytes, headers: Mapping[str, str]) -> by_pipe.Answer:
        """See `runtime.sdk.llm.by_pipe.Asks`."""
        number = next(self._numbers)
        head: dict[str, Any] = {"path": path, "bearer": bearer, "headers": dict(headers)}
        answer = self._answers[number] = _Answer(number, self)
        try:
            for at in range(0, max(1, len(body)), MAX_PIECE_BYTES):
                end = at + MAX_PIECE_BYTES
                more = end < len(body)
                self._send(ModelAsk(number, body[at:end], more=more, **({} if at else head)))
                await self._drain()
            await answer.begin()
        except ChannelClosed as error:
            raise ModelError("The server is gone") from error
        except BaseException:
            await answer.aclose()
            raise
        return answer

    def tell(self, message: ToModel) -> None:
        """Say how far an answer was read; nobody needs to know when the front is gone."""
        try:
            self._send(message)
        except ChannelClosed:
            pass

    def forget(self, number: int) -> None:
        """Its answer is not read any more."""
        if self._answers.pop(number, None) is not None:
            self.tell(ModelGivenUp(number))


class _Answer:
    """One answer, as it comes."""

    def __init__(self, number: int, model: PipedModel) -> None:
        self._number = number
        self._model = model
        self._pieces: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._over = False
        self._error = ""
        self.status = 0
        self.headers: dict[str, str] = {}

    def receive(self, message: OfModel) -> None:
        match message:
            case ModelHead():
                self.status, self.headers = message.status, message.headers
            case ModelPiece():
                self._pieces.append(message.data)
            case ModelEnd():
                self._over, self._error = True, message.error
        self._news.set()

    async def begin(self) -> None:
        """Wait for its head."""
        while not self.status:
            if self._over:
                raise ModelError(self._error or "The model gave no answer")
            await self._more()

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                yield piece
                if not self._over:
                    self._model.tell(ModelTaken(self._number, len(piece)))
            if self._over:
                if self._error:
                    raise ModelError(self._error)
                return
            await self._more()

    async def aclose(self) -> None:
        self._model.forget(self._number)

    async def _more(self) -> None:
        self._news.clear()
        await self._news.wait()
