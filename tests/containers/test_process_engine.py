"""Processes in place of containers: limits, confinement, ports, what is left of them."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import threading
import venv
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from runtime.confinement.level import Level
from runtime.containers.contract import Bind, BoxId, Exit, FileAt, ImageAt, Most, RunSpec
from runtime.containers.errors import EngineFailed, NoEngine
from runtime.containers.process.catalogue import Catalogue
from runtime.containers.process.engine import ProcessEngine
from runtime.containers.settings import ContainersSettings
from runtime.errors import Conflict, EnvironmentUnusable, InvalidRequest
from runtime.process.confine.hold import Errand
from runtime.supervisor.bundles.environment import Stamp, environment_of
from tests.patience import PATIENCE

pytestmark = pytest.mark.process

GUARD_S = 20.0 * PATIENCE
EATS = 'import time; x = b"x" * (1 << 28); time.sleep(600)'
BOX = BoxId("b" * 32)
Make = Callable[..., Awaitable[ProcessEngine]]


@pytest_asyncio.fixture
async def make(state_dir: Path) -> AsyncIterator[Make]:
    made: list[ProcessEngine] = []

    async def engine(level: Level = Level.BASIC, **more: Any) -> ProcessEngine:
        settings = ContainersSettings(**{"host_commands": True, "stop_s": 5.0, **more})
        catalogue = Catalogue((), base=state_dir, agents=state_dir / "agents", any_command=True)
        made.append(ProcessEngine(settings, catalogue, state=state_dir / "state", level=level))
        (state_dir / "state").mkdir(exist_ok=True)
        return made[-1]

    yield engine
    for one in made:
        await one.aclose()


def spec(script: str, **more: Any) -> RunSpec:
    return RunSpec(id=BOX, name="box", image="debian:12", argv=("sh", "-c", script), **more)


async def ended(engine: ProcessEngine, script: str, **more: Any) -> tuple[Exit, list[str]]:
    """Run to the end; how that was, and the log."""
    await engine.run(spec(script, **more))
    async with asyncio.timeout(GUARD_S):
        found = await engine.wait(BOX)
    lines = [line async for line in engine.logs(BOX, follow=False)]
    await engine.remove(BOX)
    return found, lines


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("script", "limits", "reason"),
    [
        (
            "exec python3 -c 'x = b\"x\" * (1 << 28); import time; time.sleep(600)'",
            {"memory": "100MiB"},
            "memory",
        ),
        ("for n in 1 2 3 4 5 6 7 8 9; do sleep 600 & done; wait", {"pids": 5}, "pids"),
        ("head -c 9000000 /dev/zero > $HOME/big; exec sleep 600", {"disk": "4MiB"}, "disk"),
    ],
)
async def test_what_takes_more_than_it_may_is_ended(
    make: Make, script: str, limits: dict[str, Any], reason: str
) -> None:
    found, _ = await ended(await make(**limits), script)
    assert (found.code, found.reason) == (137, reason)
    assert found.message
    assert found.oom_killed is (reason == "memory")


@pytest.mark.asyncio
async def test_it_gets_its_share_of_the_processors_and_what_its_manifest_says_of_it(make: Make) -> None:
    burns = "import time\nwhile time.monotonic() < end: pass\nprint(time.process_time())"
    script = f"import time; end = time.monotonic() + 1.5\n{burns}"
    engine = await make(cpu=0.0, pids=2)
    asked = RunSpec(id=BOX, name="box", image="x", argv=("python3", "-c", script), most=Most(cpu=0.2, pids=9))
    await engine.run(asked)
    async with asyncio.timeout(GUARD_S):
        assert (await engine.wait(BOX)).code == 0
    (used,) = [float(line) async for line in engine.logs(BOX, follow=False)]
    assert used < 1.1  # half a second at once, and a fifth of what follows


@pytest.mark.asyncio
async def test_what_writes_without_end_fills_no_memory_and_is_told(make: Make) -> None:
    engine = await make(log_bytes=1 << 14)
    found, lines = await ended(engine, "timeout 0.5 yes 0123456789; echo over")
    assert found.code == 0
    assert sum(len(line) + 1 for line in lines) <= (1 << 14) + 200
    assert "lines came too fast to be kept" in lines[-1]


@pytest.mark.asyncio
async def test_it_reads_and_writes_what_it_was_given_and_nothing_else(make: Make, state_dir: Path) -> None:
    given, secret = state_dir / "given", state_dir / "state" / "secret"
    given.mkdir()
    engine = await make()
    secret.write_text("x")
    script = f"echo $KEY; cat note; echo a > {given}/a; cat {secret}; echo b > {state_dir}/b; env"
    found, lines = await ended(
        engine,
        script,
        env={"KEY": "value"},
        binds=(Bind(str(given), "/data"),),
        files=(FileAt("/note", "noted\n"),),
    )
    assert found.code == 0
    assert lines[:2] == ["value", "noted"]
    assert (given / "a").read_text() == "a\n"
    (state_dir / "others").mkdir()
    (state_dir / "others" / ".env").write_text("KEY=secret\n")
    paths = {"PATH": f"{os.defpath}:{state_dir}/others", "PYTHONPATH": f"{state_dir}/others"}
    _, read = await ended(engine, f"cat {state_dir}/others/.env", env=paths)
    assert "Permission denied" in read[0]
    given.rename(state_dir / "aside")
    given.symlink_to(state_dir)  # by another container, after it was looked at
    await ended(engine, f"echo c > {state_dir}/c; echo c > {given}/c", binds=(Bind(str(given), "/data"),))
    assert not (state_dir / "c").exists()
    assert not (state_dir / "b").exists()
    assert "Permission denied" in "".join(lines[2:4])
    assert "x" not in lines
    about = dict(line.partition("=")[::2] for line in lines)
    assert about["BULKHEAD_STATE_DIR"] == f"{about['HOME']}/.bulkhead"  # where a host in it may write
    names = {line.partition("=")[0] for line in lines}
    assert names.isdisjoint({name for name in os.environ if "KEY" in name or "TOKEN" in name})


@pytest.mark.asyncio
async def test_nothing_of_it_is_left_whatever_it_leaves_and_does(make: Make, state_dir: Path) -> None:
    engine = await make()
    # What it starts leaves its group and its session; the first process is stopped, as if it hung.
    script = "setsid sleep 600 & echo $!; until [ -e $HOME/go ]; do sleep 0.05; done; kill -STOP $PPID; "
    await engine.run(spec(f"{script} echo stopped; exec sleep 600"))
    lines = engine.logs(BOX, follow=True)
    async with asyncio.timeout(GUARD_S):
        left = int(await anext(lines))
        (state_dir / "state" / "boxes" / BOX / "go").touch()
        assert await anext(lines) == "stopped"
        await engine.stop(BOX, force=True)
    await lines.aclose()
    assert not Path(f"/proc/{left}").exists()
    assert (await engine.wait(BOX)).code == 137


@pytest.mark.asyncio
async def test_one_whose_first_process_is_killed_ends_too(make: Make) -> None:
    engine = await make()
    await engine.run(spec("echo $$; echo $PPID; exec sleep 600"))
    lines = engine.logs(BOX, follow=True)
    async with asyncio.timeout(GUARD_S):
        inner, first = int(await anext(lines)), int(await anext(lines))
        os.kill(first, signal.SIGKILL)
        assert (await engine.wait(BOX)).code == 137
        await engine.remove(BOX)
    await lines.aclose()
    with pytest.raises(ProcessLookupError):
        os.kill(inner, 0)


@pytest.mark.asyncio
async def test_what_multiplies_is_gone_with_all_it_has_made(make: Make) -> None:
    one = "if not os.fork(): os.setsid(); time.sleep(600)"
    many = f"import os, time\nfor _ in range(300):\n  {one}\ntime.sleep(600)"
    engine = await make(pids=40)
    await engine.run(RunSpec(id=BOX, name="box", image="x", argv=("python3", "-c", many)))
    async with asyncio.timeout(GUARD_S):
        found = await engine.wait(BOX)
    assert found.reason == "pids"
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if many.encode() in _read(path)]
    assert left == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


PROGRAM = """
import asyncio, sys
from pathlib import Path
from tests.containers.test_process_engine import *

