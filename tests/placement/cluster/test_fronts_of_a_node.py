"""Which fronts a node knows, and how long it keeps what they want there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from runtime.placement.cluster import messages as say
from runtime.placement.cluster import node as nodes
from runtime.placement.cluster.node import FORGET_S, NodeServer
from runtime.placement.cluster.resync import Holding, Holdings
from runtime.placement.cluster.sent.installed import InstalledBundles
from runtime.services.deployed.kept_folders import KeptFolders
from runtime.session.events import Exited
from runtime.session.exit_reasons import ExitReason
from runtime.session.record import Exit
from runtime.session.spec import SessionId, SessionSpec
from tests.patience import PATIENCE
from tests.placement.cluster.conftest import machine

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


class Told:
    """A node that fronts talk to, on a machine that runs since long before."""

    def __init__(self, folder: Path) -> None:
        self.at = 10 * FORGET_S
        nobody: Any = SimpleNamespace()
        self.sent = InstalledBundles(nobody, KeptFolders(folder), nobody, cluster="main", node="n1")
        self.machine = machine("n1")
        self.published: list[bytes] = []
        engine: Any = SimpleNamespace(publish=self._publish)
        self._node = NodeServer(self.machine, engine, cluster="main", sent=self.sent, now=lambda: self.at)

    async def _publish(self, subject: str, data: bytes) -> None:
        self.published.append(data)

    async def asks(self, ask: Any) -> str:
        """The code of the answer; empty where it was done."""
        answer = await self._node._asked("", say.encoded(ask))
        assert answer is not None
        return str(say.decoded(say.Answer, answer).code)

    async def sync(self, front: str, turn: int = 1) -> say.Synced:
        answer = await self._node._asked("", say.encoded(say.Sync(front=front, turn=turn)))
        assert answer is not None
        synced: say.Synced = say.decoded(say.Synced, say.decoded(say.Answer, answer).body)
        return synced

    async def beat(self, front: str, boot: str = "b1") -> None:
        heard = {"n1": say.Heard("b1", self.at)}
        beat = say.FrontBeat(front=front, boot=boot, number=1, lease_s=6.0, heard=heard)
        await self._node._front_beat("", say.encoded(beat))

    async def place(
        self, session: str, turn: int, *, front: str = "f1", boot: str = "", again: int = 0
    ) -> str:
        spec = SessionSpec(
            session_id=SessionId(session), bundle="chat", endpoint="/chat", identity="chat", room="r"
        )
        return await self.asks(say.Place(front=front, turn=turn, spec=spec, generation=1 + again, boot=boot))

    async def tells(self, count: int) -> list[say.Told]:
        """What it tells fronts of the next events of its sessions."""
        telling = asyncio.create_task(self._node._tell())
        async with asyncio.timeout(10 * PATIENCE):
            while len(self.published) < count:
                await asyncio.sleep(0)
        telling.cancel()
        found = [say.decoded(say.Told, one) for one in self.published]
        self.published.clear()
        return found

    async def want(self, front: str, *, turn: int = 2, boot: str = "") -> str:
        want = say.Want(front=front, turn=turn, mark=f"mark of {front}{turn}", bundles=[], boot=boot)
        return await self.asks(want)

    async def wanted_by(self) -> set[str]:
        """Whose bundles are still there when the fence has looked."""
        await self._node._fence()
        return set(self.sent.marks)


async def test_what_a_front_wants_stays_until_it_was_silent_for_an_hour(tmp_path: Path) -> None:
    told = Told(tmp_path)
    await told.sync("f1")  # its first beat comes later
    await told.want("f1")
    assert await told.wanted_by() == {"f1"}
    told.at += FORGET_S - 1.0
    assert await told.wanted_by() == {"f1"}
    told.at += 1.0
    assert await told.wanted_by() == set()


async def test_of_too_many_fronts_the_one_goes_that_was_silent_longest_with_what_it_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "MAX_FRONTS", 2)
    told = Told(tmp_path)
    for front in ("f1", "f2", "f1", "f3"):
        told.at += 1.0
        await told.beat(front)
        await told.want(front)
    assert await told.wanted_by() == {"f1", "f3"}


async def test_a_front_that_only_says_what_it_wants_is_forgotten_as_others_are(tmp_path: Path) -> None:
    told = Told(tmp_path)
    await told.want("f1")
    assert await told.wanted_by() == {"f1"}
    told.at += FORGET_S
    assert await told.wanted_by() == set()


async def test_a_front_too_many_is_refused_while_all_others_have_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "MAX_FRONTS", 2)
    told = Told(tmp_path)
    for front in ("f1", "f2"):
        await told.beat(front)
        assert await told.place(f"s_{front}", 1, front=front) == ""
    assert await told.want("f3") == "too_many_fronts"
    await told.beat("f3")
    assert await told.wanted_by() == set()


async def test_a_front_whose_clock_was_set_back_is_followed_from_its_next_life_on(tmp_path: Path) -> None:
    told = Told(tmp_path)
    await told.beat("f1")
    assert await told.asks(say.Sync(front="f1", turn=1000, boot="b1")) == ""
    assert await told.place("s_1", 999, boot="b1") == "stale"
    assert await told.want("f1", turn=1001, boot="b1") == ""
    assert await told.place("s_1", 5, boot="b2") == ""
    assert await told.want("f1", turn=6, boot="b2") == ""
    assert told.sent.marks == {"f1": "mark of f16"}


async def test_of_two_fronts_of_one_name_the_later_one_is_followed(tmp_path: Path) -> None:
    told = Told(tmp_path)
    await told.beat("f1", "b1")
    assert await told.place("s_1", 1, boot="b1") == ""
    assert await told.asks(say.Sync(front="f1", turn=1, boot="b2")) == ""
    assert await told.place("s_2", 9, boot="b1") == "superseded"
    assert await told.asks(say.Sync(front="f1", turn=9, boot="b1")) == "superseded"
    told.at += 6.0
    await told.beat("f1", "b1")  # nor does it keep a session alive
    assert await told.place("s_3", 9, boot="b2") == "not_heard"
    await told.beat("f1", "b2")
    assert await told.place("s_3", 9, boot="b2") == ""


async def test_an_attempt_is_started_once_however_often_and_late_that_is_asked(tmp_path: Path) -> None:
    told = Told(tmp_path)
    await told.beat("f1")
    for _ in range(2):
        assert await told.place("s_1", 1) == ""
    await told.machine.stop(SessionId("s_1"), ExitReason.STOPPED)
    assert (await told.tells(5))[-1].kind == "Released"
    assert await told.place("s_1", 1) == "stale"
    assert len(told.machine.placed) == 1
    assert await told.place("s_1", 2, again=1) == ""


async def test_one_that_cannot_be_started_for_whatever_reason_is_not_in_the_way_of_the_next(
    tmp_path: Path,
) -> None:
    told = Told(tmp_path)
    await told.beat("f1")
    told.machine.refuse = OSError("no such luck")
    with pytest.raises(OSError, match="no such luck"):
        await told.place("s_1", 1)
    told.machine.refuse = None
    assert await told.place("s_1", 2, again=1) == ""


async def test_an_end_is_told_though_what_is_said_of_it_cannot_be(tmp_path: Path) -> None:
    told = Told(tmp_path)
    await told.beat("f1")
    await told.place("s_1", 1)
    await told.tells(3)
    exit = Exit(reason=ExitReason.AGENT_ERROR, message="no file \udcff")
    told.machine.emit(Exited(session_id=SessionId("s_1"), at=1.0, exit=exit))
    (one,) = await told.tells(1)
    assert one.event() == Exited(
        session_id=SessionId("s_1"), at=1.0, exit=replace(exit, message="'no file \\udcff'")
    )


async def test_a_node_has_what_it_took_though_it_told_nothing_of_it_yet(tmp_path: Path) -> None:
    told = Told(tmp_path)
    await told.beat("f1")
    assert await told.place("s_1", 1) == ""
    held, other = Holdings(), Holdings()
    held.give(Holding(SessionId("s_1"), 1, "n1", 1))
    synced = await told.sync("f1", 2)  # before its events are told: an engine may be slow to take them
    assert held.missing("n1", synced, turn=2) == []
    assert held.strays("n1", synced) == []
    assert other.strays("n1", synced) == [("s_1", 1)]
    await told.tells(2)
    assert (await told.sync("f1", 3)).untold == []
