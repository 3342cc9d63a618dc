"""A node that takes sessions, goes on beating, and does not tell what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from runtime.placement.cluster import messages as say
from runtime.placement.cluster.attempts.deadlines import MARGIN_S, MOST_START_S, STEP_S
from runtime.placement.cluster.node import NodeServer
from runtime.placement.cluster.resync import Outbox
from runtime.placement.cluster.roster import Roster
from runtime.placement.relays import Relays
from runtime.session.events import Exited, Placed, Ready, Released, SessionEvent, Started, Stopping
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import Enforcement
from runtime.session.record import Exit
from runtime.session.spec import SessionId
from runtime.settings import SupervisorSettings
from tests.placement.cluster.conftest import Followed, Wire, machine

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

ONE = SessionId("s_1")
START_S, STOP_S = 60.0, 20.0
KILLED_S = START_S + MARGIN_S + STEP_S
LOST_S = KILLED_S + STEP_S


class Machine(Wire):
    """A node that keeps what it may tell, and does not send it.

    Attributes:
        box: What it tells when it is asked; None when it does not answer.
        asked: What it was asked.
    """

    def __init__(self) -> None:
        super().__init__()
        self.box: Outbox | None = None
        self.asked: list[say.Ask] = []

    async def ask(self, subject: str, data: bytes, timeout_s: float) -> bytes:
        ask: say.Ask = say.decoded(say.Ask, data)
        self.asked.append(ask)
        match ask:
            case say.Sync() if self.box is not None:
                body: Any = self.box.synced()
            case say.Sync():
                return say.encoded(say.Answer(code="no"))
            case say.Surface():
                body = say.Served(
                    digest="", bundles=[], endpoints=[], enforcement=Enforcement(limits={}, reason="")
                )
            case _:
                body = None
        return say.encoded(say.Answer(body=msgspec.Raw(say.encoded(body))))

    @property
    def stops(self) -> list[tuple[str, int, str, float | None]]:
        found = [one for one in self.asked if isinstance(one, say.Stop)]
        return [(one.session, one.generation, one.reason, one.grace_s) for one in found]


class Clocked(Followed):
    """A front whose time is told, and that follows the nodes that beat."""

    at = 1000.0
    number = 0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, self)
        self.wire = self.machine = Machine()
        self.front._engine = self.machine  # type: ignore[assignment]
        self.told: list[Any] = []
        self.roster = Roster(self.front, self, Relays("http://front"))
        self.roster.told.append(self.told.append)

    def now(self) -> float:
        return self.at

    wall = now

    async def passes(self, seconds: float, *, beats: str = "n1", hears: bool = True, **more: Any) -> None:
        for _ in range(round(seconds * 2)):
            self.at += 0.5
            self.number += 1
            if hears:
                self.front.live.echo(self.at)
            for name in beats.split():
                await self.beats(name, number=self.number, start_s=START_S, stop_s=STOP_S, **more)
            await self.front._judge()
            for _ in range(5):
                await asyncio.sleep(0)

    @property
    def ends(self) -> list[tuple[type[SessionEvent], str]]:
        return [(type(one), one.exit.reason if isinstance(one, Exited) else "") for one in self.heard]


@pytest_asyncio.fixture
async def front(tmp_path: Path) -> AsyncIterator[Clocked]:
    made = Clocked(tmp_path)
    await made.front.adopt([])
    made.machine.box = Outbox("b1")
    await made.passes(1)
    made.machine.box = None
    made.machine.asked.clear()
    yield made
    await made.front.aclose()


LOST = [(Exited, ExitReason.NODE_LOST), (Released, "")]


async def test_a_session_of_which_its_node_tells_nothing_is_asked_for_killed_and_given_up(
    front: Clocked,
) -> None:
    front.front.give(ONE, 3, "n1")
    await front.passes(KILLED_S - 1)
    assert not front.machine.stops
    await front.passes(2)
    assert any(isinstance(one, say.Sync) for one in front.machine.asked)
    assert front.machine.stops == [(ONE, 3, "node_lost", 0)]
    assert front.heard == []
    await front.passes(STEP_S)
    exited, released = front.heard
    assert isinstance(exited, Exited)
    assert isinstance(released, Released)
    assert exited.exit.reason is ExitReason.NODE_LOST  # it may have run: not each is started twice
    assert exited.exit.message == "n1 had it, and did not tell for 80 s what became of it"
    assert not front.front.held
    assert [(one.kind, one.name, one.sessions) for one in front.told[1:]] == [("node.withholds", "n1", 1)]
    (info,) = front.roster.listed()
    assert info.withheld == 1


async def test_such_a_node_comes_after_others_for_a_while_or_until_it_is_started_again(
    front: Clocked,
) -> None:
    node, held = front.front.nodes["n1"], front.front.held
    for number in range(3):
        front.front.give(SessionId(f"s_{number}"), 1, "n1")
    await front.passes(LOST_S + 1)
    assert node.candidate(held, front.at).is_doubted
    await front.passes(180 - STEP_S - 2)
    assert node.candidate(held, front.at).is_doubted
    await front.passes(2)
    assert not node.candidate(held, front.at).is_doubted
    front.front.give(ONE, 1, "n1")
    await front.passes(LOST_S + 1)
    assert node.candidate(held, front.at).is_doubted
    await front.passes(1, boot="b2")
    assert not node.candidate(held, front.at).is_doubted
    assert front.roster.listed()[0].withheld == 0


async def test_each_step_that_it_tells_gives_it_its_time_anew_and_a_ready_one_owes_nothing(
    front: Clocked,
) -> None:
    front.front.give(ONE, 1, "n1")
    front.machine.box = box = Outbox("b1")
    for event in (
        Placed(session_id=ONE, at=1.0, generation=1),
        Started(session_id=ONE, at=1.0, pid=1),
        Ready(session_id=ONE, at=1.0, start_ms=1.0),
    ):
        await front.passes(START_S)
        await front.tells("n1", box.put(1, event))
    await front.passes(3 * LOST_S)
    assert [one for one, _ in front.ends] == [Placed, Started, Ready]
    assert front.machine.stops == []


async def test_what_was_lost_on_its_way_is_asked_for_and_ends_nothing(front: Clocked) -> None:
    front.front.give(ONE, 1, "n1")
    front.machine.box = box = Outbox("b1")
    await front.passes(1)
    box.put(1, Placed(session_id=ONE, at=1.0, generation=1))
    box.put(1, Ready(session_id=ONE, at=1.0, start_ms=1.0))  # and its beats do not tell of it
    await front.passes(2 * LOST_S)
    assert [one for one, _ in front.ends] == [Placed, Ready]
    assert front.machine.stops == []


async def test_nothing_is_overdue_while_its_node_could_not_be_heard(front: Clocked) -> None:
    front.front.give(ONE, 1, "n1")
    await front.passes(3 * LOST_S, beats="", hears=False)  # the engine is away
    assert front.heard == []
    assert front.machine.stops == []
    await front.passes(STEP_S)
    assert front.machine.stops == []  # it is asked first
    await front.passes(4 * STEP_S)
    assert front.ends == LOST


async def test_one_that_was_given_up_and_is_told_of_later_is_stopped_there(front: Clocked) -> None:
    front.front.give(ONE, 1, "n1")
    await front.passes(LOST_S + 1)
    assert front.ends == LOST
    front.front.give(ONE, 2, "n2")  # it goes on elsewhere
    front.machine.asked.clear()
    front.machine.box = box = Outbox("b1")
    await front.tells("n1", box.put(1, Ready(session_id=ONE, at=1.0, start_ms=1.0)))
    await front.passes(1)
    assert front.machine.stops[0] == (ONE, 1, "node_lost", 0)
    assert front.heard == []
    assert front.front.held.get(ONE) is not None


@pytest.mark.parametrize("grace_s", [None, 7.0])
async def test_who_asks_for_an_end_that_is_never_told_does_not_wait_for_ever(
    front: Clocked, grace_s: float | None
) -> None:
    holding, box = front.front.give(ONE, 1, "n1"), Outbox("b1")
    await front.tells("n1", box.put(1, Ready(session_id=ONE, at=1.0, start_ms=1.0)))
    stop = say.Stop(session=ONE, generation=1, reason="stopped", grace_s=grace_s, finish_s=5.0)
    stopping = [asyncio.create_task(front.front.ends.stop(holding, stop))]
    await front.passes(10)
    await front.tells("n1", box.put(1, Stopping(session_id=ONE, at=1.0, reason="stopped")))
    stopping.append(asyncio.create_task(front.front.ends.stop(holding, stop)))  # which gives no more time
    killed_s = 5.0 + (grace_s or 0.0) + STOP_S + MARGIN_S + STEP_S
    await front.passes(killed_s - 11)
    assert set(front.machine.stops) == {(ONE, 1, "stopped", grace_s)}
    await front.passes(2)
    assert front.machine.stops[-1] == (ONE, 1, "stopped", 0)
    assert not any(one.done() for one in stopping)
    await front.passes(STEP_S)
    await asyncio.gather(*stopping)
    assert front.ends == [(Ready, ""), (Stopping, ""), *LOST]


async def test_an_end_after_which_nothing_is_released_lets_the_next_attempt_begin(front: Clocked) -> None:
    front.front.give(ONE, 1, "n1")
    over = Exit(reason=ExitReason.SIGNAL, message="over", at=1.0)
    await front.tells("n1", Outbox("b1").put(1, Exited(session_id=ONE, at=1.0, exit=over)))
    await front.passes(MARGIN_S + 2 * STEP_S + 1)
    assert front.ends == [(Exited, ExitReason.SIGNAL), (Released, "")]


@pytest.mark.parametrize("said_s", [float("nan"), float("inf"), 1e300, -1.0])
async def test_a_node_does_not_say_at_any_length_how_long_it_takes(front: Clocked, said_s: float) -> None:
    await front.beats("n1", number=99_999, start_s=said_s)
    front.front.give(ONE, 1, "n1")
    front.number = 100_000
    with capture_logs():
        await front.passes(MOST_START_S + MARGIN_S + 2 * STEP_S + 1)
    assert front.ends == LOST


async def test_a_node_says_how_long_its_own_settings_let_a_start_and_an_end_take() -> None:
    wire, of = Wire(), SupervisorSettings(start_s=5.0, stop_s=1.0, term_s=0.5)
    await NodeServer(machine("n1"), wire, cluster="main", settings=of, drain_s=3.0)._beat()  # type: ignore[arg-type]
    beat = say.decoded(say.Beat, wire.sent[0][1])
    assert (beat.start_s, beat.stop_s) == (6.5, 3.5)


async def test_a_node_that_takes_sessions_and_starts_none_comes_after_others(front: Clocked) -> None:
    node, held, box = front.front.nodes["n1"], front.front.held, Outbox("b1")
    front.front.give(ONE, 1, "n1")
    over = Exit(reason=ExitReason.NOT_STARTED, message="no process", at=1.0)
    await front.tells("n1", box.put(1, Exited(session_id=ONE, at=1.0, exit=over)))
    assert node.candidate(held, front.at).is_doubted
    await front.tells("n1", box.put(1, Released(session_id=ONE, at=1.0)))
    await front.passes(61)
    assert not node.candidate(held, front.at).is_doubted
    assert node.withheld_count == 0
    for is_taken in (False, True):  # what it may never have heard of says nothing
        front.front.give(ONE, 2, "n1").is_taken = is_taken
        front.machine.box = Outbox("b1")  # where nothing is
        node.inbox.taken = 0
        front.front.sync("n1")
        await front.passes(1)
        assert not held
        assert node.candidate(held, front.at).is_doubted == is_taken
    assert front.told[-1].kind == "node.withholds"
