"""What a program opened while it was imported: found, named, with its line; the innocent is let be."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.process.leftovers.openers import Openers
from tests.patience import PATIENCE

pytestmark = pytest.mark.process

RUN = """
import json, sys
from pathlib import Path
from types import ModuleType
import msgspec
from runtime.process.leftovers.opened import Import

program = Path(sys.argv[1])
watch = Import(program.parent)
watch.begin()
module = sys.modules["__main__"] = ModuleType("__main__")
module.__file__ = str(program)
exec(compile(program.read_text(), str(program), "exec"), vars(module))
found = watch.end()
print("FOUND", json.dumps(msgspec.to_builtins(found)))
child = vars(module).get("child")
if child:
    child.kill()
    child.wait()
"""
Find = Callable[[str], list[dict[str, str]]]


@pytest.fixture
def find(tmp_path: Path) -> Find:
    """Import a program in a process of its own; what it left open."""

    def run(program: str) -> list[dict[str, str]]:
        folder = tmp_path / "bundle"
        folder.mkdir()
        file = folder / "main.py"
        file.write_text(textwrap.dedent(program))
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(file)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        told = done.stdout.rpartition("FOUND ")[2]
        found: list[dict[str, str]] = json.loads(told)
        return found

    return run


@pytest.fixture
def server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def line(number: int) -> str:
    return f"main.py:{number}"


def test_a_connection_is_named_with_its_peer_and_the_line_that_opened_it(find: Find, server: int) -> None:
    found = find(f"import socket\n\napi = socket.create_connection(('127.0.0.1', {server}))\n")
    assert found == [
        {"kind": "connection", "what": f"a connection to 127.0.0.1:{server}", "where": line(3)},
    ]


def test_a_connection_that_a_library_keeps_is_told_by_the_line_that_called_it(
    find: Find, server: int
) -> None:
    (found,) = find(
        f"""
        import http.client
        api = http.client.HTTPConnection("127.0.0.1", {server})
        def ping():
            api.connect()
        ping()
        """
    )
    assert (found["kind"], found["where"]) == ("connection", line(5))


@pytest.mark.parametrize(
    ("program", "kind", "what", "at"),
    [
        ("import socket\ns = socket.create_server(('127.0.0.1', 0))", "listener", "at 127.0.0.1:", 2),
        ("import socket\na, b = socket.socketpair()", "pair", "a pair of sockets", 2),
        ("import sqlite3\nx = sqlite3.connect('a')\nx.execute('create table t(a)')", "database", "/a", 2),
        ("import sqlite3\ndb = sqlite3.connect('new.db')", "file", "new.db", 2),
        ("out = open('out.txt', 'w')", "file", "out.txt, open for writing", 1),
        ("out = open('out.bin', 'w+b')", "file", "out.bin", 1),
        ("import tempfile\nf = tempfile.TemporaryFile()", "file", "open for writing", 2),
        ("import subprocess\nchild = subprocess.Popen(['sleep', '60'])", "process", "sleep 60", 2),
        ("import subprocess\nchild = subprocess.Popen(['cat'], stdin=-1, stdout=-1)", "process", "cat", 2),
        ("import os\np = os.pipe()", "pipe", "a pipe", 0),
        ("import select\ne = select.epoll()", "poller", "an epoll", 2),
        ("import selectors\ne = selectors.DefaultSelector()", "poller", "an epoll", 2),
        ("import os\ne = os.eventfd(0)", "event", "an eventfd", 0),
        ("import os\nm = os.memfd_create('mine')", "memory", "mine", 0),
        ("import mmap\nm = mmap.mmap(-1, 4096)", "memory", "shared memory", 2),
        ("import mmap\nf = open('m', 'w+b')\nf.truncate(99)\nm = mmap.mmap(f.fileno(), 99)\nf.close()",
         "memory", "/m)", 4),
        ("import multiprocessing\nx = multiprocessing.Lock()", "memory", "a lock or semaphore", 0),
        ("import asyncio\nloop = asyncio.new_event_loop()", "event_loop", "was left open", 2),
        ("import threading\nt = threading.Timer(60, print)\nt.daemon = True\nt.name = 'tick'\nt.start()",
         "thread", "thread 'tick'", 5),
        ("import ctypes\nfd = ctypes.CDLL(None).timerfd_create(1, 0)", "timer", "a timer", 0),
        ("import ctypes\nfd = ctypes.CDLL(None).inotify_init()", "watch", "inotify", 0),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)  # fmt: skip
def test_each_kind_of_object_is_found(find: Find, program: str, kind: str, what: str, at: int) -> None:
    found = find(program)
    assert [one["kind"] for one in found][-1:] == [kind], found
    assert what in found[-1]["what"]
    assert found[-1].get("where", "") == (line(at) if at else "")


@pytest.mark.parametrize(
    "program",
    [
        "x = 1",
        "f = open(__file__)",
        "import logging\nlogging.basicConfig(filename='a.log')\nlogging.warning('hello')",
        "import os\nfd = os.open('.', os.O_RDONLY)",
        "import os\nnull = open('/dev/null', 'w'); seed = open('/dev/urandom', 'rb')",
        "import socket\ns = socket.socket()",
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "import subprocess\nsubprocess.run(['true'])",
        "import sqlite3\ndb = sqlite3.connect(':memory:')",
        "import mmap\nf = open(__file__, 'rb')\nm = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)",
        "import mmap\nf = open(__file__, 'rb')\nm = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY)",
        "import asyncio\nasyncio.run(asyncio.sleep(0))",
        "import asyncio\nloop = asyncio.new_event_loop()\nasyncio.set_event_loop(loop)",
        "import threading\nt = threading.Thread(target=print); t.start(); t.join()",
        "import socket\na, b = socket.socketpair()\ndel a, b",
        "import itertools, socket\nring = [socket.socketpair()]\nring.append(ring)\ndel ring",
        "import ssl\ncontext = ssl.create_default_context()",
        "import concurrent.futures\npool = concurrent.futures.ThreadPoolExecutor()",
        "from multiprocessing import resource_tracker\nresource_tracker.ensure_running()",
    ],
)
def test_what_is_not_shared_or_does_no_harm_is_let_be(find: Find, program: str) -> None:
    assert find(program) == []


def test_many_connections_are_told_within_bounds(find: Find, server: int) -> None:
    found = find(
        f"import socket\nall = [socket.create_connection(('127.0.0.1', {server})) for _ in range(60)]"
    )
    assert len(found) == 50


def test_a_connection_of_tls_is_told_like_any_other(find: Find, server: int) -> None:
    (found,) = find(
        f"""
        import socket, ssl
        plain = socket.create_connection(("127.0.0.1", {server}))
        context = ssl.create_default_context()
        context.check_hostname = False
        tls = context.wrap_socket(plain, do_handshake_on_connect=False)
        """
    )
    assert (found["kind"], found["where"]) == ("connection", line(6))


def test_a_variable_of_a_running_function_holds_it(find: Find) -> None:
    (found,) = find(
        """
        import os
        import runtime.process.leftovers.opened
        class Main:
            def main(self):
                log = open("held.txt", "w")
                other = [log]
                return other
        held = {"deep": [Main().main()]}
        """
    )
    assert found["where"] == line(9)


def test_the_methods_that_were_exchanged_are_put_back_but_for_what_others_exchanged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = (socket.socket.__init__, subprocess.Popen.__init__, threading.Thread.start)
    openers = Openers(Path("/nowhere"))
    openers.begin()
    try:
        assert socket.socket.__init__ is not before[0]
        assert (socket.socket.__init__.__name__, threading.Thread.start.__name__) == ("__init__", "start")
        theirs = lambda self: before[2](self)  # noqa: E731
        monkeypatch.setattr(threading.Thread, "start", theirs)
    finally:
        openers.end()
    assert (socket.socket.__init__, subprocess.Popen.__init__) == before[:2]
    assert threading.Thread.start is theirs
    monkeypatch.undo()
    threading.Thread.start = before[2]  # type: ignore[method-assign]


def test_a_thread_of_a_native_library_is_named_by_the_library(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    program = """
import numpy, os, time
from runtime.process.leftovers import threads
until = time.monotonic() + PATIENCE * 10
started = threads.running()
# One that has just been started still runs, and has no stack that can be read: it waits soon.
while any(not one.library for one in started) and time.monotonic() < until:
    time.sleep(0.01)
    started = threads.running()
