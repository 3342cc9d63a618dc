"""Sessions that are refused something: told with what would allow it, and in the report of their end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.session import events
from runtime.session.exit_reasons import ExitReason
from runtime.settings import ConfinementSettings
from tests.placement.conftest import Node

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

BASIC = ConfinementSettings(level="basic")
SWALLOWS = """
    from pathlib import Path
    OUT = Path(__file__).parent / "data"

    @service.path("/swallows", identity="helper")
    class Swallows(Base):
        async def start(self, *, room):
            await super().start(room=room)
            for _ in range(3):
                try:
                    (OUT / "x").write_text("x")
                except PermissionError as error:
                    print("refused:", error.errno)
            Path(os.environ["TMPDIR"], "mine").write_text("x")
"""


async def test_a_refusal_that_is_swallowed_is_told_and_counted(make_node: Callable[..., Node]) -> None:
    node = make_node(confinement=BASIC)
    node.write("swallows/main.py", SWALLOWS)
    (node.folder / "swallows" / "data").mkdir()
    try:
        await node.start()
        session = await node.ready("/swallows")
        told = await node.event(session, events.Refused)
        assert isinstance(told, events.Refused)
        (one,) = told.found
        print(told, node.lines(session))
        assert (one["rule"], one["what"]) == ("files.write", f"{node.folder}/swallows/data/x")
        assert one["cure"] == 'write=["data"] in @service.path, or write to $TMPDIR'
        assert one["message"] in node.lines(session), "so that who reads its log reads it there"
        assert node.lines(session).count("refused: 13") == 3
    finally:
        await node.close()


ENDS = """
    from pathlib import Path
    import sqlite3

    @service.path("/reads")
    class Reads(Base):
        async def start(self, *, room):
            open(OTHER)

    @service.path("/database")
    class Database(Base):
        async def start(self, *, room):
            sqlite3.connect(Path(__file__).parent / "data" / "x.db").execute("create table t (x)")

    @service.path("/dotted")
    class Dotted(Base):
        async def start(self, *, room):
            (Path.home() / ".aws" / "credentials").read_text()

    @service.path("/signals")
    class Signals(Base):
        async def start(self, *, room):
            os.kill(os.getppid(), 0)
"""


@pytest.mark.parametrize(
    ("path", "cure"),
    [
        ("/reads", "its own folder and what it was granted (files.read); to allow more: read="),
        ("/database", 'write=["data"] in @service.path, or write to $TMPDIR.'),
        ("/dotted", "and name it by its path: $HOME is the session's own."),
        ("/signals", "nothing grants it: other processes are none of a session's business"),
    ],
)  # fmt: skip
async def test_what_ended_a_session_is_in_its_report_with_what_would_allow_it(
    make_node: Callable[..., Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, cure: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / ".aws").mkdir(parents=True)
    (tmp_path / "home" / ".aws" / "credentials").touch()
    node = make_node(confinement=BASIC)
    other = node.folder.parent / "elsewhere"
    other.write_text("x")
    node.write("ends/main.py", ENDS.replace("OTHER", repr(str(other))))
    (node.folder / "ends" / "data").mkdir()
    try:
        await node.start()
        ended = await node.exited(await node.call(path))
        assert ended.report is not None
        assert cure in ended.report.cure
    finally:
        await node.close()


HONEST = """
    import json, logging, multiprocessing, pickle, shutil, sqlite3, ssl, tempfile, uuid, zoneinfo
    import concurrent.futures, email.mime.text, http.client, mimetypes, locale, getpass, pwd, socket
    from pathlib import Path
    from multiprocessing import shared_memory

    @service.path("/honest", identity="honest")
    class Honest(Base):
        async def start(self, *, room):
            home = Path.home()
            (home / "a" / "b").mkdir(parents=True)
            (home / "a" / "b" / "c").write_text("x")
            shutil.copytree(home / "a", home / "copy")
            shutil.make_archive(str(home / "archive"), "gztar", home / "a")
            os.rename(home / "copy", home / "moved")
            shutil.rmtree(home / "moved")
            with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile() as file:
                file.write(b"x")
            with sqlite3.connect(home / "x.db") as database:
                database.execute("pragma journal_mode=wal")
                database.execute("create table t (x)")
            subprocess.run(["sh", "-c", "echo x > $TMPDIR/y; cat /etc/hostname /proc/self/status; ls /usr"],
                           check=True, capture_output=True)
            child = await asyncio.create_subprocess_exec("sleep", "60")
            child.terminate()
            await child.wait()
            server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
            r, w = await asyncio.open_connection(*server.sockets[0].getsockname())
            w.close()
            server.close()
            ssl.create_default_context()
            zoneinfo.ZoneInfo("Europe/Berlin")
            await asyncio.get_running_loop().getaddrinfo("localhost", 80)
            with concurrent.futures.ThreadPoolExecutor() as threads:
                list(threads.map(str, range(4)))
            memory = shared_memory.SharedMemory(create=True, size=10)
            memory.close()
            memory.unlink()
            multiprocessing.Lock()
            open(os.devnull, "w").close()
            Path("/dev/urandom").open("rb").close()
            os.listdir(Path(__file__).parent)
            Path(__file__).read_text()
            os.kill(os.getpid(), 0)
            getpass.getuser()
            mimetypes.guess_type("x.png")
            Path("/etc/os-release").read_text()
            Path("/proc/meminfo").read_text()
            Path("/nowhere").exists()
            try:
                open("/nowhere/x")
            except FileNotFoundError:
                pass
            print("did all of it")
