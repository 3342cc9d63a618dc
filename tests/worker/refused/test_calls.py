"""Which calls are told as refused, and which are not, on a real disk and by the interpreter's own events."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.confinement.reach import Reach
from runtime.process.confine import landlock
from runtime.worker.refused.account import MOST_KINDS, Account
from runtime.worker.refused.calls import Calls
from runtime.worker.refused.granted import reach_of

pytestmark = pytest.mark.process


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """``own`` may be written, ``app`` read, ``out`` neither."""
    for name in ("own/x", "app/x", "out/x"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("x")
    (tmp_path / "app" / "away").symlink_to(tmp_path / "out")
    (tmp_path / "out" / "back").symlink_to(tmp_path / "own")
    return tmp_path


def calls(place: Path) -> Calls:
    reach = Reach(
        read=("/usr", "/lib", "/lib64", "/etc", "/proc", sys.prefix, sys.base_prefix, str(place / "app")),
        write=("/dev/null", str(place / "own")),
        listed=(str(place),),
    )
    return Calls(reach, Policy(Level.BASIC))


def told(calls: Calls) -> list[str]:
    return [f"{one.rule} {one.what}" for one in calls.account.take()[0]]


def opens(calls: Calls, path: object, flags: int = os.O_RDONLY, mode: str | None = "r") -> list[str]:
    calls.hook("open", (path, mode, flags))
    return told(calls)


NEW = os.O_WRONLY | os.O_CREAT


def test_what_is_granted_is_not_told(place: Path) -> None:
    seen = calls(place)
    for _ in range(2):  # the folder is known the second time
        assert opens(seen, str(place / "app" / "x")) == []
        assert opens(seen, os.fsencode(place / "own" / "x")) == []
        assert opens(seen, str(place / "own" / "new"), NEW) == []
        assert opens(seen, "/dev/null", os.O_RDWR) == []
        assert opens(seen, str(place / "out" / "back" / "x"), os.O_RDWR) == [], "it leads to what is granted"
        assert opens(seen, "/proc/self/status") == []


def test_what_is_not_is_told_with_its_real_path(place: Path) -> None:
    out = place / "out"
    assert opens(calls(place), str(out / "x")) == [f"files.read {out}/x"]
    assert opens(calls(place), str(place / "app" / "x"), os.O_RDWR) == [f"files.write {place}/app/x"]
    assert opens(calls(place), str(place / "app" / "new"), NEW) == [f"files.write {place}/app/new"]
    assert opens(calls(place), str(place / "app" / "away" / "x")) == [f"files.read {out}/x"]
    assert opens(calls(place), str(place / "own" / ".." / "out" / "x")) == [f"files.read {out}/x"]


def test_what_an_import_would_keep_compiled_is_not_told(place: Path) -> None:
    seen, kept = calls(place), place / "app" / "__pycache__"
    seen.hook("os.mkdir", (str(kept), 0o777, -1))
    kept.mkdir()
    assert opens(seen, str(kept / "x.cpython-313.pyc.140564973391280"), NEW) == []
    assert opens(seen, str(kept / "x.cpython-313.pyc"), NEW) == [f"files.write {kept}/x.cpython-313.pyc"]


def test_what_would_fail_anyhow_is_not_told(place: Path) -> None:
    seen = calls(place)
    assert opens(seen, str(place / "out" / "missing")) == []
    assert opens(seen, str(place / "out" / "missing"), os.O_RDWR) == []
    assert opens(seen, str(place / "out" / "no" / "folder"), NEW) == []
    assert opens(seen, 3) == []
    assert opens(seen, "/proc/self/fd/1", os.O_WRONLY) == []
    assert opens(seen, "x", NEW, None) == [], "os.open may have been given a folder"
    seen.hook("os.mkdir", (str(place / "out"), 0o777, -1))
    seen.hook("os.remove", (str(place / "out" / "missing"), -1))
    seen.hook("os.listdir", (str(place),))
    seen.hook("os.kill", (os.getpid(), 0))
    seen.hook("open", (object(), None, "nonsense"))
    seen.hook("socket.__new__", (None, 2, 1, 0))
    assert told(seen) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read whatever its owner closed")
def test_what_its_owner_closed_is_not_told(place: Path) -> None:
    (place / "out" / "x").chmod(0)
    assert opens(calls(place), str(place / "out" / "x")) == []


def test_a_relative_path_is_read_from_where_the_process_is(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = calls(place)
    monkeypatch.chdir(place / "own")
    assert opens(seen, "sub", NEW) == []
    seen.hook("os.chdir", (str(place / "app"),))
    monkeypatch.chdir(place / "app")
    assert opens(seen, "sub", NEW) == [f"files.write {place}/app/sub"]


def test_the_first_of_each_kind_is_told_and_all_are_counted(place: Path) -> None:
    seen = calls(place)
    news: list[int] = []
    seen.account.told = lambda: news.append(1)
    for name in ("x", "x", "../out/x"):
        seen.hook("open", (str(place / "out" / name), "r", 0))
    assert len(news) == 1, "told once until it is taken"
    found, counts = seen.account.take()
    assert (len(found), counts) == (1, {"files.read": 3})
    account = Account()
    for number in range(MOST_KINDS + 5):
        account.note("files.read", f"/{number}/x")
    assert len(account.take()[0]) == MOST_KINDS
    assert account.take() == ([], {"files.read": MOST_KINDS + 5})


READ = landlock.READ_FILE | landlock.READ_DIR


def test_rules_are_read_as_what_they_grant(place: Path) -> None:
    app, own, link = place / "app", place / "own", place / "out" / "back"
    reach = reach_of([
        (str(app), READ, True),
        (str(link), READ | landlock.WRITE_FILE, False),
        ("/dev/null", landlock.READ_FILE | landlock.WRITE_FILE, False),
        (str(place), landlock.READ_DIR, True),
        (str(app), READ, False),
    ])  # fmt: skip
    assert reach == Reach(read=(str(app),), write=(str(own), "/dev/null"), listed=(str(place),))


def test_a_forked_child_says_nothing(place: Path) -> None:
    account = Account()
    pid = os.fork()
    if pid == 0:
        account.note("files.read", "/x")
        os._exit(len(account.take()[1]))
    assert os.waitpid(pid, 0)[1] == 0


def test_what_a_level_leaves_of_the_network_is_not_told(place: Path) -> None:
    def sockets(seen: Calls) -> list[str]:
        for family, kind in ((2, 1), (2, 2), (10, 1), (1, 1), (-1, -1)):
            seen.hook("socket.__new__", (None, family, kind, 0))
        seen.hook("socket.bind", (None, ("127.0.0.1", 80)))
        seen.hook("socket.connect", (None, ("::1", 443, 0, 0)))
        seen.hook("socket.connect", (None, "/run/x"))
        return told(seen)

    seen = calls(place)
    assert sockets(seen) == []
    seen.policy = Policy(Level.STRICT, network=("a.example:443",))
    bound = "network.socket an address of its own (('127.0.0.1', 80))"
    assert sockets(seen) == ["network.socket AF_INET but for TCP", bound], (
        "whom it may reach is told elsewhere"
    )
    seen = calls(place)
    seen.policy = Policy(Level.STRICT, network="none")
    none = ["network.socket AF_INET", "network.socket AF_INET6", bound, "network.connect [::1]:443"]
    assert sockets(seen) == none


SCRIPT = """
import ctypes, json, os, resource, signal, socket, sqlite3, subprocess, sys, tempfile
from pathlib import Path
from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.confinement.reach import Reach
from runtime.worker.refused import causes
from runtime.worker.refused.calls import Calls

