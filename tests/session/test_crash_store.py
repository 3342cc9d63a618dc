"""Reports that are kept: found at once, grouped, bounded, private."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from runtime.errors import JournalUnusable
from runtime.session.crash import Code, CrashReport
from runtime.session.crash_store import MAX_WAITING, PER_GROUP_COUNT, CrashStore
from runtime.session.exit_reasons import ExitReason
from runtime.session.record import Exit
from runtime.session.spec import SessionId

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

Within = Callable[[float, Awaitable[Any]], Awaitable[Any]]


def report(number: int, fingerprint: str = "a" * 12, **more: Any) -> CrashReport:
    given: dict[str, Any] = {
        "session_id": SessionId(f"s_{number:05}"),
        "endpoint": "/chat",
        "identity": "chatbot",
        "room": "myroom",
        "generation": 1,
        "exit": Exit(reason=ExitReason.AGENT_ERROR, message="no", at=float(number)),
        "sentence": f"It failed for the {number}th time.",
        "cure": "Mend it.",
        "fingerprint": fingerprint,
        "at": float(number),
        "code": Code(bundle="b", generation=number, sha256=f"{number:064}"),
        **more,
    }
    return CrashReport(**given)


@asynccontextmanager
async def opened(
    path: Path, *, keep_count: int = 100, keep_bytes: int = 1 << 20
) -> AsyncIterator[CrashStore]:
    store = await CrashStore.open(path, keep_count=keep_count, keep_bytes=keep_bytes)
    try:
        yield store
    finally:
        await store.aclose()


async def test_a_report_is_found_at_once_and_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "crashes"
    async with opened(path) as store:
        store.keep(report(1))
        assert await store.report("s_00001") == report(1)
        assert await store.report("s_00002") is None
    async with opened(path) as store:
        assert await store.report("s_00001") == report(1)
        assert (await store.groups())[0].count == 1


async def test_a_report_that_cannot_be_written_holds_up_no_other(tmp_path: Path) -> None:
    async with opened(tmp_path / "crashes.sqlite3") as store:
        store.keep(report(1, sentence="half \ud800"))
        store.keep(report(2))
        assert [one.count for one in await store.groups()] == [1]


async def test_a_session_that_crashed_in_each_attempt_has_a_report_of_each(tmp_path: Path) -> None:
    async with opened(tmp_path / "c") as store:
        for generation in (1, 2, 3):
            store.keep(report(1, generation=generation))
        await store.groups()
        latest = await store.report("s_00001")
        second = await store.report("s_00001", 2)
        assert latest is not None
        assert second is not None
        assert (latest.generation, second.generation) == (3, 2)
        assert (await store.groups())[0].count == 3


async def test_a_group_counts_and_knows_the_code_that_brought_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "c") as store:
        for number in (3, 4, 5):
            store.keep(report(number))
        store.keep(report(4))  # told twice: counts once
        store.keep(report(6, "b" * 12))
        other, group = await store.groups()
        assert other.fingerprint == "b" * 12
        assert (group.count, group.first_at, group.last_at) == (3, 3.0, 5.0)
        assert (group.code_generation, group.code_sha256) == (3, f"{3:064}")
        assert (group.session_id, group.sentence) == ("s_00005", report(5).sentence)
        found = await store.group("a" * 12)
        assert found is not None
        assert [one.session_id for one in found[1]] == ["s_00005", "s_00004", "s_00003"]
        assert await store.group("c" * 12) is None


async def test_the_number_of_reports_is_bounded_and_the_oldest_go(tmp_path: Path) -> None:
    async with opened(tmp_path / "c", keep_count=10) as store:
        for number in range(30):
            store.keep(report(number, f"{number:012}"))
        assert len(await store.groups()) == 10
        assert await store.report("s_00019") is None
        assert await store.report("s_00020") is not None


async def test_their_bytes_are_bounded(tmp_path: Path) -> None:
    async with opened(tmp_path / "c", keep_bytes=100_000) as store:
        for number in range(20):
            store.keep(report(number, f"{number:012}", native="x" * 20_000))
        await store.groups()
        kept = [number for number in range(20) if await store.report(f"s_{number:05}") is not None]
        assert kept == [16, 17, 18, 19]
        assert len(await store.groups()) == 20  # what there was is known longer than each report


async def test_a_crash_loop_does_not_push_other_reports_out(tmp_path: Path) -> None:
    async with opened(tmp_path / "c", keep_count=PER_GROUP_COUNT + 10) as store:
        store.keep(report(0, "b" * 12))
        for number in range(1, 150):
            store.keep(report(number))
            if number % 50 == 0:
                await store.groups()
        found = await store.group("a" * 12)
        assert found is not None
        assert (found[0].count, len(found[1])) == (149, PER_GROUP_COUNT)
        assert await store.report("s_00000") is not None


async def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "crashes"
    async with opened(path) as store:
        store.keep(report(1))
        await store.groups()
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_damaged_file_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "crashes.sqlite3"
    path.write_bytes(b"this is no database" * 1000)
    async with opened(path) as store:
        store.keep(report(1))
        assert await store.report("s_00001") is not None
    assert path.with_suffix(".damaged").exists()


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalUnusable, match="file"):
        async with opened(tmp_path / "file" / "crashes"):
            pass


async def test_a_disk_that_fails_loses_nothing_at_first_and_takes_no_memory_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, within: Within
) -> None:
    async with opened(tmp_path / "c", keep_count=1000, keep_bytes=1 << 30) as store:

        async def full(_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        with monkeypatch.context() as broken:
            broken.setattr("runtime.session.crash_store._RETRY_S", 0.01)
            broken.setattr(store, "_write", full)
            for number in range(MAX_WAITING + 50):
                store.keep(report(number, f"{number:012}"))
            await within(5, store.groups())  # answered, not stuck
            assert await store.report("s_00249") is not None
            assert await store.report("s_00000") is None
        store.keep(replace(report(300, "b" * 12)))
        await within(5, _until_written(store))
        assert len(await store.groups()) == MAX_WAITING


async def _until_written(store: CrashStore) -> None:
    import asyncio

    while store._waiting:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("table", ["reports", "groups"])
@pytest.mark.parametrize("damage", ["x'ff00'", "'{}'", "'[[[['", "NULL"])
async def test_a_damaged_row_is_one_row_lost_and_named(tmp_path: Path, table: str, damage: str) -> None:
    path = tmp_path / "c"
    async with opened(path) as store:
        store.keep(report(1))
        store.keep(report(2, "b" * 12))
        await store.groups()
    column, key = {"reports": ("report", "session_id"), "groups": ("about", "fingerprint")}[table]
    first = {"reports": "s_00001", "groups": "a" * 12}[table]
    with closing(sqlite3.connect(path)) as db, db:
        nothing = damage == "NULL"  # which the column does not take: a text that is none, in the key's place
        what = f"{key} = CAST(x'ff' AS TEXT)" if nothing else f"{column} = {damage}"
        db.execute(f"UPDATE {table} SET {what} WHERE {key} = ?", (first,))
    with capture_logs() as lines:
        async with opened(path) as store:
            groups = await store.groups()
            found = await store.group("b" * 12)
            assert found is not None
            assert found[1] == [report(2, "b" * 12)]
            lost = await store.group("a" * 12)
            if table == "groups":
                assert [group.fingerprint for group in groups] == ["b" * 12]
                assert lost is None
            else:
                assert len(groups) == 2
                assert lost is not None
                assert lost[1] == []
                assert await store.report("s_00001") is None
    told = [line for line in lines if line["event"] == "crashes.row_skipped"]
    assert told
    assert {line["table"] for line in told} == {table}
    assert {line["row"] for line in told} <= {first, f"{first} 1", "\ufffd", "\ufffd 1"}


async def test_a_file_with_a_damaged_page_is_moved_aside_with_its_log(tmp_path: Path) -> None:
    path = tmp_path / "crashes.sqlite3"
    async with opened(path) as store:
        for number in range(20):
            store.keep(report(number, f"{number:012}", native="x" * 9000))
        await store.groups()
    raw = bytearray(path.read_bytes())
    raw[4096 : 4096 * 3] = b"\xa5" * 8192
    path.write_bytes(raw)
    path.with_name("crashes.sqlite3-wal").write_bytes(b"left")
    async with opened(path) as store:
        store.keep(report(1))
        assert await store.report("s_00001") == report(1)
    assert path.with_suffix(".damaged").read_bytes() == raw
