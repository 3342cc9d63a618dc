from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from runtime.errors import JournalUnusable
from runtime.session.calls.call_ids import CallId
from runtime.session.exit_reasons import ExitReason
from runtime.session.journal import journal as module
from runtime.session.journal.file import MIGRATIONS, WAL_BYTES
from runtime.session.journal.journal import Journal
from runtime.session.quarantine import MAX_INPUTS, Parked
from runtime.session.record import Exit, Failure, SessionRecord
from runtime.session.spec import Limits, SessionId, SessionSpec
from runtime.session.usage import MAX_DAYS, DayRow, Usage

pytestmark = pytest.mark.process

Within = Callable[[float, Awaitable[Any]], Awaitable[Any]]


def record(number: int = 1, **more: Any) -> SessionRecord:
    spec = SessionSpec(
        session_id=SessionId(f"s_{number:04}"),
        bundle="b",
        endpoint="/a",
        identity="a",
        room="café",
        token="very-secret-token",
        arguments={"n": [1, None, {"x": 1.5}]},
        webhook_id=f"w{number}",
        accepted_at=float(number),
        limits=Limits(memory="10MiB"),
    )
    return SessionRecord(spec=spec, **more)


def end(one: SessionRecord, at: float = 50.0) -> SessionRecord:
    failure = Failure(stage="run", kind="ValueError", message="no", traceback="T")
    one.state = "exited"
    one.exit = Exit(reason=ExitReason.AGENT_ERROR, message="m", code=3, at=at, failure=failure)
    return one


async def reopened(journal: Journal, path: Path, history_count: int = 100) -> list[SessionRecord]:
    await journal.aclose()
    again = await Journal.open(path, history_count=history_count)
    try:
        return await again.load()
    finally:
        await again.aclose()


@pytest.mark.asyncio
async def test_what_is_written_is_read_again_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "j"
    journal = await Journal.open(path, history_count=10)
    live, over = record(1, generation=2, state="ready", pid=9), end(record(2))
    await journal.accept(live)
    await journal.accept(over)
    first, second = await reopened(journal, path)
    assert first == live
    assert second.exit == over.exit


@pytest.mark.asyncio
async def test_the_file_is_private_and_a_token_leaves_it_with_the_session(tmp_path: Path) -> None:
    path = tmp_path / "state" / "j"
    journal = await Journal.open(path, history_count=10)
    one = record()
    await journal.accept(one)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()] == [0o600] * len(
        list(path.parent.iterdir())
    )
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    journal.note(end(one))
    (again,) = await reopened(journal, path)
    assert again.spec.token == ""
    assert b"very-secret-token" not in path.read_bytes()


@pytest.mark.asyncio
async def test_an_accepted_call_is_in_the_file_before_accept_returns(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = await Journal.open(path, history_count=10)
    await journal.accept(record())
    # What a killed server would leave behind: the files as they are now, with nothing closed.
    left = tmp_path / "left"
    left.mkdir()
    for file in (path, path.with_name("j-wal")):
        (left / file.name).write_bytes(file.read_bytes())
    await journal.aclose()
    again = await Journal.open(left / "j", history_count=10)
    assert [one.spec.session_id for one in await again.load()] == ["s_0001"]
    await again.aclose()


@pytest.mark.asyncio
async def test_a_burst_shares_its_flushes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = await Journal.open(tmp_path / "j", history_count=10)
    batches: list[tuple[int, bool]] = []
    commit = Journal._commit

    async def counted(
        self: Journal, rows: list[Any], ids: list[Any], more: list[Any], *, durable: bool
    ) -> None:
        batches.append((len(rows), durable))
        await commit(self, rows, ids, more, durable=durable)

    monkeypatch.setattr(Journal, "_commit", counted)
    await asyncio.gather(*(journal.accept(record(number)) for number in range(200)))
    assert sum(size for size, _ in batches) == 200
    assert len(batches) <= 3
    batches.clear()
    one = record(1)
    for count in range(50):
        one.messages = count
        journal.note(one)
    await journal.flush()
    assert sum(size for size, _ in batches) <= 2  # changes of one session are one row
    assert not any(durable for _, durable in batches)
    await journal.aclose()


@pytest.mark.asyncio
async def test_the_history_is_bounded_and_living_sessions_are_not_history(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "j", history_count=3)
    await journal.accept(record(0))
    for number in range(1, 9):
        await journal.accept(end(record(number), at=100.0 + number))
    left = [one.spec.session_id for one in await reopened(journal, tmp_path / "j", 3)]
    assert left == ["s_0000", "s_0006", "s_0007", "s_0008"]


@pytest.mark.asyncio
async def test_a_second_server_on_the_file_is_told_so(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "j", history_count=3)
    with pytest.raises(JournalUnusable, match="in use by another server"):
        await Journal.open(tmp_path / "j", history_count=3)
    await journal.aclose()


@pytest.mark.asyncio
async def test_a_file_that_is_no_journal_is_named_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b"not a database, just some text " * 100)
    with pytest.raises(JournalUnusable, match="damaged") as caught:
        await Journal.open(tmp_path / "j", history_count=3)
    assert "mv " in caught.value.cure