left = threads.put_away()
numpy.zeros((300, 300)) @ numpy.zeros((300, 300))
print([one.library for one in started], [one.name for one in left])
"""
    program = program.replace("PATIENCE", str(PATIENCE))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    started, left = done.stdout.strip().rsplit(" ", 1)
    assert left == "[]"
    assert set(json.loads(started.replace("'", '"'))) <= {"numpy"}  # one core: there are none


def test_nothing_of_ours_is_found_beside_a_program_that_opens_nothing() -> None:
    program: Any = (
        "import sys; from pathlib import Path; from runtime.process.leftovers.opened import Import\n"
    )
    program += "watch = Import(Path('/nowhere')); watch.begin(); print(watch.end())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_library_is_found_behind_the_one_that_the_program_imports(tmp_path: Path) -> None:
    installed, folder = tmp_path / "site-packages", tmp_path / "bundle"
    installed.mkdir()
    folder.mkdir()
    (installed / "nativelike.py").write_text("class Session: ...\n")
    (installed / "frontlike.py").write_text("from nativelike import Session\n")
    (folder / "main.py").write_text("import json\n\nimport frontlike\nDONE = 1\n")
    program = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:]
import main
from runtime.process.leftovers.holders import import_of
print([import_of(name, Path(sys.argv[2])) for name in ("nativelike", "frontlike", "elsewhere")])
"""
    argv = [sys.executable, "-c", program, str(installed), str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == "[('main.py:3', 'frontlike'), ('main.py:3', ''), ('', '')]\n"
