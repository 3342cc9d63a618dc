"""A server that runs as root: each bundle has a user of its own, as far as that user can run it.

What lies in a folder that only root may enter, as an interpreter in its home, nobody else can run.  Where
this one does, all of it is run again where everybody can enter: in a namespace of mounts.
"""

from __future__ import annotations

import asyncio
import errno
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from runtime.errors import ConfigError
from runtime.front.home.state_folder import let_through
from runtime.process.program.as_user import missing_capabilities
from runtime.session.events import Started
from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import Limits
from runtime.settings import ConfinementSettings
from runtime.supervisor.bundles.confined.bundle_confinement import Confinement
from tests.patience import PATIENCE
from tests.placement.conftest import Node

UIDS = "200000-265535"
FIRST, SESSIONS, LAST = 200000, 216384, 265535

SAYS_WHO = """
    print("imported by", os.getuid(), flush=True)
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            print("user", *os.getresuid(), *os.getresgid(), *os.getgroups(), flush=True)
            os.system("echo by its path > /dev/stderr")
            self.child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            print("child", self.child.pid, flush=True)
            import tempfile
            with tempfile.NamedTemporaryFile() as file:
                print("temporary", file.name, os.environ["HOME"], os.stat(file.name).st_uid, flush=True)
            print("capabilities", *[line.split()[1] for line in open("/proc/self/status") if line[:3] == "Cap"
                                    and line[:6] != "CapBnd"], flush=True)
"""


def _anybody_can_run(path: str) -> bool:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ""], user=FIRST, group=FIRST, extra_groups=(), cwd="/", check=False
    ) if os.access(path, os.X_OK) else None  # fmt: skip
    return done is not None and done.returncode == 0


def _is_reachable() -> bool:
    try:
        return _anybody_can_run(sys.executable)
    except OSError:
        return False


IS_ROOT = os.geteuid() == 0 and not missing_capabilities()
REACHABLE = IS_ROOT and _is_reachable()

as_root = pytest.mark.skipif(not IS_ROOT, reason="only root can start programs as other users; run as root")
here = pytest.mark.skipif(IS_ROOT and not REACHABLE, reason="run in a namespace, by the test that says so")

_ENTER = """
set -e
base=$1 over=$2; shift 2
mount --bind "$base" "$over"
mount -t tmpfs -o mode=755 none "$HOME"
mkdir -p "$base"
mount --move "$over" "$base"
exec "$@"
"""


