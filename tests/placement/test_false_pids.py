"""A bundle that names another's process as its own: nothing happens to that one."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from runtime.errors import RemoteProtocolError
from runtime.process.handle import ProcessHandle, held
from runtime.session.events import Exited, Ready
from runtime.session.exit_reasons import ExitReason
from tests.placement.conftest import Node

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

VICTIM = """
    @service.path("/victim", identity="victim")
    class Victim(Base):
        pass
"""
HOSTILE = """
    import socket
    from pathlib import Path
    from runtime.process import zygote
    from runtime.wire import control

    send = zygote.Zygote._send
    opened = os.pidfd_open

    def named(self, message, fd=None):
        victim = int(Path(__file__).with_name("victim.txt").read_text())
        if isinstance(message, control.Forked):
            message = control.Forked(message.ticket, victim)
            fd = {fd}
        send(self, message, fd)

    zygote.Zygote._send = named

    @service.path("/hostile", identity="hostile")
    class Hostile(Base):
        pass
"""


@pytest.mark.parametrize("fd", ["fd", "opened(victim)", "os.open('/dev/null', 0)"])
async def test_a_bundle_cannot_have_anothers_process_ended(node: Node, fd: str) -> None:
    node.write("victim.py", VICTIM)
    node.write("hostile.py", HOSTILE.format(fd=fd))
    with subprocess.Popen(["sleep", "60"], process_group=0) as bystander:  # for those that are parked
        (node.folder / "victim.txt").write_text(str(bystander.pid))
        await node.start()
        assert bystander.poll() is None
        bystander.kill()
    victim = await node.ready("/victim", identity="victim")
    (node.folder / "victim.txt").write_text(str(node.pid(victim)))
    hostile = await node.call("/hostile", identity="hostile")
    began = await node.event(hostile, Ready, Exited)
    if isinstance(began, Ready):
        await node.placement.stop(hostile, ExitReason.STOPPED, 0)
    await node.exited(hostile)
    os.kill(node.pid(victim), 0)
    assert not any(isinstance(event, Exited) and event.session_id == victim for event in node.seen)
    again = await node.ready("/victim", identity="second")
    assert node.pid(again) != node.pid(victim)


async def test_a_handle_is_of_the_process_that_the_pidfd_is_of() -> None:
    with (
        subprocess.Popen(["sleep", "60"], process_group=0) as one,
        subprocess.Popen(["sleep", "60"], process_group=0) as other,
    ):
        pidfd = os.pidfd_open(one.pid)
        with pytest.raises(RemoteProtocolError, match="another process"):
            ProcessHandle.of_child(other.pid, pidfd, parent=os.getpid())
        with pytest.raises(RemoteProtocolError, match="another's child"):
            ProcessHandle.of_child(one.pid, pidfd, parent=other.pid)
        assert not {one.pid, other.pid} & held()
        ours = ProcessHandle.of_child(one.pid, pidfd, parent=os.getpid())
        ours.send_group(signal.SIGKILL)
        assert one.wait(10) == -signal.SIGKILL
        ours.close()
        gone = subprocess.Popen(["sleep", "60"])
        reaped = os.pidfd_open(gone.pid)
        gone.kill()
        gone.wait(10)
        nobody = ProcessHandle.of_child(other.pid, reaped, parent=os.getpid())
        nobody.send_group(signal.SIGKILL)  # which number it had, nobody can say any more
        assert other.poll() is None
        nobody.close()
        other.kill()
