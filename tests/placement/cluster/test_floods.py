"""A node that says more than a node has to say: the others are heard, and lose nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from runtime.clock import SystemClock
from runtime.logs import get_logger
from runtime.placement.cluster import messages as say
from runtime.placement.cluster import node
from runtime.placement.cluster.engine import hearing as module
from runtime.placement.cluster.engine import rates
from runtime.placement.cluster.engine.hearing import Hearing
from runtime.placement.cluster.engine.rates import Most, Pace, Spent
from runtime.placement.cluster.engine.subjects import Subjects
from runtime.placement.cluster.resync import Outbox
from runtime.session.events import Exited, Ready
from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import SessionId, SessionSpec, new_session_id
from runtime.tasks import Tasks
from tests.patience import PATIENCE
from tests.placement.cluster.conftest import WORD, machine
from tests.placement.cluster.test_over_the_engine import until

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


@contextmanager
def flooding(site: Any, user: str, subject: str, body: bytes) -> Iterator[None]:
    """Somebody with a node's credentials says something as fast as it can be sent."""
    access = site.home.access(site.process.port)
    plain = socket.create_connection(("127.0.0.1", site.process.port))
    plain.recv(4096)
    context = access.context()
    assert context is not None
    wire = context.wrap_socket(plain, server_hostname="bulkhead")
    who = {"user": user, "pass": WORD, "verbose": False, "pedantic": False}
    wire.sendall(b"CONNECT " + json.dumps(who).encode() + b"\r\n")
    frame = b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(body), body)
    chunk, over = frame * max(1, 65536 // len(frame)), threading.Event()

    def send() -> None:
        try:
            while not over.is_set():
                wire.sendall(chunk)
        except OSError:
            pass

    sending = threading.Thread(target=send)
    sending.start()
    try:
        yield
    finally:
        over.set()
        wire.close()
        sending.join()


def spec_of(session: SessionId) -> SessionSpec:
    where = {"room": "r", "room_url": "ws://h/rooms/r", "token": "t"}
    return SessionSpec(session_id=session, bundle="chat", endpoint="/chat", identity="chat", **where)


async def test_a_node_that_floods_its_own_subjects_is_not_listened_to_and_the_others_keep_everything(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MUTE_S", 1.0)
    body = say.encoded(Outbox("b1").put(1, Ready(session_id=SessionId("s_none"), at=1.0, start_ms=1.0)))
    other = machine("n2")
    async with site.front() as front, site.node(other):
        await front.placement.adopt([])
        await front.served("/chat")
        follower, flooded, again = front.placement._follower, asyncio.Event(), asyncio.Event()
        follower.hearing.flooded.append(lambda name: flooded.set())
        sessions = [new_session_id() for _ in range(3)]
        await front.placement.place(spec_of(sessions[0]), 1)
        await front.ready(sessions[0])
        with flooding(site, "n1", site.home.subjects.events("f1", "n1"), body):
            async with asyncio.timeout(30 * PATIENCE):
                await flooded.wait()
            await front.placement.place(spec_of(sessions[1]), 1)  # also where the connection is made anew
            await front.ready(sessions[1])
            other.exit(sessions[0], ExitReason.FINISHED)
            await front.event(sessions[0], Exited)
            assert follower.live.state("n2") == "ready"
        follower.beaten.append(lambda name, _: again.set() if name == "n1" else None)
        async with site.node(machine("n1")), asyncio.timeout(30 * PATIENCE):
            await again.wait()
            while follower.nodes["n1"].inbox.boot != "b1":  # and its events are known again
                await asyncio.sleep(0.02)
            await front.placement.place(spec_of(sessions[2]), 1)
            await front.event(sessions[2], Ready)
        ends = [event.session_id for event in front.seen if isinstance(event, Exited)]
        assert [one for one in ends if one != sessions[2]] == [sessions[0]]


class Later(SystemClock):
    """A clock that a test sets on."""

    by_s = 0.0

    def now(self) -> float:
        return super().now() + self.by_s


class Heard:
    """An engine of which is known who listens to what."""

    def __init__(self) -> None:
        self.to: dict[str, Callable[[str, bytes], Awaitable[bytes | None]]] = {}
        self.sheds = 0

    async def listen(self, subject: str, handler: Any, *, in_order: bool) -> Callable[[], Awaitable[None]]:
        self.to[subject] = handler

        async def stop() -> None:
            del self.to[subject]

        return stop

    async def shed(self, patience_s: float) -> None:
        self.sheds += 1

    async def say(self, subject: str, times: int = 1) -> None:
        for _ in range(times):
            for heard in ("bh.main.n.*.beat", subject):
                if heard in self.to:
                    await self.to[heard](subject, b"x")


async def test_each_is_heard_by_itself_while_one_is_not_and_all_together_afterwards() -> None:
    engine, clock, tasks = Heard(), Later(), Tasks(get_logger("test"), "failed")
    names, took, back = ["n1", "n2"], list[str](), list[str]()
    given: Any = engine
    hearing = Hearing(given, clock, tasks, lambda: names, back.append)

    async def take(subject: str, _: bytes) -> None:
        took.append(subject)

    beat = Subjects("main").beat
    try:
        await hearing.listen(beat, take, Most(3, 1000))
        await engine.say(beat("n1"), 9)
        await until(lambda: beat() not in engine.to and engine.sheds == 1)
        assert took == [beat("n1")] * 3
        assert (set(engine.to), engine.sheds) == ({beat("n2")}, 1)
        names.append("n3")
        await hearing._tick()
        assert set(engine.to) == {beat("n2"), beat("n3")}
        await engine.say(beat("n2"))
        clock.by_s += module.MUTE_S
        await hearing._tick()
        assert (set(engine.to), back) == ({beat()}, ["n1"])
        await engine.say(beat("n1"), 9)
        await until(lambda: beat() not in engine.to and engine.sheds == 2)
        clock.by_s += module.MUTE_S
        await hearing._tick()
        assert beat() not in engine.to  # twice as long
    finally:
        await tasks.aclose()
    assert took == [beat("n1")] * 3 + [beat("n2")] + [beat("n1")] * 3


async def test_names_that_are_made_up_are_muted_as_one_and_cost_no_node_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_NAMES", 5)
    engine, tasks, took, flooded = Heard(), Tasks(get_logger("test"), "failed"), list[str](), list[str]()
    given: Any = engine
    hearing = Hearing(given, Later(), tasks, lambda: ["n2"])
    hearing.flooded.append(flooded.append)

    async def take(subject: str, _: bytes) -> None:
        took.append(subject)

    beat = Subjects("main").beat
    try:
        await hearing.listen(beat, take, Most(3, 1000))
        await hearing._tick()
        for number in range(8):
            await engine.say(beat(f"made-up-{number}"))
        await engine.say(beat("n2"))  # more than there may be, but one that is known
        for number in range(50):
            await engine.say(beat(f"made-up-{number}"), 9)
        await engine.say(beat("n2"))
        assert flooded == [""]
        assert took.count(beat("n2")) == 2
        await until(lambda: set(engine.to) == {beat("n2")} and engine.sheds == 1)
    finally:
        await tasks.aclose()


async def test_who_keeps_the_pace_is_within_what_is_taken_in_any_second() -> None:
    most, now, sent = Most(10, 1000), 0.0, list[tuple[float, int]]()
    pace = Pace(most)
    for number in range(60):
        size, now = 400 if number % 7 == 0 else 10, now + 0.1 * (number % 3)
        if pace.allows(size, now):
            sent.append((now, size))
    assert len(sent) > 20
    for begin, _ in sent:
        spent = Spent()
        within = [size for at, size in sent if begin <= at < begin + 1.0]
        assert not any(spent.exceeds(most, size) for size in within), begin


async def test_a_node_with_much_to_tell_keeps_the_pace(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for where in (rates, node):
        monkeypatch.setattr(where, "EVENTS", Most(10, 1 << 20))
    async with site.front() as front, site.node(machine("n1")):
        await front.placement.adopt([])
        await front.served("/chat")
        flooded = list[str]()
        front.placement._follower.hearing.flooded.append(flooded.append)
        sessions = [new_session_id() for _ in range(4)]
        await asyncio.gather(*(front.placement.place(spec_of(one), 1) for one in sessions))
        for session in sessions:  # three events of each, five a second
            await front.event(session, Ready)
        assert flooded == []
