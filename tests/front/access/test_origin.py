"""Sessions that try to operate their server, beside a shell that may."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.front.access import origin, peer_socket
from runtime.front.access.origin import Origin, Origins
from tests.front.test_server_process import Process, running
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

ATTACKER = '''
import asyncio, http.client, json, os, socket, subprocess, sys, threading
from pathlib import Path
from runtime.sdk import ServiceHost

service = ServiceHost()
CALL = b'{"event":"room.call","data":{"room_name":"other"}}'

def ask(port, method, path, host="127.0.0.1", body=None, **headers):
    connection = http.client.HTTPConnection(host, port, timeout=20)
    connection.request(method, path, body, headers)
    return connection.getresponse().status

def from_a_child(port, *prefix):
    code = f"""import http.client as h
c = h.HTTPConnection('127.0.0.1', {port}, timeout=20)
c.request('GET', '/workers')
print(c.getresponse().status)"""
    return int(subprocess.run([*prefix, sys.executable, "-c", code], capture_output=True, check=True).stdout)

def and_hide(port, path, mine):
    """Send, and be gone before anybody looks who it was."""
    with socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(f"DELETE {path} HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n".encode())

def in_flight(port):
    """Keep the socket in no process: on its way between two ends of a pipe."""
    ours, theirs = socket.socketpair()
    one = socket.create_connection(("127.0.0.1", port))
    socket.send_fds(ours, [b"x"], [one.fileno()])
    one.sendall(b"GET /workers HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
    one.close()
    threading.Event().wait(0.5)
    _, (number,), _, _ = socket.recv_fds(theirs, 1, 1)
    with socket.socket(fileno=number) as one:
        return int(one.recv(64).split()[1])

def attack(port, victim):
    and_hide(port, f"/workers/{victim}", os.getpid())
    return {
        "list": ask(port, "GET", "/workers"),
        "stop": ask(port, "DELETE", f"/workers/{victim}"),
        "token": ask(port, "POST", "/rooms/other/token", body=b"{}"),
        "call": ask(port, "POST", "/victim", body=CALL),
        "started": ask(port, "POST", "/victim", body=b'{"event":"room.started","data":{"room_name":"r"}}'),
        "link": ask(port, "POST", "/studio/links", body=b"{}"),
        "metrics": ask(port, "GET", "/metrics", host="localhost"),
        "child": from_a_child(port),
        "daemon": from_a_child(port, "setsid", "--fork", "--wait"),
        "in flight": in_flight(port),
    }

@service.path("/attacker", identity="attacker")
class Attacker:
    async def start(self, *, room):
        given = json.loads(Path(SEEN).with_name("victim.json").read_text())
        found = await asyncio.to_thread(attack, given["port"], given["victim"])
        Path(SEEN).with_suffix(".new").write_text(json.dumps(found))
        Path(SEEN).with_suffix(".new").rename(SEEN)
    async def stop(self):
        pass

@service.path("/victim", identity="victim")
class Victim:
    async def start(self, *, room):
        pass
    async def stop(self):
        pass

asyncio.run(service.run())
'''


async def attacked(tmp_path: Path, one: Process) -> dict[str, int]:
    """What a session that tries everything gets, beside a victim."""
    seen = tmp_path / "given" / "seen.json"
    victim = await one.call("/victim")
    port = int(one.url.rpartition(":")[2])
    seen.with_name("victim.json").write_text(json.dumps({"port": port, "victim": victim}))
    await one.call("/attacker")
    async with asyncio.timeout(60 * PATIENCE):
        while not seen.exists():
            await asyncio.sleep(0.05)
    assert (await one.worker(victim))["state"] == "ready"
    found: dict[str, int] = json.loads(seen.read_text())
    return found


def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "agents").mkdir()
    given = tmp_path / "given"
    given.mkdir()
    monkeypatch.setenv("BULKHEAD_CONFINEMENT_WRITE", str(given))  # by which it tells us
    (tmp_path / "agents" / "main.py").write_text(ATTACKER.replace("SEEN", repr(str(given / "seen.json"))))


async def test_a_session_is_no_operator_and_a_shell_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, monkeypatch)
    async with running(tmp_path) as one:
        found = await attacked(tmp_path, one)
        flight = found.pop("in flight")
        assert set(found.values()) == {403}, found
        assert flight in (401, 403)  # in no process yet, or in the session again where the search came late
        asked = "import sys, urllib.request as u; print(len(u.urlopen(sys.argv[1] + '/workers').read()))"
        shell = subprocess.run([sys.executable, "-c", asked, one.url], capture_output=True, check=False)
        assert int(shell.stdout) > 0, shell.stderr
        refused = await one.ask("GET", "/workers", **{"X-Forwarded-For": "203.0.113.7"})
        assert refused.json["type"] == "urn:bulkhead:problem:not_trusted"


async def test_neither_where_everybody_who_reaches_the_port_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULKHEAD_INSECURE", "1")
    program(tmp_path, monkeypatch)
    async with running(tmp_path) as one:
        assert set((await attacked(tmp_path, one)).values()) <= {401, 403}
        assert (await one.ask("GET", "/workers", **{"X-Forwarded-For": "203.0.113.7"})).status == 200


@contextmanager
def connected(family: int, bound: str, reached: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection of this machine; ours is the second."""
    with socket.socket(family) as listening:
        listening.bind((bound, 0))
        listening.listen()
        kind = socket.AF_INET6 if ":" in reached else socket.AF_INET
        with socket.socket(kind) as theirs:
            theirs.connect((reached, listening.getsockname()[1]))
            ours, _ = listening.accept()
            with ours:
                yield theirs, ours


