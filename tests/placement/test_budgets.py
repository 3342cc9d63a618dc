"""Each limit, passed by a real session beside a healthy one: its reason, its sentence, and nobody left."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from runtime.session.cures.of_ends import COPIES
from runtime.session.events import Exited, Warned
from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import Limits
from runtime.settings import ConfinementSettings
from runtime.supervisor.watch import guard
from tests.patience import PATIENCE
from tests.placement.conftest import Node

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

MIB = 1 << 20
SIBLING = """
    @service.path("/sibling", identity="sibling")
    class Sibling(Base):
        pass
"""


async def _ending(node: Any, body: str, **limits: Any) -> Exited:
    """Run an agent into its limit beside a healthy one of the same bundle; return how it ended."""
    node.write("bundle.py", SIBLING + body)
    await node.start()
    sibling = await node.ready("/sibling", limits=Limits(memory="300MiB", pids=64, files=256))
    session_id = await node.call("/x", limits=Limits(**limits))
    ended: Exited = await node.exited(session_id)
    assert psutil.pid_exists(node.pid(sibling))
    assert await node.placement.vitals(sibling) is not None
    assert not [e for e in node.seen if e.session_id == sibling and isinstance(e, Exited | Warned)]
    return ended


async def test_a_memory_bomb_ends_soon_after_its_limit_with_its_line(node: Any) -> None:
    ended = await _ending(
        node,
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            self.task = asyncio.create_task(self.eat())
        async def eat(self):
            held = []
            while True:
                held.append(b"x" * (2 << 20))
                time.sleep(0.01)
    """,
        memory="150MiB",
    )
    assert ended.exit.reason is ExitReason.MEMORY
    assert ended.exit.signal == 9
    assert "of 150 MiB of memory" in ended.exit.message
    assert "bundle.py:" in ended.exit.message
    assert "in eat" in ended.exit.message
    assert 150 * MIB < ended.use.peak_pss_bytes < 1.25 * 150 * MIB
    warned = [e for e in node.seen if isinstance(e, Warned) and e.kind == "memory"]
    assert len(warned) == 1
    assert ended.use.curve[-1].rss_bytes > 150 * MIB


async def test_what_a_session_keeps_in_files_in_memory_is_its_memory(node: Any) -> None:
    ended = await _ending(
        node,
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            self.task = asyncio.create_task(self.fill())
        async def fill(self):
            held = os.memfd_create("held")
            for _ in range(150):  # and no further, should nobody notice
                os.write(held, bytes(4 << 20))
                await asyncio.sleep(0.01)
    """,
        memory="150MiB",
    )
    assert ended.exit.reason is ExitReason.MEMORY
    told = "MiB of it in files in memory that it has open (memfd)"
    assert told in ended.exit.message or "the kernel ended it" in ended.exit.message


async def test_a_bomb_in_a_child_that_left_the_group_ends_the_session_and_is_listed(node: Any) -> None:
    ended = await _ending(
        node,
        """
    BOMB = "import time; held = []\\nwhile True: held.append(b'x' * (2 << 20)); time.sleep(0.01)"
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            self.child = subprocess.Popen([sys.executable, "-c", BOMB], start_new_session=True)
            print(f"child {self.child.pid}", flush=True)
    """,
        memory="150MiB",
    )
    assert ended.exit.reason is ExitReason.MEMORY
    assert "in 2 processes; the largest: python" in ended.exit.message
    line = next(line for line in node.lines(ended.session_id) if line.startswith("child "))
    assert not psutil.pid_exists(int(line.split()[1]))


async def test_memory_shared_with_children_counts_once(node: Any) -> None:
    node.write(
        "bundle.py",
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            block = bytearray(60 << 20)
            for _ in range(4):
                if os.fork() == 0:
                    time.sleep(600)
            await asyncio.sleep(1.0)
            print("still here", flush=True)
    """,
    )
    await node.start()
    session_id = await node.call("/x", limits=Limits(memory="150MiB"))
    await node.printed(session_id, "still here")  # 300 MiB resident, 80 MiB of them its own
    assert (await node.placement.vitals(session_id)).rss_bytes > 250 * MIB
    await node.placement.stop(session_id, ExitReason.STOPPED, 0)


