"""Where sessions spend their time, of such as do nothing, compute, hang, and hang in native code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import psutil
import pytest
import pytest_asyncio

from runtime.supervisor.watch.profiling import py_spy
from runtime.wire.looking.profile import Profile

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

BUSY = """
    import sqlite3

    class Begins(Base):
        async def start(self, *, room):
            self.task = asyncio.create_task(self.later(), name="the work")
        async def later(self):
            await asyncio.sleep(0.1)
            print("begun", flush=True)
            await self.work()

    @service.path("/calm", identity="calm")
    class Calm(Begins):
        async def work(self):
            await asyncio.Event().wait()  # calm

    @service.path("/spin", identity="spin")
    class Spin(Begins):
        async def work(self):
            while True:
                computes()

    def computes():
        return sum(i * i for i in range(1000))

    @service.path("/sleep", identity="sleep")
    class Sleep(Begins):
        async def work(self):
            time.sleep(1000)

    @service.path("/native", identity="native")
    class Native(Begins):
        async def work(self):
            count = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r"
            sqlite3.connect(":memory:").execute(count).fetchall()

    @service.path("/eats", identity="eats")
    class Eats(Begins):
        async def work(self):
            self.kept = []
            while True:
                await asyncio.sleep(0.01)
                self.kept.append(grown())

    def grown():
        return bytearray(100_000)
"""


@pytest_asyncio.fixture
async def busy(make_node: Callable[..., Any]) -> AsyncIterator[Any]:
    node = make_node(hang_kill_s=0.0)
    node.write("bundle.py", BUSY)
    await node.start()
    yield node
    await node.close()


async def looked_at(node: Any, path: str, *, by: str = "sampler", seconds: float = 1.0) -> Profile:
    session = await node.ready(path)
    await node.printed(session, "begun")
    found: Profile = await node.placement.profile(session, seconds=seconds, rate=100, by=by)
    assert not found.failed, found.failed
    return found


def places(found: Profile) -> set[tuple[str, str, str]]:
    """Kind, thread or task, and function, of every frame."""
    return {
        (one.kind, one.root, found.frames[at].function.rpartition(".")[2])
        for one in found.stacks
        for at in one.frames
    }


async def test_it_shows_where_a_session_waits_computes_and_hangs(busy: Any) -> None:
    calm = await looked_at(busy, "/calm")
    assert ("waiting", "task the work", "work") in places(calm)
    assert not any(kind == "running" for kind, _, _ in places(calm))
    spins = await looked_at(busy, "/spin")
    assert ("running", "task the work", "computes") in places(spins)
    hangs = await looked_at(busy, "/sleep")
    assert ("running", "task the work", "work") in places(hangs)
    assert hangs.by == "sampler"
    (line,) = {hangs.frames[one.frames[-1]].line for one in hangs.stacks if one.kind == "running"}
    assert "time.sleep(1000)" in (busy.folder / "bundle.py").read_text().splitlines()[line - 1]


async def test_one_that_is_stuck_in_native_code_is_looked_at_from_outside(busy: Any) -> None:
    found = await looked_at(busy, "/native", seconds=0.3)
    assert found.by in ("stacks", "sampler")  # sqlite lets go of the lock: then the thread comes to run later
    assert any(function == "work" for _, _, function in places(found))


async def test_what_it_allocates_and_keeps_is_shown_with_its_line(busy: Any) -> None:
    found = await looked_at(busy, "/eats", by="memory")
    heaviest = max(found.stacks, key=lambda one: one.weight)
    line = found.frames[heaviest.frames[-1]].line
    assert "bytearray(100_000)" in (busy.folder / "bundle.py").read_text().splitlines()[line - 1]
    assert heaviest.weight > 100_000


async def test_one_at_a_time_and_nothing_is_left_of_it(busy: Any) -> None:
    session = await busy.ready("/calm")
    await busy.printed(session, "begun")
    process = psutil.Process(busy.pid(session))
    threads, take = process.num_threads(), busy.placement.profile
    first = asyncio.create_task(take(session, seconds=100, rate=50, by="sampler"))
    while process.num_threads() == threads:
        await asyncio.sleep(0.01)
    second = await take(session, seconds=1, rate=50, by="sampler")
    assert "already" in second.failed
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    while process.num_threads() != threads:  # whoever asked went away, so it looks no more
        await asyncio.sleep(0.01)
    assert not (await take(session, seconds=0.2, rate=50, by="sampler")).failed
    assert await take("s_NOBODY", seconds=0.2, rate=50, by="sampler") is None


@pytest.mark.skipif(py_spy.found() is None, reason="py-spy is not installed")
async def test_py_spy_is_asked_where_it_is_installed(busy: Any) -> None:
    found = await looked_at(busy, "/spin", by="auto")
    if found.by == "py-spy":  # where it may not, its note says so
        assert any(function == "computes" for _, _, function in places(found))
    else:
        assert "py-spy may not" in found.note


async def test_what_py_spy_writes_is_read() -> None:
    turn = "_run (/usr/lib/python3.13/asyncio/events.py:89)"
    text = f'thread (0x7F1): "MainThread";<module> (a.py:1);{turn};work (/x/a.py:7);time.sleep 12\n'
    found = py_spy.read(f"{text}nonsense\n", seconds=2.0, rate=100)
    assert places(found) == {
        ("running", "thread MainThread", "work"),
        ("running", "thread MainThread", "sleep"),
    }
    assert (found.stacks[0].weight, found.samples) == (12, 200)
    assert found.frames[0].line == 7