def scope(ours: socket.socket) -> dict[str, Any]:
    return {"client": ours.getpeername()[:2], "server": ours.getsockname()[:2]}


@pytest.mark.parametrize(
    ("family", "bound", "reached"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::", "127.0.0.1"),
        (socket.AF_INET6, "::", "::ffff:127.0.0.1"),
    ],
)
async def test_the_far_end_is_found_in_every_family(family: int, bound: str, reached: str) -> None:
    with connected(family, bound, reached) as (theirs, ours):
        found = peer_socket.peer_socket(ours.getpeername(), ours.getsockname())
        assert found is not None
        assert (found.inode, found.uid) == (os.fstat(theirs.fileno()).st_ino, os.geteuid())
        assert await Origins(is_alone=False).of(scope(ours)) is Origin.NEAR
        assert await Origins(is_alone=True).of(scope(ours)) is Origin.SESSION  # what we send ourselves
        theirs.close()
        assert await Origins(is_alone=False).of(scope(ours)) is not Origin.NEAR


@pytest.mark.parametrize("how", ["closed", "reset"])
async def test_who_is_gone_before_it_is_looked_for_is_told_apart(how: str) -> None:
    with connected(socket.AF_INET, "127.0.0.1", "127.0.0.1") as (theirs, ours):
        theirs.sendall(b"DELETE /workers/s_1 HTTP/1.1\r\n\r\n")
        if how == "reset":
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        where = scope(ours)
        theirs.close()
        if how == "reset":
            found = peer_socket.peer_socket(where["client"], where["server"])
            assert found is None, "of a reset connection the kernel has nothing"
        for is_alone in (True, False):
            origins = Origins(is_alone=is_alone)
            assert await origins.of(where) is Origin.GONE
            assert origins.recall(where) is Origin.GONE
        elsewhere = {**where, "client": ("192.0.2.7", 9)}
        assert await Origins(is_alone=True).of(elsewhere) is Origin.ELSEWHERE


async def test_nobody_else_is_taken_for_the_far_end() -> None:
    with connected(socket.AF_INET, "127.0.0.1", "127.0.0.1") as (_, ours):
        peer, own = ours.getpeername(), ours.getsockname()
        for wrong in ((("127.0.0.2", peer[1]), own), (peer, ("127.0.0.1", 1)), (("10.0.0.9", peer[1]), own)):
            assert peer_socket.peer_socket(*wrong) is None
        # A listening socket is at that address, and no connection between the two.
        assert peer_socket.peer_socket(own, peer) is not None
        assert peer_socket.peer_socket(own, ("127.0.0.1", 9)) is None
        assert await Origins(is_alone=False).of({"client": ("<local>", 0), "server": own}) is Origin.ELSEWHERE