"""


async def test_honest_work_is_not_told_as_refused(make_node: Callable[..., Node]) -> None:
    node = make_node(confinement=BASIC)
    node.write("honest/main.py", HONEST)
    try:
        await node.start()
        session = await node.ready("/honest")
        await node.placement.stop(session, reason=ExitReason.STOPPED)
        await node.exited(session)
        assert "did all of it" in node.lines(session)
        assert [one for one in node.seen if isinstance(one, events.Refused)] == []
    finally:
        await node.close()


async def test_a_module_that_is_there_and_may_not_be_read_is_told_with_what_allows_it(
    make_node: Callable[..., Node],
) -> None:
    node = make_node(confinement=BASIC)
    shared = node.folder.parent / "shared"
    shared.mkdir()
    (shared / "common.py").write_text("x = 1\n")
    node.write(
        "uses/main.py",
        f"""
        import sys
        sys.path.append({str(shared)!r})
        import common

        @service.path("/uses")
        class Uses(Base):
            pass
        """,
    )
    try:
        await node.start()
        (bundle,) = node.placement.bundles()
        assert "there is no module 'common' that may be read (" in bundle.error
        assert f'(files.read); to allow more: read=["{shared}"]' in bundle.error
    finally:
        await node.close()


AT_IMPORT = """
    from pathlib import Path
    (Path(__file__).parent / "data" / "x").write_text("x")

    @service.path("/imports", confinement={"write": ["data"]})
    class Imports(Base):
        pass
"""


async def test_an_import_that_is_refused_something_is_told_what_its_file_may_say(
    make_node: Callable[..., Node],
) -> None:
    node = make_node(confinement=BASIC)
    node.write("imports/main.py", AT_IMPORT)
    (node.folder / "imports" / "data").mkdir()
    try:
        await node.start()
        (bundle,) = node.placement.bundles()
        assert bundle.error.endswith(
            "a program that is imported may write its own folder and what it was granted (files.write); to "
            'allow more: write=["data"] in the table [confinement] of bulkhead.toml, or write to $TMPDIR.'
        )
        (node.folder / "imports" / "bulkhead.toml").write_text('[confinement]\nwrite = ["data"]\n')
        await node.placement.reload_changed()
        await node.placement.loaded()
        await node.ready("/imports")
    finally:
        await node.close()
