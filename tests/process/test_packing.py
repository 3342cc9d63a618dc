"""Code that was moved is the code that it was."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from runtime.process.fork import packing

pytestmark = pytest.mark.unit


class Account:
    def __init__(self, start: int = 0) -> None:
        self.sum = start

    def add(self, *amounts: int) -> int:
        def one(amount: int) -> None:
            self.sum += amount

        for amount in amounts:
            one(amount)
        return self.sum

    def fail(self) -> Iterator[int]:
        yield self.sum
        raise ValueError("no more")

    async def later(self) -> int:
        await asyncio.sleep(0)
        return super().__hash__() and self.sum


def use() -> tuple[Any, ...]:
    account = Account(1)
    try:
        list(account.fail())
    except ValueError as error:
        lines = [(f.filename, f.name, f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    coroutine = account.later()
    named = (coroutine.__name__, coroutine.__qualname__)
    return account.add(2, 3), lines[1:], named, asyncio.run(coroutine)


def never() -> int:
    return 1


def test_what_was_run_is_moved_and_does_what_it_did() -> None:
    gc.unfreeze()  # what another test froze is not found
    with packing.noted_code() as codes:
        before = use()
    was = {f: f.__code__ for f in (Account.add, Account.fail, Account.later, never)}
    inner = next(c for c in Account.add.__code__.co_consts if hasattr(c, "co_code"))
    packing.fill_gaps()
    packing.pack({number: code for number, code in codes.items() if code.co_filename == __file__})
    moved = [f for f, code in was.items() if f.__code__ is not code]
    assert moved == [Account.add, Account.fail, Account.later]
    assert inner not in [c for c in Account.add.__code__.co_consts if c is inner], (
        "what is within moves along"
    )
    assert use() == before


def test_equal_code_of_two_places_is_not_taken_for_one() -> None:
    one, two = {}, {}  # type: dict[str, Any], dict[str, Any]
    text = "def where():\n    return 1\n"
    exec(compile(text, "one.py", "exec"), one)
    exec(compile(text, "two.py", "exec"), two)
    codes = {id(f.__code__): f.__code__ for f in (one["where"], two["where"])}
    packing.pack(codes)
    assert [f["where"].__code__.co_filename for f in (one, two)] == ["one.py", "two.py"]


@pytest.mark.parametrize("allocator", ["pymalloc", "malloc", "debug"])
def test_filling_gaps_takes_little_memory_from_any_allocator(allocator: str) -> None:
    program = """if True:
        from runtime.process.fork import packing

        def mib():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) / 256

        before = mib()
        for _ in range(2):
            packing.fill_gaps()
        print(mib() - before)
    """
    env = {**os.environ, "PYTHONMALLOC": allocator}
    grown = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, check=True)
    assert float(grown.stdout) < 40