async def test_a_kernel_that_does_not_tell_is_no_friend(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await Origins().can_tell()
    monkeypatch.setattr(peer_socket, "_NETLINK_SOCK_DIAG", 30)
    assert not await Origins().can_tell()
    with connected(socket.AF_INET, "127.0.0.1", "127.0.0.1") as (_, ours):
        assert await Origins(is_alone=False).of(scope(ours)) is Origin.ELSEWHERE


@contextmanager
def held_by(code: str) -> Iterator[dict[str, Any]]:
    """The scope of a connection whose far end only another process has, which goes with its input."""
    with connected(socket.AF_INET, "127.0.0.1", "127.0.0.1") as (theirs, ours):
        where, pipe = scope(ours), subprocess.PIPE
        command = [sys.executable, "-S", "-c", f"import os; {code}; print(flush=True); input()"]
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, pass_fds=[theirs.fileno()]) as child:
            theirs.close()
            assert child.stdout is not None
            child.stdout.readline()
            yield where
            child.kill()


async def test_another_users_connection_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with held_by("os.fork() and os._exit(0)") as where:  # no child of ours any more
        assert await Origins().of(where) is Origin.NEAR
        monkeypatch.setattr(origin.os, "geteuid", lambda: 54321)
        assert await Origins().of(where) is Origin.OTHER_USER


async def test_a_session_with_a_user_of_its_own_is_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origin.os, "geteuid", lambda: 54321)
    with held_by("0") as where:
        assert await Origins().of(where) is Origin.SESSION


async def test_a_session_that_does_not_let_us_look_is_no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def refused(path: Any, *more: Any) -> int:
        if str(path).endswith("/fd") and path != f"/proc/{os.getpid()}/fd":
            raise PermissionError  # as by PR_SET_DUMPABLE, which does not bind root
        return opened(path, *more)

    with held_by("0") as where:
        monkeypatch.setattr(origin.os, "open", refused)
        origins = Origins()
        assert await origins.of(where) is Origin.DOUBTFUL
        assert origins.recall(where) is Origin.UNASKED, "it is looked at again"


async def test_what_no_process_has_is_a_browsers_only_where_one_may_hide(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    near, far = socket.socketpair()
    with near, far, connected(socket.AF_INET, "127.0.0.1", "127.0.0.1") as (theirs, ours):
        where = scope(ours)
        socket.send_fds(near, [b"x"], [theirs.fileno()])
        theirs.close()
        for sees_all, found in ((True, Origin.DOUBTFUL), (False, Origin.HIDDEN)):
            monkeypatch.setattr(origin, "_is_of_our_user", lambda pid: False)
            monkeypatch.setattr(origin, "_sees_all", lambda sees_all=sees_all: sees_all)
            assert await Origins().of(where) is found


async def test_each_connection_is_searched_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    origins, searches = Origins(is_alone=False), []
    search = origins._search
    monkeypatch.setattr(origins, "_search", lambda found: [searches.append(found), search(found)][1])
    with connected(socket.AF_INET, "127.0.0.1", "127.0.0.1") as (_, ours):
        assert origins.recall(scope(ours)) is Origin.UNASKED
        found = await asyncio.gather(*(origins.of(scope(ours)) for _ in range(10)))
        assert (set(found), len(searches)) == ({Origin.NEAR}, 1)
        assert origins.recall(scope(ours)) is Origin.NEAR
    monkeypatch.setattr(origin, "MAX_KNOWN", 2)
    for _ in range(4):
        with connected(socket.AF_INET, "127.0.0.1", "127.0.0.1") as (_, ours):
            await origins.of(scope(ours))
    assert len(origins._known) <= 2


async def test_a_flood_of_strangers_is_not_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origin, "MAX_WAITING", 1)
    origins = Origins(is_alone=False)
    with connected(socket.AF_INET, "127.0.0.1", "127.0.0.1") as (_, ours):
        found = await asyncio.gather(*(origins.of(scope(ours)) for _ in range(3)))
    assert sorted(found) == [Origin.NEAR, Origin.UNASKED, Origin.UNASKED]


async def test_who_descends_from_whom() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        assert origin.is_below(child.pid, os.getpid())
        assert not origin.is_below(os.getpid(), child.pid)
        child.kill()
    assert origin.is_below(child.pid, 1)  # it is gone: nobody knows