place, other = Path(sys.argv[1]), int(sys.argv[2])
reach = Reach(
    read=("/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "/sys", sys.prefix, sys.base_prefix, sys.argv[3],
          str(place / "app")),
    write=("/dev/null", str(place / "own")))
(place / "private").mkdir()
calls = Calls(reach, Policy(Level.BASIC))
causes.know(calls)
causes.install()
causes.hear()
calls = causes.calls()
causes.begin(str(place / "private"))
out, app, own = place / "out", place / "app", place / "own"
answers = {}

def told(name):
    answers[name] = [f"{one.rule} {one.what}" for one in calls.account.take()[0]]
    calls.account._kinds.clear()

def attempt(name, call):
    try:
        call()
    except (OSError, sqlite3.Error):
        pass
    told(name)

attempt("open", lambda: open(out / "x").close())
attempt("write_text", lambda: (app / "new").write_text("x"))
attempt("touch", lambda: (app / "touched").touch())
attempt("mkdir", lambda: (out / "made").mkdir())
attempt("rename", lambda: os.rename(own / "x", out / "moved"))
attempt("remove", lambda: (out / "moved").unlink())
attempt("rmdir", lambda: (out / "made").rmdir())
attempt("symlink", lambda: (out / "link").symlink_to("x"))
attempt("link", lambda: os.link(out / "x", out / "hard"))
attempt("truncate", lambda: os.truncate(out / "x", 0))
attempt("listdir", lambda: os.listdir(out))
attempt("iterdir", lambda: list(out.iterdir()))
attempt("scandir", lambda: list(os.scandir(str(out))))
attempt("tempfile", lambda: tempfile.NamedTemporaryFile(dir=out).close())
attempt("sqlite", lambda: sqlite3.connect(out / "new.db").execute("create table t (x)"))
attempt("sqlite memory", lambda: sqlite3.connect(":memory:").execute("create table t (x)"))
attempt("run", lambda: subprocess.run([str(out / "tool")], check=False))
attempt("honest run", lambda: subprocess.run(["true"], check=False))
attempt("child", lambda: [child := subprocess.Popen(["sleep", "9"]), child.kill(), child.wait()])
attempt("kill", lambda: os.kill(other, 0))
attempt("killpg", lambda: os.killpg(other, 0))
attempt("prlimit", lambda: resource.prlimit(other, resource.RLIMIT_CORE, (0, 0)))
attempt("own prlimit", lambda: resource.prlimit(0, resource.RLIMIT_CORE, (0, 0)))
attempt("environ", lambda: open(f"/proc/{other}/environ").close())
attempt("own environ", lambda: open("/proc/self/environ").close())
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close())
attempt("tcp", lambda: socket.socket().close())
attempt("pair", lambda: [one.close() for one in socket.socketpair()])
attempt("private", lambda: (place / "private" / "x").write_text("x"))
attempt("import", lambda: __import__("colorsys"))
print(json.dumps(answers))
"""


def test_what_is_looked_for_at_home_and_was_left_in_the_servers_is_told(place: Path) -> None:
    home, own = place / "out", place / "own"
    (home / ".aws").mkdir()
    (home / ".aws" / "credentials").touch()
    seen = Calls(Reach(write=(str(place / "own"),)), Policy(Level.BASIC), home=str(home)).again()
    seen.begin(str(own))
    (own / ".cache").mkdir()
    (own / ".cache" / "x").touch()
    for _ in range(2):  # the folder is known the second time
        assert opens(seen, str(own / ".cache" / "x")) == []
        assert opens(seen, str(own / ".cache" / "missing")) == [], "it is nowhere"
    seen.account.begin()
    assert opens(seen, str(own / ".aws" / "credentials")) == [f"files.read {home}/.aws/credentials"]
    assert opens(seen, str(own / ".aws" / "credentials"), NEW, "w") == [], "it makes one of its own"
    assert opens(seen, str(own / "x")) == []


def test_names_are_listed_below_a_folder_whose_names_may_be_listed(place: Path) -> None:
    seen = calls(place)
    seen.hook("os.listdir", (str(place / "out"),))
    assert told(seen) == [], "the kernel lists the names of all folders in it"
    assert opens(seen, str(place / "out"), os.O_DIRECTORY, None) == []
    assert opens(seen, str(place / "out" / "x")) == [f"files.read {place}/out/x"]


LEAVES = """
import subprocess
print(subprocess.Popen(["sleep", "60"], start_new_session=True, stdout=subprocess.DEVNULL).pid)
"""


def test_who_sees_no_other_process_is_told_so_and_knows_its_own_children(place: Path) -> None:
    with (
        subprocess.Popen(["sleep", "60"], start_new_session=True) as child,
        subprocess.Popen([sys.executable, "-c", LEAVES], stdout=subprocess.PIPE) as gone,
    ):
        assert gone.stdout is not None
        other = int(gone.stdout.readline())
        gone.wait()  # what it left is another's child now
        try:
            seen = Calls(Reach(read=("/proc",)), Policy(Level.STRICT), sees_others=False).again()
            seen.begin("")
            assert opens(seen, f"/proc/{other}/cmdline") == [f"processes.look /proc/{other}/cmdline"]
            seen.hook("os.listdir", ("/proc",))
            seen.hook("os.kill", (child.pid, 0))
            seen.hook("os.kill", (other, 0))
            assert told(seen) == ["processes.look /proc", f"processes.signal process {other}"]
            assert opens(seen, "/proc/self/status") == opens(seen, "/proc/meminfo") == []
            narrow = Calls(Reach(read=("/proc",)), Policy(Level.BASIC))
            narrow.narrow(Reach(), sees_others=False)
            assert opens(narrow, "/proc/self/status") == []
            assert opens(narrow, f"/proc/{other}/cmdline") == [f"processes.look /proc/{other}/cmdline"]
            sees = Calls(Reach(read=("/proc",)), Policy(Level.BASIC))
            sees.hook("os.listdir", (f"/proc/{other}/fd",))
            assert told(sees) == [], "where it sees others, it may list what they have open"
        finally:
            os.kill(other, 9)
            child.kill()


def test_the_interpreters_own_events_are_understood(place: Path) -> None:
    (place / "out" / "tool").write_text("#!/bin/true\n")
    (place / "out" / "tool").chmod(0o755)
    (place / "own" / "x").touch()
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(["sleep", "60"], process_group=0) as other:
        try:
            ran = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(SCRIPT), str(place), str(other.pid), str(root)],
                capture_output=True,
                text=True,
                check=False,
                cwd=root,
            )
        finally:
            other.kill()
    assert ran.returncode == 0, ran.stderr
    answers = json.loads(ran.stdout)
    temporary = answers.pop("tempfile")
    assert len(temporary) == 1
    assert temporary[0].startswith(f"files.write {place}/out/tmp")
    out, app, pid = f"{place}/out", f"{place}/app", other.pid
    assert answers == {
        "open": [f"files.read {out}/x"],
        "write_text": [f"files.write {app}/new"],
        "touch": [f"files.write {app}/touched"],
        "mkdir": [f"files.write {out}/made"],
        "rename": [f"files.write {out}/moved"],
        "remove": [f"files.write {out}/moved"],
        "rmdir": [f"files.write {out}/made"],
        "symlink": [f"files.write {out}/link"],
        "link": [f"files.write {out}/hard"],
        "truncate": [f"files.write {out}/x"],
        "listdir": [f"files.list {out}"],
        "iterdir": [f"files.list {out}"],
        "scandir": [f"files.list {out}"],
        "sqlite": [f"files.write {out}/new.db"],
        "sqlite memory": [],
        "run": [f"files.read {out}/tool"],
        "honest run": [],
        "child": [],
        "kill": [f"processes.signal process {pid}"],
        "killpg": [f"processes.signal process {pid}"],
        "prlimit": [f"processes.limit process {pid}"],
        "own prlimit": [],
        "environ": [f"processes.look /proc/{pid}/environ"],
        "own environ": [],
        "packet": ["network.socket family 17"],
        "tcp": [],
        "pair": [],
        "private": [],
        "import": [],
    }