async def test_a_fork_bomb_is_contained(node: Any) -> None:
    ended = await _ending(
        node,
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            self.task = asyncio.create_task(self.fork())
        async def fork(self):
            import mmap
            forks = mmap.mmap(-1, 4096)  # shared by all: each fork is a byte
            end = time.monotonic() + 10
            while time.monotonic() < end:
                made = forks[:].count(1)
                if made > 400:
                    time.sleep(0.1)  # a seat belt for the machine that runs the tests
                    continue
                forks[made] = 1
                if os.fork() == 0:
                    os.setsid()
    """,
        pids=40,
    )
    assert ended.exit.reason is ExitReason.PIDS
    assert "of 40 processes and threads" in ended.exit.message
    assert ended.use.peak_processes > 40


async def test_a_session_is_a_session_of_the_kernel_too(node: Any) -> None:
    # By that the scheduler groups processes: a session then has one share, however many processes it is.
    node.write("bundle.py", SIBLING)
    await node.start()
    session_id = await node.ready("/sibling")
    assert os.getsid(node.pid(session_id)) == os.getpgid(node.pid(session_id)) == node.pid(session_id)


async def test_memory_in_many_processes_is_found_too(node: Any) -> None:
    ended = await _ending(
        node,
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            here, there = os.pipe()
            for _ in range(24):
                if os.fork() == 0:
                    os.close(there)
                    os.read(here, 1)  # until all are there
                    held = b"x" * (20 << 20)
                    time.sleep(600)
            os.close(there)
    """,
        memory="200MiB",
    )
    assert ended.exit.reason is ExitReason.MEMORY
    assert "of 200 MiB of memory in 25 processes" in ended.exit.message


async def test_running_out_of_files_is_called_so(node: Any) -> None:
    ended = await _ending(
        node,
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            self.held = []
            while True:
                self.held.append(open("/dev/null"))
    """,
        files=64,
    )
    assert ended.exit.reason is ExitReason.FILES
    assert "bundle.py:" in ended.exit.message


async def test_a_file_above_its_size_is_called_so(node: Any) -> None:
    ended = await _ending(
        node,
        f"""
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            with open("{node.given}/big", "wb") as file:
                while True:
                    file.write(b"x" * 100_000)
    """,
        file_size="1MiB",
    )
    assert ended.exit.reason is ExitReason.FILES
    assert (node.given / "big").stat().st_size == MIB


async def test_processor_time_of_a_life_is_bounded(node: Any) -> None:
    ended = await _ending(
        node,
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            self.child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    """,
        cpu_total=0.5,
    )
    assert ended.exit.reason is ExitReason.CPU
    assert "of 0.5 s of processor time in 2 processes; the busiest: python" in ended.exit.message
    assert 0.5 < ended.use.cpu_s < 1.5


