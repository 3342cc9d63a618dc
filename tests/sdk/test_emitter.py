"""Listeners: plain or coroutine, failing or slow."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from runtime.sdk.emitter import Emitter

pytestmark = pytest.mark.unit


def test_listeners_hear_in_order_until_taken_off() -> None:
    emitter, heard = Emitter(), []
    emitter.on("x", lambda n: heard.append(("first", n)))

    def second(n: int) -> None:
        heard.append(("second", n))

    emitter.on("x", second)
    emitter.emit("x", n=1)
    emitter.off("x", second)
    emitter.off("x", second)
    emitter.off("y", second)
    emitter.emit("x", n=2)
    assert heard == [("first", 1), ("second", 1), ("first", 2)]


@pytest.mark.asyncio
async def test_a_failure_is_logged_and_costs_nobody_else(
    caplog: pytest.LogCaptureFixture, within: Any
) -> None:
    emitter, heard = Emitter(), asyncio.Event()

    async def fails_later() -> None:
        raise ValueError("later")

    def fails() -> None:
        raise ValueError("at once")

    emitter.on("x", fails)
    emitter.on("x", fails_later)
    emitter.on("x", heard.set)
    with caplog.at_level(logging.ERROR):
        emitter.emit("x")
        await within(1, heard.wait())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert "at once" in caplog.text
    assert "later" in caplog.text


@pytest.mark.asyncio
async def test_coroutines_start_in_order_and_their_number_is_bounded() -> None:
    emitter, started, gate = Emitter(concurrent_limit=2), [], asyncio.Event()

    async def slow(n: int) -> None:
        started.append(n)
        await gate.wait()

    emitter.on("x", slow)
    for number in range(5):
        emitter.emit("x", n=number)
    await asyncio.sleep(0)
    assert started == [0, 1]
    assert emitter.dropped_count == 3
    await emitter.cancel_all()
    emitter.emit("x", n=9)
    await asyncio.sleep(0)
    assert started == [0, 1, 9]
    await emitter.cancel_all()