@pytest.mark.asyncio
async def test_a_journal_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "j") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(JournalUnusable, match="newer version"):
        await Journal.open(tmp_path / "j", history_count=3)


@pytest.mark.asyncio
async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalUnusable, match="cannot write"):
        await Journal.open(tmp_path / "file" / "j", history_count=3)


@pytest.mark.asyncio
async def test_a_full_disk_refuses_calls_keeps_changes_and_recovers(
    tmp_path: Path, within: Within, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.session.journal.journal._RETRY_S", 0.01)
    journal = await Journal.open(tmp_path / "j", history_count=100)
    known = record(1)
    await journal.accept(known)
    await journal._db.execute("PRAGMA max_page_count = 4")
    big = record(2)
    big.spec.arguments["text"] = "x" * 100_000
    with pytest.raises(JournalUnusable, match="no space left"):
        await within(5, journal.accept(big))
    assert "no space left" in journal.failing
    known.messages = 7
    journal.note(known)
    await journal._db.execute("PRAGMA max_page_count = 100000")
    await within(5, journal.accept(record(3)))
    assert journal.failing == ""
    found = {one.spec.session_id: one for one in await reopened(journal, tmp_path / "j")}
    assert sorted(found) == ["s_0001", "s_0003"]  # the refused call must not run after a restart
    assert found[SessionId("s_0001")].messages == 7


@pytest.mark.asyncio
async def test_a_file_that_can_be_written_again_is_well_though_nothing_waits_for_it(
    tmp_path: Path, within: Within, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.session.journal.journal._RETRY_S", 0.01)
    journal = await Journal.open(tmp_path / "j", history_count=100)
    tries: list[bool] = []
    tried = asyncio.Semaphore(0)
    write = Journal._write_batch

    async def counted(self: Journal) -> bool:
        tries.append(await write(self))
        tried.release()
        return tries[-1]

    monkeypatch.setattr(Journal, "_write_batch", counted)
    await journal._db.execute("PRAGMA query_only = ON")
    for number in range(20):  # refused, and so nothing is left of them to be written
        with pytest.raises(JournalUnusable, match="cannot write"):
            await within(5, journal.accept(record(number)))
    await within(5, tried.acquire())
    assert journal.failing
    assert len(journal._statements) <= 1
    await journal._db.execute("PRAGMA query_only = OFF")

    async def well() -> None:
        while journal.failing:
            await tried.acquire()

    await within(5, well())
    assert tries[-1] is True
    assert await reopened(journal, tmp_path / "j") == []


@pytest.mark.asyncio
async def test_after_a_failure_the_disk_is_waited_for_before_all_is_well(
    tmp_path: Path, within: Within, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.session.journal.journal._RETRY_S", 0.01)
    journal = await Journal.open(tmp_path / "j", history_count=100)
    commits: list[bool] = []
    commit = Journal._commit

    async def told(self: Journal, *what: list[Any], durable: bool) -> None:
        commits.append(durable)
        await commit(self, *what, durable=durable)

    monkeypatch.setattr(Journal, "_commit", told)
    await journal._db.execute("PRAGMA query_only = ON")
    journal.note(record(1))
    await within(5, journal.flush())
    assert journal.failing
    await journal._db.execute("PRAGMA query_only = OFF")

    async def well() -> None:
        while journal.failing:
            await asyncio.sleep(0.005)

    await within(5, well())
    assert (commits[0], commits[-1]) == (False, True)
    journal.note(record(1))
    await within(5, journal.flush())
    assert commits[-1] is False
    await journal.aclose()


@pytest.mark.asyncio
async def test_a_row_nobody_understands_is_skipped(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "j", history_count=3)
    await journal.accept(record(1))
    await journal.accept(record(2))
    await journal._db.execute("UPDATE sessions SET record = '{\"spec\": 1}' WHERE session_id = 's_0001'")
    assert [one.spec.session_id for one in await journal.load()] == ["s_0002"]
    await journal.aclose()


@pytest.mark.asyncio
async def test_after_closing_nothing_is_accepted_and_late_changes_are_dropped(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "j", history_count=3)
    await journal.aclose()
    await journal.aclose()
    journal.note(record(1))
    with pytest.raises(JournalUnusable):
        await journal.accept(record(1))


@pytest.mark.asyncio
async def test_a_file_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1;")
    journal = await Journal.open(path, history_count=5)
    assert await journal.load_parked() == []
    assert await journal.load_usage() == []
    await journal.aclose()


@pytest.mark.asyncio
async def test_parked_inputs_and_days_come_back_bounded(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "j", history_count=5)
    for number in range(MAX_INPUTS + 5):
        journal.note_parked(_parked(number))
    journal.note_released(f"h{MAX_INPUTS}")
    for number in range(MAX_DAYS + 3):
        day = f"{2000 + number}-01-01"
        row = DayRow(day=day, endpoint="/a", identity="a", room="r", usage=Usage(sessions=number))
        journal.note_usage(replace(row, usage=Usage(sessions=1)))
        journal.note_usage(row)  # the later sum counts
    await journal.aclose()
    journal = await Journal.open(tmp_path / "j", history_count=5)
    parked = await journal.load_parked()
    assert len(parked) == MAX_INPUTS
    assert f"h{MAX_INPUTS}" not in {one.hash for one in parked}
    assert parked[-1] == _parked(MAX_INPUTS + 4)
    days = await journal.load_usage()
    assert [row.usage.sessions for row in days] == list(range(3, MAX_DAYS + 3))
    await journal.aclose()


def _parked(number: int) -> Parked:
    return Parked(
        hash=f"h{number}", endpoint="/a", room="r", deaths=3, session_id="s_1", message="m", at=float(number)
    )


# ---- ids of calls


@pytest.mark.asyncio
async def test_an_id_outlives_the_record_of_its_session(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "j", history_count=1)
    for number in (1, 2, 3):
        await journal.accept(one := record(number))
        journal.note(end(one, at=float(number)))
    await journal.accept(nameless := record(4))
    journal.free_id(nameless.spec)
    await journal.aclose()
    journal = await Journal.open(tmp_path / "j", history_count=1)
    assert [one.spec.session_id for one in await journal.load()] == ["s_0003", "s_0004"]
    assert await journal.load_ids(since=2.0) == [CallId.of(record(number).spec) for number in (2, 3)]
    await journal.aclose()


@pytest.mark.asyncio
async def test_ids_are_bounded_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BOUND_IDS", module._BOUND_IDS.replace("10000", "2"))
    journal = await Journal.open(tmp_path / "j", history_count=9)
    for number in (1, 2, 3, 4):
        await journal.accept(record(number))
    assert [one.webhook_id for one in await journal.load_ids(since=0.0)] == ["w3", "w4"]
    await journal.aclose()


@pytest.mark.asyncio
async def test_a_call_that_was_not_written_down_leaves_no_id(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "j", history_count=9)
    await journal._db.execute("PRAGMA max_page_count = 1")
    huge = record(1)
    huge.spec.arguments["text"] = "x" * 200_000
    with pytest.raises(JournalUnusable):
        await journal.accept(huge)
    await journal._db.execute("PRAGMA max_page_count = 1000000")
    await journal.accept(record(2))
    assert [one.webhook_id for one in await journal.load_ids(since=0.0)] == ["w2"]
    await journal.aclose()


# ---- the file


async def _of_the_second_schema(path: Path, tmp_path: Path, count: int) -> None:
    """A journal as the release before wrote it: the same rows in the tables of its time."""
    journal = await Journal.open(tmp_path / "made", history_count=count)
    made = [record(number) for number in range(1, count + 1)]
    await asyncio.gather(*(journal.accept(one) for one in made))
    journal.note(end(made[0]))
    await journal.flush()
    found = await journal._fetch(
        "SELECT session_id, state, accepted_at, ended_at, token, record FROM sessions"
    )
    await journal.aclose()
    with closing(sqlite3.connect(path)) as old:
        old.executescript(f"{MIGRATIONS[0]} {MIGRATIONS[1]} PRAGMA user_version = 2;")
        old.executemany("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)", found)
        old.commit()


@pytest.mark.asyncio
async def test_a_file_of_the_second_schema_is_taken_over_whole_with_its_ids(tmp_path: Path) -> None:
    await _of_the_second_schema(tmp_path / "j", tmp_path, 40)
    journal = await Journal.open(tmp_path / "j", history_count=40)
    loaded = await journal.load()
    assert [one.spec.session_id for one in loaded] == [f"s_{number:04}" for number in range(1, 41)]
    assert [one.spec.token for one in loaded] == ["", *["very-secret-token"] * 39]
    assert await journal.load_ids(since=0.0) == [CallId.of(one.spec) for one in loaded]
    await journal.accept(record(41))
    assert len(await reopened(journal, tmp_path / "j")) == 41


@pytest.mark.asyncio
async def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _of_the_second_schema(tmp_path / "j", tmp_path, 3)
    with monkeypatch.context() as broken:
        broken.setattr("runtime.session.journal.file.REMEMBER", "INSERT INTO nowhere VALUES (?, ?, ?, ?, ?)")
        with pytest.raises(JournalUnusable):
            await Journal.open(tmp_path / "j", history_count=3)
    assert len(await reopened(await Journal.open(tmp_path / "j", history_count=3), tmp_path / "j")) == 3


@pytest.mark.asyncio
async def test_a_row_costs_what_it_says_and_a_burst_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = await Journal.open(path, history_count=2000)
    for start in range(0, 1200, 300):
        await asyncio.gather(*(journal.accept(record(start + number)) for number in range(300)))
    (told,) = await journal._fetch("SELECT sum(length(record)) FROM sessions")
    await journal.aclose()
    assert path.stat().st_size < 1.5 * told[0] + 200_000
    journal = await Journal.open(path, history_count=10)
    (limit,) = await journal._fetch("PRAGMA journal_size_limit")
    assert limit == (WAL_BYTES,)
    await journal.aclose()


DAMAGES = {
    "sessions": [
        "UPDATE sessions SET record = x'ff00' WHERE session_id = 's_0001'",
        "UPDATE sessions SET record = CAST(x'ff' AS TEXT) WHERE session_id = 's_0001'",
        "UPDATE sessions SET record = '{\"x\":' || replace(hex(zeroblob(9000)), '00', '[') "
        "WHERE session_id = 's_0001'",
        "UPDATE sessions SET token = 7.5 WHERE session_id = 's_0001'; UPDATE sessions SET token = x'ff' "
        "WHERE session_id = 's_0001'",
        "UPDATE sessions SET session_id = CAST(x'ff' AS TEXT) WHERE session_id = 's_0001'",
        "UPDATE sessions SET record = (SELECT record FROM sessions WHERE session_id = 's_0002') "
        "WHERE session_id = 's_0001'",
        'UPDATE sessions SET record = replace(CAST(record AS TEXT), \'"restart":"never"\', '
        "'\"restart\":\"sometimes\"') WHERE session_id = 's_0001'",
    ],
    "quarantine": ["UPDATE quarantine SET parked = '{' WHERE hash = 'h1'"],
    "usage_days": [
        "UPDATE usage_days SET usage = '[]' WHERE room = 'r1'",
        "UPDATE usage_days SET room = CAST(x'fffe' AS TEXT), usage = 'x' WHERE room = 'r1'",
    ],
    "ids": [
        "UPDATE ids SET call = 'text' WHERE id = 'w1'",
        "UPDATE ids SET at = 'yesterday' WHERE id = 'w1'",
    ],
}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("table", "damage"), [(table, one) for table, damages in DAMAGES.items() for one in damages]
)
async def test_a_damaged_row_is_one_row_lost_and_named(tmp_path: Path, table: str, damage: str) -> None:
    path = tmp_path / "j"
    journal = await Journal.open(path, history_count=9)
    for number in (1, 2):
        await journal.accept(record(number))
        journal.note_parked(_parked(number))
        day = DayRow(
            day="2026-01-01", endpoint="/a", identity="a", room=f"r{number}", usage=Usage(sessions=1)
        )
        journal.note_usage(day)
    await journal.aclose()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(damage)
    journal = await Journal.open(path, history_count=9)
    with capture_logs() as told:
        found = {
            "sessions": len(await journal.load()),
            "quarantine": len(await journal.load_parked()),
            "usage_days": len(await journal.load_usage()),
            "ids": len(await journal.load_ids(since=0.0)),
        }
    assert found == {name: 1 if name == table else 2 for name in found}
    (line,) = told
    assert (line["event"], line["log_level"], line["table"]) == ("journal.row_skipped", "warning", table)
    assert line["row"]
    await journal.accept(record(3))
    await journal.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["emptied", "removed"])
async def test_a_journal_that_is_gone_is_told_and_what_is_left_of_it_is_kept(
    tmp_path: Path, how: str
) -> None:
    path, log = tmp_path / "j", tmp_path / "j-wal"
    journal = await Journal.open(path, history_count=10)
    await journal.accept(record())
    killed = log.read_bytes()
    await journal.aclose()
    log.write_bytes(killed)
    path.write_bytes(b"") if how == "emptied" else path.unlink()
    with capture_logs() as lines:
        again = await Journal.open(path, history_count=10)
    assert await again.load() == []
    await again.aclose()
    (line,) = [line for line in lines if line["event"] == "journal.lost"]
    assert Path(line["kept"]).read_bytes() == killed
    assert "bulkhead restore" in line["cure"]

    path.write_bytes(b"")
    with capture_logs() as lines:
        await (await Journal.open(path, history_count=10)).aclose()
    assert [line["event"] for line in lines] == ["journal.was_empty"]
    with capture_logs() as lines:
        await (await Journal.open(tmp_path / "new", history_count=10)).aclose()
    assert lines == []
