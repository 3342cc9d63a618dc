"""Questions to the model over a session's pipe: their bounds, their window, their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from runtime.process.worker_process import WorkerProcess
from runtime.session.info import ModelAnswer
from runtime.supervisor.carried.model_calls import MAX_CALLS, ModelCalls
from runtime.wire.by_pipe import (
    MAX_PIECE_BYTES,
    WINDOW_BYTES,
    ModelAsk,
    ModelEnd,
    ModelGivenUp,
    ModelHead,
    ModelPiece,
    ModelTaken,
)

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


HEADERS = {"anthropic-version": "2023-06-01"}


class Worker:
    """The front's side of a pipe that keeps what is written to it."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, message: Any) -> bool:
        self.sent.append(message)
        return True

    async def drain(self) -> None: ...


class Model:
    """Answers with so many bytes, in one chunk."""

    kind = "provider"
    max_body_bytes = 1000

    def __init__(self, count: int = 3) -> None:
        self.count = count
        self.asked: list[tuple[str, str, bytes, dict[str, str]]] = []
        self.left = 0

    @asynccontextmanager
    async def ask(
        self, path: str, bearer: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[ModelAnswer]:
        self.asked.append((path, bearer, body, dict(headers)))

        async def chunks() -> AsyncIterator[bytes]:
            yield b"x" * self.count

        try:
            yield ModelAnswer(200, {"content-type": "text/plain"}, chunks())
        finally:
            self.left += 1


def calls(model: Model) -> tuple[ModelCalls, Worker]:
    worker = Worker()
    return ModelCalls(cast(WorkerProcess, worker), model), worker


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_question_in_pieces_is_asked_once_whole() -> None:
    model = Model()
    asking, worker = calls(model)
    asking.heard(ModelAsk(1, b"one ", more=True, path="/v1/messages", bearer="token", headers=HEADERS))
    asking.heard(ModelAsk(1, b"two"))
    asking.heard(ModelAsk(1, b"of no question"))
    await settled()
    assert model.asked == [("/v1/messages", "token", b"one two", HEADERS)]
    assert worker.sent == [
        ModelHead(1, 200, {"content-type": "text/plain"}),
        ModelPiece(1, b"xxx"),
        ModelEnd(1),
    ]


async def test_no_more_is_under_way_than_the_window_and_what_is_given_up_ends() -> None:
    model = Model(5 * WINDOW_BYTES)
    asking, worker = calls(model)
    asking.heard(ModelAsk(1, b"?"))
    await settled()
    pieces = WINDOW_BYTES // MAX_PIECE_BYTES
    assert len(worker.sent) == 1 + pieces
    asking.heard(ModelTaken(1, 10 * WINDOW_BYTES))
    await settled()
    assert len(worker.sent) == 1 + 2 * pieces, "it is believed no more than it was sent"
    asking.heard(ModelGivenUp(1))
    await settled()
    assert model.left == 1
    assert not [message for message in worker.sent if isinstance(message, ModelEnd)]


async def test_too_large_and_too_many_are_refused_and_cost_the_others_nothing() -> None:
    model = Model(5 * WINDOW_BYTES)
    asking, worker = calls(model)
    asking.heard(ModelAsk(7, b"x" * 1001, more=True))
    assert [type(message) for message in worker.sent] == [ModelHead, ModelPiece, ModelEnd]
    assert worker.sent[0].status == 413
    worker.sent.clear()
    for number in range(100, 100 + MAX_CALLS + 1):
        asking.heard(ModelAsk(number, b"", more=True))
    assert [message.status for message in worker.sent if isinstance(message, ModelHead)] == [429]
    await asking.close()
    assert model.asked == []
