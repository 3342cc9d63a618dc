"""J7, several machines, by three commands: a node is killed, then the server, then the other node drained."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Collection
from typing import Any

import psutil
import pytest

from runtime.errors import ConfigError
from runtime.placement.cluster.engine.home import program
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process]

AGENT = """
import asyncio
from meshagent.api.services import ServiceHost
service = ServiceHost()

@service.path("/x")
class Plain:
    async def start(self, *, room):
        self.room = room

    async def stop(self):
        pass

asyncio.run(service.run())
"""
CALLS = 8


def sessions(server: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.ask("GET", "/workers?all=1")[1]["workers"]
    return found


def until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60 * PATIENCE
    while not (result := found()):
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.1)
    return result


def all_ready(server: Any, on: set[str], *, no_more: Collection[int] = ()) -> list[dict[str, Any]] | None:
    try:
        told = sessions(server)
    except OSError:
        return None  # it is not back yet
    if len(told) != CALLS:
        return None  # it has not read its journal yet
    assert not [one for one in told if one["exit"]], told
    is_so = all(one["state"] == "ready" and one["node"] in on and one["pid"] not in no_more for one in told)
    return told if is_so else None


def kill_program(command: Any, module: str) -> None:
    """SIGKILL for what a command's init runs; the init is left."""
    init = psutil.Process(command.process.pid)
    (found,) = (child for child in init.children() if any(module in word for word in child.cmdline()))
    os.kill(found.pid, signal.SIGKILL)


def processes(command: Any) -> set[int]:
    """Sessions below a command."""
    below = psutil.Process(command.process.pid).children(recursive=True)
    return {one.pid for one in below if one.status() != psutil.STATUS_ZOMBIE}


def test_no_accepted_call_is_lost_and_none_runs_twice(user: Any, free_ports: tuple[int, int]) -> None:
    try:
        program()
    except ConfigError:
        pytest.skip("SEVERAL MACHINES NOT TESTED: no nats-server was found (apt-get install nats-server)")
    (user.folder / "agents").mkdir()
    (user.folder / "agents" / "x.py").write_text(AGENT)
    port, engine = free_ports
    user.env["BULKHEAD_CLUSTER_LISTEN"] = f"127.0.0.1:{engine}"
    server = user.serve("serve", "--nodes", "--port", str(port), "--state-dir", "front")
    server.read_until('"server.started"')
    server.url = f"http://127.0.0.1:{port}"
    token = re.search(r"bh1:\S+", user.run("nodes", "token", "--state-dir", "front").stdout)
    assert token, "it prints what a machine joins with"
    nodes = {
        name: user.serve("node", "--join", token[0], "--id", name, "--state-dir", name)
        for name in ("n1", "n2")
    }
    for node in nodes.values():
        node.read_until('"bundle.loaded"')
    for number in range(CALLS):
        call = {"event": "room.call", "data": {"room_name": f"r{number}"}}
        assert server.ask("POST", "/x?wait=accepted", call)[0] in (200, 202)
    until(lambda: all_ready(server, {"n1", "n2"}))

    ended = processes(nodes["n1"])
    kill_program(nodes["n1"], "node_program")
    until(lambda: all_ready(server, {"n1", "n2"}, no_more=ended))
    before = {one["id"]: one["pid"] for one in sessions(server)}
    assert set(before.values()) <= processes(nodes["n1"]) | processes(nodes["n2"])

    kill_program(server, "runtime.front")
    server.read_until("starting it again")
    # What runs is adopted; but the rooms were the server's, so each of them ends, and joins its room again.
    told = until(lambda: all_ready(server, {"n1", "n2"}, no_more=before.values()))
    assert {one["id"] for one in told} == set(before)
    alive = [pid for pid in before.values() if psutil.pid_exists(pid)]
    assert set(alive) <= {one["pid"] for one in told}, "one of an attempt before is left"

    server.read_until('"node.serves".*"n1".*"/x"')  # of its second life
    restarts = {one["id"]: one["restarts"] for one in told}
    assert nodes["n2"].stop(signal.SIGTERM) == 128 + signal.SIGTERM
    told = until(lambda: all_ready(server, {"n1"}))
    assert {one["id"]: one["restarts"] for one in told} == restarts, "a session that moves was not restarted"
    assert server.stop(signal.SIGTERM) == 128 + signal.SIGTERM
    assert nodes["n1"].stop(signal.SIGTERM) == 128 + signal.SIGTERM


@pytest.fixture
def free_ports() -> tuple[int, int]:
    import socket

    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
