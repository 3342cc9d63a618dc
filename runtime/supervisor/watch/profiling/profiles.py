"""Have a session's profile made: by py-spy, by the session's own sampler, or by looking from outside.

One at a time for each session, a few for all: who looks costs what it looks at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from runtime.clock import Clock
from runtime.errors import RemoteProtocolError
from runtime.process.plumbing import TASKS_SIGNAL
from runtime.process.worker_process import WorkerProcess
from runtime.session.native import threads_in
from runtime.session.redaction import Redactor
from runtime.session.spec import SessionId
from runtime.supervisor.watch.profiling import py_spy
from runtime.wire.looking.profile import (
    RUNNING,
    Profile,
    ProfileFrame,
    ProfileStack,
    heard,
    profile_from_bytes,
)

MOST_AT_ONCE: Final = 8
_BEGIN_S: Final = 0.3
_POLL_S: Final = 0.02
_ANSWER_S: Final = 15.0
_OUTSIDE_EVERY_S: Final = 0.25
_ENDED: Final = (
    "The session ended while it was looked at; `bulkhead crash show` tells why if that was no good end."
)
_MEMORY_FROM_INSIDE: Final = (
    "What it allocates cannot be seen: its main thread is within native code and does not come back, "
    "or the agent took the signal that asks. `bulkhead stacks` shows where it is."
)


class Profiles:
    """The profiles that are being made.  Runs in: the event loop of who runs the sessions."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._running: set[SessionId] = set()

    async def take(
        self, session: SessionId, worker: WorkerProcess, *, seconds: float, rate: int, by: str
    ) -> Profile:
        """Look at a session for so long.

        Cancelling it ends the looking.

        Args:
            by: ``auto`` (py-spy where it can, the sampler else), ``py-spy``, ``sampler``, or ``memory``.

        Returns:
            What was found; one with `Profile.failed` where there is none.
        """
        if session in self._running:
            return Profile(failed="A profile of this session is being made already; wait for its end.")
        if len(self._running) >= MOST_AT_ONCE:
            return Profile(
                failed=f"{MOST_AT_ONCE} profiles are being made already; wait for one of them to end."
            )
        self._running.add(session)
        try:
            # In a thread: the largest takes longer than the loop should be held.
            return await asyncio.to_thread(_redacted, await self._take(worker, seconds, rate, by))
        except (OSError, ValueError, RemoteProtocolError) as error:
            if worker.box.fd < 0 or worker.process.has_exited:
                return Profile(failed=_ENDED)
            return Profile(failed=f"What its process said of it cannot be read: {error}")
        finally:
            self._running.discard(session)

    async def _take(self, worker: WorkerProcess, seconds: float, rate: int, by: str) -> Profile:
        note = ""
        if by in ("auto", "py-spy") and (program := py_spy.found()):
            spied = await py_spy.record(program, worker.pid, seconds=seconds, rate=rate)
            if not spied.failed or by == "py-spy":
                return spied
            note = spied.failed
        elif by == "py-spy":
            return Profile(failed="py-spy is not installed where the server runs: pip install py-spy.")
        found = await self._from_inside(worker, seconds, rate, memory=by == "memory")
        if found is not None:
            return msgspec.structs.replace(found, note=note) if note else found
        if by == "memory":
            return Profile(failed=_MEMORY_FROM_INSIDE)
        return await self._from_outside(worker, seconds)

    async def _from_inside(
        self, worker: WorkerProcess, seconds: float, rate: int, *, memory: bool
    ) -> Profile | None:
        """By the sampler in its process; None where it does not come to begin."""
        slot = worker.box.profile
        slot.ask(seconds, rate, memory=memory)
        try:
            worker.process.send_main(TASKS_SIGNAL)
            if not await self._until(slot.begun, _BEGIN_S):
                await worker.stacks()  # which goes further, where the main thread waits in a call
                if not await self._until(slot.begun, _BEGIN_S):
                    return None
            until = self._clock.now() + seconds + _ANSWER_S
            await asyncio.sleep(seconds)
            while (raw := slot.answer()) is None:
                if worker.process.has_exited:
                    return Profile(failed=_ENDED)
                if self._clock.now() > until:
                    return Profile(
                        failed="Its sampler began and did not come to an end: native code keeps the "
                        "interpreter's lock. Installed on the server, py-spy looks from outside."
                    )
                await asyncio.sleep(_POLL_S)
            return await asyncio.to_thread(profile_from_bytes, raw)
        finally:
            if worker.box.fd >= 0:
                slot.withdraw()

    async def _until(self, done: Callable[[], bool], within_s: float) -> bool:
        """Whether it came about; it is written into shared memory, which nobody can be woken by."""
        for _ in range(round(within_s / _POLL_S)):
            if done():
                return True
            await asyncio.sleep(_POLL_S)
        return done()

    async def _from_outside(self, worker: WorkerProcess, seconds: float) -> Profile:
        """By the stack of the main thread, which stands still within native code."""
        began = self._clock.now()
        frames: dict[ProfileFrame, int] = {}
        weights: dict[tuple[int, ...], int] = {}
        samples = 0
        while self._clock.now() < began + seconds and worker.box.fd >= 0:
            looked_at = self._clock.now()
            text, _ = await worker.stacks()
            threads = threads_in(text)
            samples += 1
            if threads:
                places = [ProfileFrame(one.function, one.file, one.line) for one in reversed(threads[0])]
                key = tuple(frames.setdefault(place, len(frames)) for place in places)
                weights[key] = weights.get(key, 0) + 1
            await asyncio.sleep(max(0.0, looked_at + _OUTSIDE_EVERY_S - self._clock.now()))
        if not weights:
            return Profile(
                failed=_ENDED if worker.box.fd < 0 else "Its process let nobody look at it in that time."
            )
        took_s = max(0.01, self._clock.now() - began)
        stacks = [ProfileStack(RUNNING, "thread MainThread", [*at], weight) for at, weight in weights.items()]
        return heard(
            Profile(
                by="stacks",
                seconds=round(took_s, 2),
                rate=max(1, round(samples / took_s)),
                samples=samples,
                frames=list(frames),
                stacks=stacks,
                note="Its main thread is within native code, so it was looked at from outside, a few times a "
                "second. py-spy, installed on the server, would see it often.",
            )
        )


def _redacted(profile: Profile) -> Profile:
    """Names of tasks are the agent's to choose."""
    hidden = Redactor()
    roots = {one.root: hidden.text(one.root) for one in profile.stacks}
    stacks = [msgspec.structs.replace(one, root=roots[one.root]) for one in profile.stacks]
    return msgspec.structs.replace(profile, stacks=stacks)