async def main():
    state = Path(sys.argv[1])
    engine = ProcessEngine(
        ContainersSettings(host_commands=True),
        Catalogue((), base=state, agents=state, any_command=True), state=state, level=Level.BASIC,
    )
    await engine.run(spec("setsid sleep 600 & echo $!; exec sleep 600"))
    async for line in engine.logs(BOX, follow=True):
        print(line, flush=True)

asyncio.run(main())
"""


def test_it_does_not_outlive_its_server_however_that_ends(state_dir: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(state_dir)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        left = int(next(line for line in server.stdout if line.strip().isdigit()))
        pidfd = os.pidfd_open(left)
        server.kill()
    try:
        assert select.select([pidfd], [], [], GUARD_S)[0]
    finally:
        os.close(pidfd)


@pytest.mark.asyncio
async def test_it_is_asked_before_it_is_killed(make: Make) -> None:
    engine = await make()
    await engine.run(spec("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done"))
    lines = engine.logs(BOX, follow=True)
    async with asyncio.timeout(GUARD_S):
        assert await anext(lines) == "up"
        await engine.stop(BOX, force=False)
    assert [line async for line in lines] == ["bye"]
    assert (await engine.wait(BOX)).code == 0


@pytest.mark.asyncio
async def test_a_port_leads_to_where_it_was_told_to_listen(make: Make) -> None:
    engine = await make()
    server = (
        "import os, socket; s = socket.create_server(('127.0.0.1', int(os.environ['MESHAGENT_PORT'])));"
        "print('up', flush=True); c = s.accept()[0]; c.sendall(b'hello'); c.close()"
    )
    free = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    taken = free.sockets[0].getsockname()[1]
    with pytest.raises(Conflict, match=str(taken)):
        await engine.run(spec("true", ports={80: taken}))
    free.close()
    await free.wait_closed()
    running = await engine.run(
        RunSpec(id=BOX, name="box", image="x", argv=("python3", "-c", server), ports={80: taken})
    )
    assert running.ports == {80: taken}
    assert "not isolated like a container" in running.status
    lines = engine.logs(BOX, follow=True)
    async with asyncio.timeout(GUARD_S):
        await anext(lines)
        reader, writer = await asyncio.open_connection("127.0.0.1", taken)
        assert await reader.read() == b"hello"
        writer.close()
    await lines.aclose()


@pytest.mark.asyncio
async def test_what_does_not_start_leaves_nothing(make: Make, state_dir: Path) -> None:
    engine = await make(level=Level.OFF)
    for refused, error in (
        (RunSpec(id=BOX, name="", image="x", argv=("nosuchprogram",)), EngineFailed),
        (RunSpec(id=BOX, name="", image="x"), InvalidRequest),
        (spec("true", images=(ImageAt("y", "/y"),)), NoEngine),
        (spec("true", files=(FileAt("/..", ""),)), InvalidRequest),
        (spec("true", env={"K": "x" * 200_000}), InvalidRequest),
    ):
        with pytest.raises(error):
            await engine.run(refused)
    assert list((state_dir / "state" / "boxes").iterdir()) == []


@pytest.mark.asyncio
async def test_what_a_dead_server_left_is_removed(make: Make, state_dir: Path) -> None:
    engine = await make()
    assert await engine.reclaim() == 0
    (state_dir / "state" / "boxes" / "old").mkdir(parents=True)
    assert await engine.reclaim() == 1
    assert (await engine.check()).ok


@pytest.mark.asyncio
async def test_a_bundle_has_the_environment_that_its_sessions_have_or_is_told_how_to_make_it(
    make: Make, state_dir: Path
) -> None:
    folder = state_dir / "agents" / "own"
    folder.mkdir(parents=True)
    (folder / "main.py").write_text("import sys; import only_here; print(sys.prefix)\n")
    (folder / "requirements.txt").write_text("only-here\n")
    engine, wanted = await make(), RunSpec(id=BOX, name="box", image="own")
    with pytest.raises(EnvironmentUnusable) as refused:
        await engine.run(wanted)
    assert "bulkhead bundle install" in refused.value.cure
    environment = environment_of("own", folder, state_dir / "state" / "environments")
    assert environment is not None
    venv.create(environment.folder, with_pip=False)
    (package,) = environment.folder.glob("lib/python3*/site-packages")
    (package / "only_here.py").write_text("")
    Stamp("3", "", environment.wants.fingerprint(), str(folder)).write(environment.folder)
    for argv in (None, ("python", "main.py")):
        await engine.run(replace(wanted, argv=argv))
        async with asyncio.timeout(GUARD_S):
            found = await engine.wait(BOX)
        lines = [line async for line in engine.logs(BOX, follow=False)]
        assert (found.code, lines) == (0, [str(environment.folder)])
        await engine.remove(BOX)


@pytest.mark.asyncio
async def test_a_start_that_is_given_up_leaves_no_descriptor(make: Make, monkeypatch: Any) -> None:
    asked, goes_on = threading.Event(), threading.Event()
    made: list[int] = []
    inode: list[int] = []
    descriptor = Errand.descriptor

    def late(self: Errand, *args: Any) -> int:
        asked.set()
        goes_on.wait(GUARD_S)
        fd = descriptor(self, *args)
        inode.append(os.fstat(fd).st_ino)
        made.append(fd)
        return fd

    monkeypatch.setattr(Errand, "descriptor", late)
    engine = await make()
    starting = asyncio.create_task(engine.run(spec("true")))
    await asyncio.to_thread(asked.wait, GUARD_S)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    goes_on.set()
    async with asyncio.timeout(GUARD_S):
        while not made or _is_open(made[0], inode):
            await asyncio.sleep(0.01)


def _is_open(fd: int, inode: list[int]) -> bool:
    try:
        return os.fstat(fd).st_ino in inode
    except OSError:
        return False