async def test_a_share_of_processors_is_kept(node: Any) -> None:
    node.write(
        "bundle.py",
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            self.child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            await asyncio.sleep(3)
            print("done", flush=True)
    """,
    )
    await node.start()
    session_id = await node.call("/x", limits=Limits(cpu=0.2))
    await node.printed(session_id, "done")
    used_s = (await node.placement.vitals(session_id)).cpu_s
    assert used_s < 2.0  # 3 s and more have passed; half a second may be used at once, then a fifth of a core
    await node.placement.stop(session_id, ExitReason.STOPPED, 0)


async def test_a_deadline_lets_the_agent_say_goodbye(node: Any) -> None:
    ended = await _ending(
        node,
        """
    @service.path("/x", identity="x")
    class X(Base):
        async def stop(self):
            print("goodbye", flush=True)
    """,
        timeout=0.6,
    )
    assert ended.exit.reason is ExitReason.DEADLINE
    assert ended.exit.message == "ran for longer than its 0.6 s"
    assert node.lines(ended.session_id)[-1] == "goodbye"


async def test_a_session_without_messages_ends_as_idle_and_one_with_messages_does_not(node: Any) -> None:
    node.write(
        "bundle.py",
        """
    @service.path("/x", identity="x")
    class X(Base):
        pass
    @service.path("/busy", identity="busy")
    class Busy(Base):
        async def start(self, *, room):
            self.task = asyncio.create_task(self.talk(room))
        async def talk(self, room):
            while True:
                await asyncio.sleep(0.1)
                await room.messaging.broadcast_message(type="hello", message={})
    """,
    )
    await node.start()
    busy = await node.ready("/busy", limits=Limits(idle_timeout=0.7))
    ended = await node.exited(await node.call("/x", room="other", limits=Limits(idle_timeout=0.7)))
    assert ended.exit.reason is ExitReason.IDLE
    assert ended.exit.message == "had no message for 0.7 s"
    assert not [e for e in node.seen if e.session_id == busy and isinstance(e, Exited)]


async def test_a_bundle_brings_limits_which_the_decorator_overrules(node: Any) -> None:
    node.write(
        "bundle.py",
        """
    from runtime.session.spec import Limits
    @service.path("/x", identity="x", limits=Limits(pids=9))
    class X(Base):
        pass
    """,
    )
    (node.folder / "bundle.toml").write_text('[limits]\nmemory = "77MiB"\npids = 5\n')
    await node.start()
    (endpoint,) = node.placement.endpoints()
    assert endpoint.limits.plain() == {"memory_bytes": 77 * MIB, "pids": 9}
    assert endpoint.limit_sources == {"memory_bytes": "bundle bundle.toml", "pids": "decorator"}


async def test_a_bundle_whose_limits_cannot_be_read_is_served_with_the_servers(node: Any) -> None:
    node.write("bundle.py", SIBLING)
    (node.folder / "bundle.toml").write_text("[limits\nmemory = ")
    await node.start()
    (endpoint,) = node.placement.endpoints()
    assert (endpoint.state, endpoint.limits.plain()) == ("ready", {})


READS = """
    DATA = [str(number) * 3 for number in range(1_000_000)]
    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            self.task = asyncio.create_task(self.read())
        async def read(self):
            held = []
            while True:
                for start in range(0, len(DATA), 5_000):
                    {what}
                    await asyncio.sleep(0)
"""


@pytest.mark.parametrize(
    ("what", "is_copied"),
    [
        ("[(text, text) for text in DATA[start : start + 5_000]]", True),
        ("held.append(b'x' * (1 << 20))", False),
    ],
    ids=["read", "leak"],
)
async def test_memory_that_came_by_reading_what_the_import_made_is_no_leak(
    make_node: Any, what: str, is_copied: bool
) -> None:
    node = make_node(immortal=False)  # else it is not copied for being read
    node.write("x.py", READS.format(what=what))
    await node.start()
    ended = await node.exited(await node.call("/x", limits=Limits(memory="40MiB")))
    await node.close()
    assert ended.exit.reason is ExitReason.MEMORY
    assert (COPIES in ended.exit.message) is is_copied, ended.exit.message
    assert ended.report is not None
    assert ended.report.cure.startswith("No leak") is is_copied


FILLS = """
    import time

    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            print("home", os.environ["HOME"], flush=True)
            self.task = asyncio.create_task(asyncio.to_thread(self.fill))
        def fill(self):
            path = os.path.join(os.environ["HOME"], "data.bin")
            with open(path, "wb", buffering=0) as file:
                if {deleted}:
                    os.unlink(path)
                while file.tell() < 1_000_000_000:  # 200 MB/s
                    time.sleep(0.05)
                    file.write(bytes(10_000_000))
"""


@pytest.mark.parametrize("deleted", [False, True])
async def test_what_fills_the_disk_is_ended_soon_after_its_limit(
    make_node: Callable[..., Node], deleted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_STACKS_S", guard._STACKS_S * PATIENCE)  # for where it was
    node = make_node(confinement=ConfinementSettings(level="basic"))
    node.write("bundle.py", SIBLING + FILLS.format(deleted=deleted))
    await node.start()
    sibling = await node.ready("/sibling", limits=Limits(disk="300MiB"))
    session_id = await node.call("/x", limits=Limits(disk="300MiB"))
    folder = (await node.printed(session_id, "home ")).split()[1]
    ended = await node.exited(session_id)
    assert ended.exit.reason is ExitReason.DISK
    assert "of 300 MiB on the disk in 1 file; the largest: 'data.bin" in ended.exit.message
    assert "bundle.py:" in ended.exit.message
    assert 300 * MIB < ended.use.peak_disk_bytes < 600 * MIB
    assert [e.kind for e in node.seen if isinstance(e, Warned)] in ([], ["disk"])
    assert psutil.pid_exists(node.pid(sibling))
    await node.close()
    assert not os.path.exists(folder)
