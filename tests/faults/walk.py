"""Walk through the places where the system may refuse something, phase by phase, and look what became of it.

After each failure, whatever it was: every session has an end or runs, the next call starts, nothing is said
to be lacking any more, the bundle serves, and no descriptor and no process is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from runtime.session.events import Exited, Ready, Released
from runtime.session.exit_reasons import ExitReason
from runtime.session.restart import Backoff
from runtime.supervisor import failures, shortages
from tests.faults.injection import WHAT_MAY_FAIL, Injector, Place
from tests.patience import PATIENCE
from tests.placement.conftest import Node

PROGRAM: Final = """
    @service.path("/x", identity="x", restart="never")
    class X(Base):
        pass
    # {number}
"""
SOON_S: Final = 15.0


@dataclass(slots=True)
class Site:
    """One node with a bundle, and what stands around it when nothing happens."""

    node: Node
    saves: int = 0
    fds: int = 0
    processes: int = 0
    calls: list[str] = field(default_factory=list)

    def save(self) -> None:
        """Give the bundle other code."""
        self.saves += 1
        self.node.write("x.py", PROGRAM.format(number=self.saves))

    def generation(self) -> int:
        return self.node.placement.bundles()[0].generation

    async def parked(self, count: int) -> None:
        await until(lambda: self.node.placement.bundles()[0].parked == count)

    async def call(self) -> str:
        """A session that is ready, or has ended."""
        session = await self.node.call("/x", identity=f"x{len(self.calls)}")
        self.calls.append(session)
        await until(lambda: self.has(session, Ready, Exited))
        return session

    def has(self, session: str, *kinds: type) -> bool:
        return any(event.session_id == session and isinstance(event, kinds) for event in self.node.seen)


async def until(happened: Callable[[], object]) -> None:
    """Ask until it is so, for a bounded time."""
    async with asyncio.timeout(SOON_S * PATIENCE):
        while not happened():
            await asyncio.sleep(0.005)


# ---- the phases: each begins with nothing running, and ends when what it asked for is over


async def load(site: Site) -> None:
    generation = site.generation()
    site.save()
    await site.node.placement.reload_changed()
    await until(lambda: site.generation() > generation)


async def start(site: Site) -> None:
    await site.call()


async def park(site: Site) -> None:
    pool = site.node.placement.supervisor.roster._bundles["x"]._pool
    assert pool is not None
    pool._discard(pool._parked.popleft())
    pool.refill()
    await site.parked(1)


async def look(site: Site) -> None:
    session = await site.call()
    placement = site.node.placement
    with contextlib.suppress(OSError):  # whoever looks is told that; the session is as it was
        await placement.vitals(session)
        await placement.messages(session)
        await placement.stacks(session)
        await placement.processes(session)
        await placement.ping(session, 5.0 * PATIENCE)


async def stop(site: Site) -> None:
    for session in [one for one in site.calls if not site.has(one, Exited)]:
        await site.node.placement.stop(session, ExitReason.STOPPED)


async def crash(site: Site) -> None:
    session = await site.call()
    await site.node.placement.inject(session, "exit")
    await until(lambda: site.has(session, Released))


async def lose(site: Site) -> None:
    generation, pid = site.generation(), site.node.placement.bundles()[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: site.generation() > generation)


Phase = Callable[[Site], Awaitable[None]]
PHASES: Final[dict[str, Phase]] = {one.__name__: one for one in (load, start, park, look, stop, crash, lose)}


@dataclass(frozen=True, slots=True)
class Step:
    """One failure to try."""

    phase: str
    place: Place
    error: str

    def __str__(self) -> str:
        return f"{self.error} of {self.place} in {self.phase}"


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    """A node that has come to rest, and waits shortly for everything."""
    (folder / "agents").mkdir()
    (folder / "state").mkdir()
    delays, hold_s = failures.delays, shortages.HOLD_S
    failures.delays = lambda _: Backoff(first_s=0.02, most_s=0.2)
    shortages.HOLD_S = 0.5  # type: ignore[misc]
    node = Node(folder / "agents", folder / "state", max_parked=1, stop_s=2.0)
    made = Site(node)
    made.save()
    try:
        await node.start()
        node.placement.supervisor.roster._bundles["x"]._backoff = failures.delays(failures.Cause.GONE)
        for phase in PHASES.values():  # what is made once, on first use, is there then
            await phase(made)
            await rest(made)
        made.fds, made.processes = _count()
        yield made
    finally:
        await node.close()
        failures.delays, shortages.HOLD_S = delays, hold_s  # type: ignore[misc]


async def rest(made: Site) -> None:
    """End what runs, and wait until nothing happens any more."""
    await stop(made)
    await until(lambda: all(made.has(one, Released) for one in made.calls))
    await made.parked(1)
    made.node.seen.clear()
    made.calls.clear()


async def places(made: Site, injector: Injector, phase: str) -> list[Place]:
    """Where something is asked of the system in this phase."""
    await before(made, phase)
    with injector.on():
        await PHASES[phase](made)
        await rest(made)
    return sorted(injector.places)


async def before(made: Site, phase: str) -> None:
    if phase == "stop":
        await start(made)
        await made.parked(1)


def steps(phase: str, found: Sequence[Place]) -> list[Step]:
    """Each place with each error."""
    return [Step(phase, place, error) for place in found for error in WHAT_MAY_FAIL[place.function]]


async def walk(made: Site, injector: Injector, step: Step) -> str:
    """Take one step; what was wrong afterwards, empty when nothing was."""
    await before(made, step.phase)
    try:
        with injector.on(step.place, step.error):
            await PHASES[step.phase](made)
            await until(lambda: all(made.has(one, Ready, Exited) for one in made.calls))
        deaths = [
            event.exit.reason.value
            for event in made.node.seen
            if isinstance(event, Exited) and event.exit.reason.row.is_death
        ]
        if deaths and step.phase != "crash":
            return f"{step}: it was taken for the session's fault: {deaths}"
        await rest(made)
        await until(lambda: not made.node.placement.capacity().lacks)
        session = await made.call()
        if not made.has(session, Ready):
            return f"{step}: the next call did not start: {made.node.seen}"
        if await made.node.placement.ping(session, SOON_S * PATIENCE) is None:
            return f"{step}: the next session does not answer"
        await rest(made)
        if [info.state for info in made.node.placement.bundles()] != ["ready"]:
            return f"{step}: the bundle does not serve"
        try:
            await until(lambda: _count() == (made.fds, made.processes))
        except TimeoutError:
            fds, processes = _count()
            made_fds, made.fds, made_processes, made.processes = made.fds, fds, made.processes, processes
            return f"{step}: {fds - made_fds} descriptors and {processes - made_processes} processes are left"
    except TimeoutError:
        told = [f"{type(event).__name__} {event.session_id}" for event in made.node.seen]
        return f"{step}: it never came to its end: {told} {made.node.placement.bundles()}"
    return ""


def _count() -> tuple[int, int]:
    me = psutil.Process()
    return len(os.listdir("/proc/self/fd")), len(me.children(recursive=True))
