"""What a bundle opens while it is imported is not shared by its sessions, and its author is told."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import psutil
import pytest
from structlog.testing import capture_logs

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

LINES = """
    import socket
    api = socket.create_connection(("127.0.0.1", {port}))
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            self.work = asyncio.create_task(asyncio.to_thread(self.talk))
        def talk(self):
            wrong = 0
            for number in range(100):
                said = f"{{os.getpid()}} {{number}}".ljust(20).encode()
                api.sendall(said)
                wrong += api.recv(20, socket.MSG_WAITALL) != said
            print("wrong", wrong, flush=True)
"""
PLAIN = """
    out = open("../given/out.txt", "w")
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            print("forked", os.getppid() != {front}, flush=True)
"""


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(20):
        writer.write(data)
    writer.close()


async def test_two_sessions_do_not_read_each_others_answers_and_the_peer_and_line_are_told(node: Any) -> None:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    path = node.write("x.py", LINES.format(port=port))
    with capture_logs() as logs:
        await node.start()
    number = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if text.startswith("api ="))
    (told,) = [line for line in logs if line["event"] == "bundle.not_forkable"]
    assert told["opened"] == [f"a connection to 127.0.0.1:{port} (opened at x.py:{number})"]
    assert "Connect in the agent's start" in told["cure"]
    assert 'fork = "always" in x.toml' in told["cure"]
    (info,) = node.placement.bundles()
    assert (info.is_forked, info.opened, info.threads) == (False, tuple(told["opened"]), ())
    assert info.start_ms is None
    sessions = await asyncio.gather(node.ready("/x"), node.ready("/x", room="other", identity="y"))
    for session in sessions:
        assert await node.printed(session, "wrong") == "wrong 0"
    (info,) = node.placement.bundles()
    assert 0 < info.start_ms < 60_000
    server.close()


@pytest.mark.parametrize(
    ("toml", "forked"),
    [
        ('fork = "always"\n', True),
        ('fork = "auto"\n', False),
        ('fork = "never"\n[limits]\nmemory = "1GiB"\n', False),
        ("", False),
    ],
    ids=["always", "auto", "never", "no-file"],
)
async def test_a_bundle_may_know_better(node: Any, toml: str, forked: bool) -> None:
    node.write("x.py", PLAIN.format(front=os.getpid()))
    if toml:
        (node.folder / "x.toml").write_text(toml)
    with capture_logs() as logs:
        await node.start()
    (info,) = node.placement.bundles()
    assert (info.state, info.is_forked, info.pid is not None) == ("ready", forked, forked)
    assert info.opened == (f"the file {node.given}/out.txt, open for writing (opened at x.py:{_line(node)})",)
    warned = [line for line in logs if line["event"] == "bundle.not_forkable"]
    assert len(warned) == ("always" not in toml and "never" not in toml)
    assert await node.printed(await node.ready("/x"), "forked") == f"forked {forked}"


async def test_a_bundle_that_opens_nothing_may_still_not_want_to_be_forked(node: Any) -> None:
    node.write("x/main.py", '@service.path("/x", identity="x")\nclass X(Base):\n    pass\n')
    (node.folder / "x" / "bulkhead.toml").write_text('fork = "never"\n')
    await node.start()
    (info,) = node.placement.bundles()
    assert (info.fork, info.is_forked, info.pid, info.opened) == ("never", False, None, ())
    session = await node.ready("/x")
    assert psutil.Process(node.pid(session)).ppid() == os.getpid()


async def test_a_word_that_is_no_choice_is_told_with_the_cure(node: Any) -> None:
    node.write("x.py", '@service.path("/x", identity="x")\nclass X(Base):\n    pass\n')
    (node.folder / "x.toml").write_text("fork = true\n")
    with capture_logs() as logs:
        await node.start()
    (told,) = [line for line in logs if line["event"] == "bundle.fork_unusable"]
    assert 'Write fork = "auto", "always" or "never"' in told["cure"]
    assert node.placement.bundles()[0].is_forked


async def test_a_child_of_the_import_does_not_outlive_the_process_that_was_looked_at(node: Any) -> None:
    node.write(
        "x.py",
        """
    server = subprocess.Popen(["sleep", "1234"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            print("child", server.pid, flush=True)
    """,
    )
    await node.start()
    (info,) = node.placement.bundles()
    assert [one.split(" (")[0] for one in info.opened] == [
        "the process 'sleep 1234'"
    ]  # its pipes are its own
    one, two = await asyncio.gather(node.ready("/x"), node.ready("/x", room="other", identity="y"))
    pids = {int((await node.printed(session, "child")).split()[1]) for session in (one, two)}
    assert {process.pid for process in _sleepers()} == pids  # that of the import is gone


async def test_numpys_threads_are_no_reason_not_to_fork(node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numpy")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    node.write(
        "x.py",
        """
    import numpy as np
    ONES = np.ones((300, 300))
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            print("sum", int((ONES @ ONES).sum()), flush=True)
    """,
    )
    with capture_logs() as logs:
        await node.start()
    assert [line for line in logs if line["event"] == "bundle.not_forkable"] == []
    (info,) = node.placement.bundles()
    assert (info.is_forked, info.opened) == (True, ())
    sessions = await asyncio.gather(*(node.ready("/x", identity=f"x{n}") for n in range(4)))
    for session in sessions:
        assert await node.printed(session, "sum") == "sum 27000000"


def _line(node: Any) -> int:
    text = (node.folder / "x.py").read_text()
    return next(n for n, line in enumerate(text.splitlines(), 1) if line.startswith("out ="))


def _sleepers() -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if process.status() != psutil.STATUS_ZOMBIE and process.cmdline() == ["sleep", "1234"]
    ]
