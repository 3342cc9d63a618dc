"""The file: a server that is killed at any write loses nothing that it answered, and leaves no half."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import JournalUnusable
from runtime.services.file import ServicesFile
from runtime.services.store import Store
from tests.patience import PATIENCE
from tests.services.conftest import manifest, opened

pytestmark = pytest.mark.process

WRITER = """
import asyncio, sys
from pathlib import Path
from tests.services.conftest import manifest, opened

async def main():
    store = await opened(Path(sys.argv[1]))
    made = await store.services.create(manifest("base"), by="w")
    for number in range(100_000):
        await store.secrets.create(f"s{number}", b"v%d" % number, by="w")
        await store.services.update(made.id, manifest("base", f"i:{number}", secrets=[f"s{number}"]), by="w")
        print(number, flush=True)
        if number > 900:
            await store.secrets.delete(f"s{number - 900}")

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [1, 7, 23])
def test_a_server_killed_at_any_moment_loses_nothing_that_it_answered(tmp_path: Path, after: int) -> None:
    path = tmp_path / "services.sqlite3"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": "."},
    )
    assert writer.stdout is not None
    with writer, writer.stdout:
        for _ in range(after):
            answered = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        answered = max([answered, *(int(line) for line in writer.stdout if line.endswith("\n"))])
        writer.wait(timeout=10 * PATIENCE)

    async def look() -> None:
        store = await opened(path)
        try:
            (service,) = await store.services.listed()
            number = int(service.spec["container"]["image"].removeprefix("i:"))
            assert answered <= number <= answered + 1
            assert service.spec["container"]["secrets"] == [f"s{number}"]
            for revision in await store.services.history(service.id):
                for secret_id, version in revision.secret_versions.items():
                    assert await store.secrets.value(secret_id, version)
        finally:
            await store.aclose()

    asyncio.run(look())


class Breaking:
    """A connection that breaks at its nth statement that is not the transaction's own."""

    def __init__(self, db: sqlite3.Connection, at: int) -> None:
        self._db, self._left = db, at

    def execute(self, sql: str, *values: Any) -> Any:
        if not sql.startswith(("BEGIN", "ROLLBACK")):
            self._left -= 1
            if self._left < 0:
                raise sqlite3.OperationalError("disk I/O error")
        return self._db.execute(sql, *values)

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction


@pytest.mark.asyncio
async def test_a_change_that_fails_at_any_statement_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(tmp_path / "services.sqlite3")
    await store.secrets.create("K", b"v", by="a")
    made = await store.services.create(manifest(secrets=["K"]), by="a")
    before = await everything(store)
    whole = ServicesFile.read
    changes = (
        lambda: store.services.create(manifest("b"), by="a", obscured={}),
        lambda: store.services.update(made.id, manifest("c", "i:2"), by="a"),
        lambda: store.services.roll_back(made.id, 1, by="a"),
        lambda: store.services.delete(made.id),
        lambda: store.secrets.give("K", b"w", by="a"),
        lambda: store.secrets.create("L", b"w", by="a"),
        lambda: store.keys.create("k", by="a"),
    )
    try:
        for change in changes:
            failed = 0
            for at in range(1_000):

                async def broken(file: ServicesFile, work: Any, at: int = at) -> Any:
                    return await whole(file, lambda db: work(Breaking(db, at)))

                with monkeypatch.context() as breaking:
                    breaking.setattr(ServicesFile, "read", broken)
                    try:
                        await change()
                        break
                    except JournalUnusable:
                        failed += 1
                assert await everything(store) == before
            assert failed >= 2
            before = await everything(store)
            if before[0] == []:
                made = await store.services.create(manifest(secrets=["K"]), by="a")
                before = await everything(store)
    finally:
        await store.aclose()


async def everything(store: Store) -> Any:
    services = await store.services.listed(room=None)
    history = [await store.services.history(one.id) for one in services]
    return (
        services,
        history,
        await store.secrets.listed(owner=None),
        await store.keys.listed(),
        dict(store.keys.signing),
    )


@pytest.mark.asyncio
async def test_two_servers_do_not_share_a_file(store: Store, tmp_path: Path) -> None:
    with pytest.raises(JournalUnusable, match="in use by another server"):
        await opened(tmp_path / "services.sqlite3")


@pytest.mark.asyncio
async def test_a_newer_file_and_one_that_is_none_are_told(tmp_path: Path) -> None:
    newer = tmp_path / "newer.sqlite3"
    with closing(sqlite3.connect(newer)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalUnusable, match="written by a newer version"):
        await opened(newer)
    (tmp_path / "none").write_text("hello " * 1_000)
    with pytest.raises(JournalUnusable, match="damaged"):
        await opened(tmp_path / "none")