@as_root
@pytest.mark.process
@pytest.mark.skipif(REACHABLE, reason="anybody can run this interpreter: the others here do it all")
def test_all_of_it_where_anybody_can_run_the_interpreter(tmp_path: Path) -> None:
    home = pwd.getpwuid(os.geteuid()).pw_dir  # not HOME, which may be any folder
    base, mine = Path(sys.base_prefix), (Path(sys.prefix), Path(__file__))
    if not base.is_relative_to(home) or any(one.resolve().is_relative_to(home) for one in mine):
        pytest.skip("the interpreter is not in a closed folder that can be opened for these tests")
    below = base.relative_to(home).parts[0]
    again = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-rs", __file__]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", _ENTER, "enter", f"{home}/{below}", str(tmp_path), *again],
        env=os.environ | {"HOME": home},
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare failed" in done.stderr:
        pytest.skip(f"namespaces of mounts are refused here; {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.fixture
def top() -> Iterator[Path]:
    """A folder that anybody may enter, which those of pytest are not."""
    folder = Path(tempfile.mkdtemp(prefix="users-"))
    folder.chmod(0o755)
    (folder / "agents").mkdir()
    (folder / "state").mkdir(mode=0o700)
    let_through(folder / "state")
    yield folder
    shutil.rmtree(folder)


@pytest_asyncio.fixture
async def node(top: Path) -> AsyncIterator[Node]:
    one = Node(
        top / "agents", top / "state", confinement=ConfinementSettings(level="basic", uids=UIDS), max_parked=1
    )
    yield one
    await one.close()


@as_root
@here
@pytest.mark.process
@pytest.mark.asyncio
async def test_each_bundle_runs_as_somebody_else_and_is_looked_after_all_the_same(node: Node) -> None:
    node.write("one.py", SAYS_WHO)
    node.write("two.py", SAYS_WHO.replace("/x", "/y"))
    with capture_logs() as logs:
        await node.start()
    users = set()
    for path in ("/x", "/y"):
        session_id = await node.ready(path, limits=Limits(memory="200MiB", pids=20))
        line = (await node.printed(session_id, "user ")).split()
        uid = int(line[1])
        assert FIRST <= uid <= LAST
        assert line[1:4] == [str(uid)] * 3
        gid = int(line[4])
        assert line[4:7] == [str(gid)] * 3
        assert FIRST <= gid < SESSIONS, "its bundle's"
        assert len(line) == 7, "no groups of ours"
        users |= {uid, gid}
        assert uid >= SESSIONS, "its own"
        started = await node.event(session_id, Started)
        assert isinstance(started, Started)
        assert started.confinement["rules"]["uid"] == uid
        assert started.confinement["missing"] == []
        _, name, home, owner = (await node.printed(session_id, "temporary ")).split()
        assert (os.path.dirname(name), int(owner)) == (home, uid)
        assert stat.S_IMODE(os.stat(home).st_mode) == 0o700
        assert set((await node.printed(session_id, "capabilities ")).split()[1:]) == {"0" * 16}
        await node.printed(session_id, "by its path")
        child = int((await node.printed(session_id, "child ")).split()[1])
        vitals = await node.placement.vitals(session_id)
        assert vitals is not None
        assert 0 < vitals.pss_bytes < vitals.rss_bytes, "its memory may be read"
        assert vitals.fds > 3
        assert "base_events.py" in (await node.placement.stacks(session_id) or "")
        await node.placement.stop(session_id, ExitReason.STOPPED, 0)
        ended = await node.exited(session_id)
        assert ended.exit.signal == 9
        assert not psutil.pid_exists(child)
        async with asyncio.timeout(10 * PATIENCE):
            while os.path.exists(home):  # by a thread, which tells nobody
                await asyncio.sleep(0.01)
    assert len(users) >= 2
    printed = [line["line"] for line in logs if line["event"] == "bundle.printed"]
    assert len(set(printed)) == 2
    assert not {f"imported by {os.getuid()}"} & set(printed)


HURTS = """
    @service.path("/victim", identity="victim")
    class Victim(Base):
        async def start(self, *, room):
            path = os.path.join(os.environ["HOME"], "mine")
            open(path, "w").close()
            os.utime(path, (1, 1))
            print("mine", path, os.getpid(), flush=True)
    @service.path("/attacker", identity="attacker")
    class Attacker(Base):
        async def start(self, *, room):
            path, pid = open(os.path.join(os.path.dirname(__file__), "aim")).read().split()
            pid = int(pid)
            def tries(**attacks):
                for name, attack in attacks.items():
                    try:
                        attack()
                    except OSError as error:
                        print("attack", name, error.errno, flush=True)
                    else:
                        print("attack", name, "done", flush=True)
            tries(
                stat=lambda: os.stat(path), utime=lambda: os.utime(path), chmod=lambda: os.chmod(path, 0o666),
                kill=lambda: os.kill(pid, 0), nice=lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
                fds=lambda: os.listdir(f"/proc/{pid}/fd"),
                become=lambda: os.setuid(os.stat(f"/proc/{pid}").st_uid),
            )
            print("attack over", flush=True)
"""


@as_root
@here
@pytest.mark.process
@pytest.mark.asyncio
async def test_a_session_does_nothing_to_its_sibling_that_only_users_divide(node: Node) -> None:
    node.write("one.py", HURTS)
    await node.start()
    victim = await node.ready("/victim")
    (node.folder / "aim").write_text((await node.printed(victim, "mine ")).removeprefix("mine "))
    attacker = await node.ready("/attacker")
    await node.printed(attacker, "attack over")
    found = [line.split()[1:] for line in node.lines(attacker) if line.startswith("attack ")]
    told = {words[0]: words[1] for words in found if len(words) == 2}
    assert set(told.values()) <= {str(errno.EPERM), str(errno.EACCES)}, told
    assert len(told) == 7


@as_root
@here
@pytest.mark.process
@pytest.mark.asyncio
async def test_strict_sessions_are_users_of_their_own_too(node: Node) -> None:
    said = '"/x", confinement={"level": "strict", "network": ["127.0.0.1"]}'
    node.write("one.py", SAYS_WHO.replace('"/x"', said))
    (node.folder / "one.toml").write_text('[confinement]\nlevel = "strict"\nnetwork = ["127.0.0.1"]\n')
    await node.start()
    (bundle,) = node.placement.bundles()
    assert bundle.error == ""
    users = {(await node.printed(await node.call("/x"), "user ")).split()[1] for _ in range(2)}
    assert len(users) == 2
    assert all(SESSIONS <= int(user) <= LAST for user in users)


@as_root
@here
@pytest.mark.process
@pytest.mark.asyncio
async def test_sessions_that_may_write_together_are_one_user(node: Node) -> None:
    node.write("one/main.py", SAYS_WHO.replace('"/x"', '"/x", confinement={"write": ["data"]}'))
    data = node.folder / "one" / "data"
    data.mkdir()
    data.chmod(0o777)
    await node.start()
    users = {(await node.printed(await node.ready("/x"), "user ")).split()[1] for _ in range(2)}
    assert len(users) == 1
    assert FIRST <= int(users.pop()) < SESSIONS


@as_root
@here
@pytest.mark.process
@pytest.mark.asyncio
async def test_a_session_of_a_fresh_interpreter_has_its_bundles_user_too(node: Node) -> None:
    node.write("one.py", SAYS_WHO)
    (node.folder / "one.toml").write_text('fork = "never"\n')
    await node.start()
    session_id = await node.ready("/x")
    line = (await node.printed(session_id, "user ")).split()
    assert FIRST <= int(line[1]) <= LAST


@as_root
@here
@pytest.mark.process
@pytest.mark.asyncio
async def test_a_bundle_that_its_user_cannot_read_keeps_ours_and_is_told_why(node: Node) -> None:
    node.write("closed/main.py", SAYS_WHO)
    (node.folder / "closed").chmod(0o700)
    with capture_logs() as logs:
        await node.start()
        session_id = await node.ready("/x")
    assert (await node.printed(session_id, "user ")).split()[1] == str(os.getuid())
    (told,) = [line["detail"] for line in logs if line["event"] == "bundle.shares_user"]
    assert f"cannot read {node.folder}/closed: chmod -R o+rX" in told
    started = await node.event(session_id, Started)
    assert isinstance(started, Started)
    assert started.confinement["rules"]["uid"] is None
    assert f"cannot read {node.folder}/closed" in started.confinement["missing"][-1]


@as_root
@here
@pytest.mark.process
@pytest.mark.asyncio
async def test_what_it_was_granted_must_be_its_own_and_strict_does_not_give_way(top: Path) -> None:
    node = Node(
        top / "agents", top / "state", confinement=ConfinementSettings(level="basic", uids=UIDS), max_parked=1
    )
    writes = '    @service.path("/w", confinement={"level": "strict", "write": ["data"]})\n'
    node.write("w/main.py", writes + "    class W(Base):\n        pass\n")
    data = node.folder / "w" / "data"
    data.mkdir()
    (node.folder / "w.toml").touch()
    try:
        await node.start()
        (bundle,) = node.placement.bundles()
        assert f"who cannot write {data}" in bundle.error
        uid = int(bundle.error.split("would run as user ")[1].split(",")[0])
        assert f"chown -R {uid}:{uid} {data}" in bundle.error
    finally:
        await node.close()


@pytest.mark.unit
@pytest.mark.skipif(IS_ROOT, reason="root can be everybody; run as another user")
def test_a_server_that_cannot_be_others_does_not_start() -> None:
    with pytest.raises(ConfigError, match="it has no"):
        Confinement(ConfinementSettings(uids=UIDS))


@as_root
@pytest.mark.process
def test_a_server_without_the_capabilities_says_which() -> None:
    code = (
        "from runtime.supervisor.bundles.confined.bundle_confinement import Confinement\n"
        "from runtime.settings import ConfinementSettings\n"
        f"Confinement(ConfinementSettings(uids='{UIDS}'))"
    )
    without = ["setpriv", "--bounding-set=-kill,-sys_ptrace", "--inh-caps=-all"]
    done = subprocess.run(
        [*without, sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60 * PATIENCE,
    )
    assert "this server cannot use it: it has no KILL, SYS_PTRACE" in done.stderr, done.stderr
