"""A node that says what it should not: its front believes it of its own sessions alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from runtime.clock import SystemClock
from runtime.errors import RemoteProtocolError
from runtime.placement.cluster import messages as say
from runtime.placement.cluster.follower import MAX_BEAT_BYTES
from runtime.placement.cluster.nodes import MAX_SERVED, capacity
from runtime.placement.cluster.resync import Outbox
from runtime.placement.cluster.roster import Roster
from runtime.placement.relays import Relays
from runtime.session.crash import bare
from runtime.session.events import Exited, Placed, Ready, Refused, SessionEvent, Started, Status, Warned
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import Enforcement, Vitals
from runtime.session.record import Exit, SessionRecord
from runtime.session.spec import SessionId, SessionSpec
from runtime.session.use import Use
from tests.fakes import endpoint
from tests.placement.cluster.conftest import LOAD, Followed

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

MINE, OTHERS = SessionId("s_mine"), SessionId("s_others")


@pytest_asyncio.fixture
async def followed(tmp_path: Path) -> Any:
    made = Followed(tmp_path)
    await made.beats("n1")
    await made.beats("n2")
    made.front.give(MINE, 1, "n1")
    made.front.give(OTHERS, 1, "n2")
    yield made
    await made.front.aclose()


def exited(session: SessionId) -> Exited:
    return Exited(session_id=session, at=1.0, exit=Exit(reason=ExitReason.SIGNAL, message="over"))


async def test_an_event_of_a_session_of_another_node_in_an_envelope_of_its_own_ends_nobody(
    followed: Followed,
) -> None:
    box = Outbox("b1")
    forged = msgspec.structs.replace(box.put(1, exited(OTHERS)), session=MINE)
    with capture_logs() as logs:
        await followed.tells("n1", forged)
    assert [one["event"] for one in logs] == ["node.event_refused"]
    await followed.tells("n1", box.put(1, exited(MINE)))  # what cannot be read was not taken for its end
    assert [one.session_id for one in followed.heard] == [MINE]


NAN, USED = float("nan"), Use(cpu_s=float("inf"))


@pytest.mark.parametrize(
    "event",
    [
        Started(session_id=MINE, at=NAN, pid=1),
        Started(session_id=MINE, at=1e300, pid=1),
        Started(session_id=MINE, at=1.0, pid=-1),
        Ready(session_id=MINE, at=1.0, start_ms=NAN),
        Ready(session_id=MINE, at=1.0, start_ms=-1.0),
        Status(session_id=MINE, at=1.0, values={"busy": [NAN]}),
        Status(session_id=MINE, at=1.0, values={"much": "x" * say.MAX_EVENT_BYTES}),
    ],
)
async def test_numbers_that_would_be_in_everybodys_sums_and_dates_are_refused(
    followed: Followed, event: SessionEvent
) -> None:
    with capture_logs() as logs:
        await followed.tells("n1", Outbox("b1").put(1, event))
    assert [one["event"] for one in logs] == ["node.event_refused"]
    assert followed.heard == []


@pytest.mark.parametrize(
    "event",
    [
        Exited(session_id=MINE, at=1.0, exit=Exit(reason=ExitReason.SIGNAL, message="", at=-1e300)),
        Exited(session_id=MINE, at=1.0, exit=Exit(reason=ExitReason.SIGNAL, message=""), use=USED),
        Exited(session_id=MINE, at=1.0, exit=Exit(reason=ExitReason.SIGNAL, message=""), log_bytes=-5),
    ],
)
async def test_an_end_with_such_numbers_is_an_end_without_them(followed: Followed, event: Exited) -> None:
    await followed.tells("n1", Outbox("b1").put(1, event))
    (told,) = followed.heard
    assert told == Exited(session_id=MINE, at=1.0, exit=Exit(reason=ExitReason.SIGNAL, message="", at=1.0))


async def test_where_a_session_runs_its_node_does_not_say(followed: Followed) -> None:
    placed = Placed(session_id=MINE, at=0.0, generation=1, node_id="n2", boot="b9")
    await followed.tells("n1", Outbox("b1").put(1, placed))
    (found,) = followed.heard
    assert isinstance(found, Placed)
    assert (found.node_id, found.boot) == ("n1", "b1")


async def test_what_it_says_of_others_sessions_or_at_any_length_is_not_kept(followed: Followed) -> None:
    figures = Vitals(rss_bytes=1)
    found = say.encoded({MINE: figures, OTHERS: figures, SessionId("s_made_up"): figures})
    await followed.front._samples(followed.front.subjects.samples("n1"), found)
    assert set(followed.front.nodes["n1"].glances) == {MINE}
    mark, moved = followed.front.held.measured.after(0)
    assert moved == [MINE]
    await followed.front._samples(followed.front.subjects.samples("n1"), found)
    assert followed.front.held.measured.after(mark) == (mark, []), "it did nothing meanwhile"
    await followed.front._samples(
        followed.front.subjects.samples("n1"), say.encoded({MINE: Vitals(rss_bytes=1, cpu_s=NAN)})
    )
    assert followed.front.nodes["n1"].glances == {}
    rows = [endpoint(f"/p{number}") for number in range(MAX_SERVED + 5)]
    nowhere = Enforcement(limits={}, reason="")
    with capture_logs() as logs:
        followed.front.nodes["n1"].said(
            say.Served(digest="d", bundles=[], endpoints=rows, enforcement=nowhere)
        )
    assert [one["event"] for one in logs] == ["node.serves_too_much"]
    assert followed.front.nodes["n1"].serves("/p7")
    assert not followed.front.nodes["n1"].serves(rows[-1].path)
    have = say.Have(id="1", name="b", digest="ab", service="s", state="ready", endpoints=rows)
    with capture_logs() as logs:
        followed.front.nodes["n1"].said(
            say.Served(
                digest="d",
                bundles=[],
                endpoints=[],
                enforcement=nowhere,
                sent=[have, *(msgspec.structs.replace(have, id=row.path) for row in rows)],
            )
        )
    assert [one["event"] for one in logs] == ["node.serves_too_much"]
    found = followed.front.nodes["n1"].has("1")
    assert (found and found.endpoints) == rows[:MAX_SERVED]
    assert followed.front.nodes["n1"].has(rows[-1].path) is None
    with pytest.raises(RemoteProtocolError, match="not a Beat"):
        await followed.beats("n1", boot="b" * 1000, number=2)
    with pytest.raises(RemoteProtocolError, match="a beat of"):
        await followed.beats("n1", number=2, told={f"f{n}": n for n in range(MAX_BEAT_BYTES)})
    followed.wire.answer = say.Answer(code="x", message="m" * 8_000_000)
    assert len((await followed.front.ask("n1", say.Surface())).message) < 1000


async def test_a_bundle_that_nobody_sent_there_is_told_by_nobody(followed: Followed) -> None:
    front, told = followed.front, list[Any]()
    roster = Roster(front, SystemClock(), Relays("http://front"))
    roster.told.append(told.append)
    front.wanted = {"mine"}
    nowhere = Enforcement(limits={}, reason="")
    for number, bundle in enumerate(("made-up", "another", "mine", "mine"), 2):
        failed = say.Have(
            id=bundle, name="greeter", digest="ab", service="s", state="failed", code="x", message="no"
        )
        front.nodes["n1"].said(
            say.Served(digest="d", bundles=[], endpoints=[], enforcement=nowhere, sent=[failed])
        )
        await followed.beats("n1", number=number)
    assert [(one.kind, one.name, one.bundle) for one in told] == [("node.bundle_failed", "n1", "greeter")]


LIES = [
    {"starting": 1 << 63, "max_starting": 1, "session_bytes": 1 << 63, "headroom_bytes": 0},
    {"starting": 9, "max_starting": -(1 << 62), "session_bytes": 1 << 40, "headroom_bytes": 1 << 40},
    {"sessions": 1 << 62, "max_sessions": 3, "sessions_left": -(1 << 62), "headroom_bytes": -(1 << 62)},
    {"max_sessions": -(1 << 62), "lacks": ("memory", "made up"), "fresh": -5},
    {"sessions_left": -1, "lacks": ("made up",) * 9, "session_bytes": -1},
]


@pytest.mark.parametrize("lie", LIES)
async def test_what_one_node_says_of_itself_keeps_no_call_from_the_others(
    followed: Followed, lie: dict[str, Any]
) -> None:
    honest = msgspec.structs.replace(
        LOAD, headroom_bytes=400 << 20, session_bytes=4 << 20, sessions_left=50, lacks=()
    )
    await followed.beats("n1", number=2, capacity=msgspec.structs.replace(honest, **lie), processors=-7)
    await followed.beats("n2", number=2, capacity=honest)
    nodes = followed.front.there()
    load = capacity(nodes, 0, 0, draining=False)
    assert load.max_starting - load.starting >= LOAD.max_starting
    assert load.max_sessions - load.sessions >= LOAD.max_sessions
    assert load.sessions_left is not None
    assert load.sessions_left >= 50
    assert load.headroom_bytes is not None
    assert load.headroom_bytes // load.session_bytes >= 100
    assert load.lacks == ()
    assert set(nodes[0].beat.capacity.lacks) <= {"memory"}
    assert nodes[0].beat.processors == 1
    assert msgspec.json.encode(load)  # as `/healthz` shows it


async def test_a_node_is_not_asked_as_often_as_it_gives_a_reason_to(followed: Followed) -> None:
    asked = list[type]()
    ask = followed.front.ask

    async def counted(node: str, one: say.Ask) -> say.Answer:
        asked.append(type(one))
        return await ask(node, one)

    followed.front.ask = counted  # type: ignore[method-assign]
    await followed.front.adopt([])
    for number in range(2, 60):
        await followed.beats("n1", number=number, surface=f"d{number}", told={"f1": number})
        for _ in range(5):
            await asyncio.sleep(0)
    assert len(asked) < 8, asked  # some tenths of a second passed
    assert followed.front.nodes["n1"].is_owed


async def test_no_event_of_a_node_is_kept_at_a_length_that_no_session_here_has(followed: Followed) -> None:
    much, box = "x" * 200_000, Outbox("b1")
    spec = SessionSpec(session_id=MINE, bundle="b", endpoint="/a", identity="a", room="r")
    end = Exit(reason=ExitReason.SIGNAL, message=much, at=1.0)
    report = msgspec.structs.replace(bare(SessionRecord(spec=spec), end), sentence=much, cure=much)
    row = {"rule": "r", "what": much, "type": "session.exited", "session": OTHERS}
    await followed.tells("n1", box.put(1, Warned(session_id=MINE, at=1.0, kind="hang", message=much)))
    await followed.tells("n1", box.put(1, Refused(session_id=MINE, at=1.0, found=(row,), counts={"r": 1})))
    await followed.tells("n1", box.put(1, Exited(session_id=MINE, at=1.0, exit=end, report=report)))
    warned, refused, exited = followed.heard
    assert isinstance(refused, Refused)
    assert set(refused.found[0]) == {"rule", "what", "message", "cure"}  # it is shown beside whose it is
    assert isinstance(exited, Exited)
    assert exited.report is not None
    assert max(len(msgspec.json.encode(one)) for one in (warned, refused, exited)) < 20_000
    followed.front.give(MINE, 2, "n1")
    no_date = msgspec.structs.replace(report, at=1e300)
    await followed.tells("n1", box.put(2, Exited(session_id=MINE, at=1.0, exit=end, report=no_date)))
    (exited,) = followed.heard
    assert isinstance(exited, Exited)
    assert exited.report is None
