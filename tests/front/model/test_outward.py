"""Sessions held at strict: no socket without a network, only the hosts of a list, no call that means harm."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from runtime.session.exit_reasons import ExitReason
from tests.front.model.test_by_pipe import Confined, called, confined, printed  # noqa: F401
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

PREAMBLE = """
import asyncio, ctypes, errno, json, os, socket, subprocess, sys, urllib.request
from bulkhead import Confine, ServiceHost

service = ServiceHost()


def tried(work):
    try:
        return str(work())
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)


class Base:
    async def start(self, *, room):
        arguments = getattr(self, "arguments", {})
        print("said", json.dumps(await self.work(**arguments)), flush=True)

    async def stop(self):
        pass
"""
RUN = """

asyncio.run(service.run())
"""
CUT_OFF = (
    PREAMBLE
    + """
@service.path("/tries", identity="tries")
class Tries(Base):
    async def work(self):
        made = {}
        for family in ("AF_INET", "AF_INET6", "AF_UNIX"):
            for kind in ("SOCK_STREAM", "SOCK_DGRAM"):
                asked = getattr(socket, family), getattr(socket, kind)
                made[f"{family} {kind}"] = tried(lambda: socket.socket(*asked))
        made["datagrams"] = tried(lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
        one, other = socket.socketpair()
        made["pair"] = tried(lambda: one.send(b"x"))
        made["child"] = subprocess.run(
            [sys.executable, "-c", "import socket; socket.socket()"], capture_output=True
        ).stderr.decode().strip().splitlines()[-1]
        process = await asyncio.create_subprocess_exec("echo", "hello", stdout=subprocess.PIPE)
        made["echo"] = (await process.communicate())[0].decode().strip()
        return made


@service.path("/open", identity="open", confinement={"level": "LEVEL", "network": "all"})
class Open(Base):
    async def work(self):
        return tried(lambda: socket.socket(socket.AF_INET).fileno() >= 0)
"""
    + RUN
)


async def said(server: Any, path: str, **arguments: Any) -> Any:
    record = await called(server, path, arguments=arguments)
    return json.loads((await printed(server, record, "said")).removeprefix("said "))


DENIED = {
    **{f"{family} {kind}": "EACCES" for family in ("AF_INET", "AF_INET6", "AF_UNIX")
       for kind in ("SOCK_STREAM", "SOCK_DGRAM")},
    "datagrams": "EACCES",
    "pair": "1",
    "child": "PermissionError: [Errno 13] Permission denied",
    "echo": "hello",
}  # fmt: skip


async def test_without_a_network_there_is_no_socket_for_it_or_its_children(confined: Confined) -> None:  # noqa: F811
    alone = CUT_OFF[: CUT_OFF.index('@service.path("/open"')] + RUN
    async with confined(agents=alone) as server:
        assert await said(server, "/tries") == DENIED


async def test_one_endpoint_of_a_program_has_none_and_the_other_has(confined: Confined) -> None:  # noqa: F811
    both = CUT_OFF.replace("LEVEL", "basic").replace(
        'identity="tries"', 'identity="tries", confinement=Confine(level="strict", network="none")'
    )
    async with confined(agents=both, level="basic", network=()) as server:
        assert await said(server, "/tries") == DENIED
        assert await said(server, "/open") == "True"


# ---- calls that no agent makes by accident

HOSTILE = (
    PREAMBLE
    + """
@service.path("/traces", identity="traces")
class Traces(Base):
    async def work(self):
        libc = ctypes.CDLL(None, use_errno=True)
        print("ready", flush=True)
        return libc.ptrace(16, os.getppid(), 0, 0)  # the line


@service.path("/child", identity="child")
class Child(Base):
    async def work(self):
        code = "import ctypes; ctypes.CDLL(None).mount(b'x', b'/mnt', b'tmpfs', 0, None)"
        return await (await asyncio.create_subprocess_exec(sys.executable, "-c", code)).wait()


@service.path("/healthy", identity="healthy")
class Healthy(Base):
    async def work(self):
        return "well"
"""
    + RUN
)


async def test_a_call_that_is_never_innocent_ends_its_session_with_a_report(confined: Confined) -> None:  # noqa: F811
    async with confined(agents=HOSTILE) as server:
        healthy = await called(server, "/healthy")
        for path, call in (("/traces", "ptrace"), ("/child", "mount")):
            record = await called(server, path)
            await server.front.registry.wait(record.spec.session_id, until="exited", timeout_s=20 * PATIENCE)
            assert record.exit is not None
            assert record.exit.reason is ExitReason.HOSTILE
            assert f"made the system call {call}" in record.exit.message
            # Who waits for a child stands nowhere in its code.
            assert ("agents/all.py:" in record.exit.message) == (call == "ptrace")
        assert healthy.state == "ready"


# ---- a list of hosts


class Echo:
    """A server that says back what it hears, and counts who came."""

    def __init__(self) -> None:
        self.came = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()


@pytest_asyncio.fixture
async def echo() -> AsyncIterator[tuple[Echo, int]]:
    made = Echo()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    yield made, server.sockets[0].getsockname()[1]
    server.close()


LISTED = (
    PREAMBLE
    + """
@service.path("/connects", identity="connects")
class Connects(Base):
    async def work(self, host, port):
        made = {}

        def waits():
            with socket.create_connection((host, port), timeout=None) as one:
                one.sendall(b"over")
                return one.recv(10).decode(), one.getsockname()[0], one.getpeername()[1] == port

        def with_timeout():
            with socket.create_connection((host, port), timeout=20) as one:
                one.sendall(b"timed")
                return one.recv(10).decode()

        async def by_asyncio():
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"async")
            said = (await reader.read(10)).decode()
            writer.close()
            return said

        made["waits"] = tried(waits)
        made["timeout"] = tried(with_timeout)
        try:
            made["asyncio"] = await by_asyncio()
        except OSError as error:
            made["asyncio"] = errno.errorcode[error.errno]
        code = f"import socket; s = socket.create_connection(({host!r}, {port})); "
        code += "s.sendall(b'c'); print(s.recv(1))"
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=-1, stderr=-1)
        out, failed = await child.communicate()
        made["child"] = (out or failed).decode().strip().splitlines()[-1]
        made["udp"] = tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        made["listens"] = tried(lambda: socket.create_server(("127.0.0.1", 0)))
        return made


@service.path("/resolves", identity="resolves")
class Resolves(Base):
    async def work(self, name):
        def one():
            return sorted({found[4][0] for found in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)})
        try:
            return one()
        except socket.gaierror as error:
            return error.errno == socket.EAI_NONAME


@service.path("/twice", identity="twice")
class Twice(Base):
    async def work(self, port):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        one.connect(("127.0.0.1", port))
        again = tried(lambda: one.connect(("127.0.0.1", port)))
        return [again, one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)]
"""
    + RUN
)


@pytest.mark.parametrize("how", ["forked", "fresh", "in a container"])
async def test_listed_addresses_are_reached_in_every_way_and_nothing_else_is(
    confined: Confined,  # noqa: F811
    echo: tuple[Echo, int],
    how: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    came, port = echo
    if how == "fresh":
        (tmp_path / "agents").mkdir()
        (tmp_path / "agents" / "all.toml").write_text('fork = "never"\n')
    elif how == "in a container":  # whose engine lets nobody have a copy of another's socket
        monkeypatch.setattr("runtime.process.confine.watch.socket_of", lambda pid, number: None)
    async with confined(agents=LISTED, network=(f"127.0.0.1:{port}",)) as server:
        reached = await said(server, "/connects", host="127.0.0.1", port=port)
        assert reached == {
            "waits": "('over', '127.0.0.1', True)",
            "timeout": "timed",
            "asyncio": "async",
            "child": "b'c'",
            "udp": "EACCES",
            "listens": "EACCES",
        }
        assert came.came == 4
        denied = {
            "waits": "EACCES",
            "timeout": "EACCES",
            "asyncio": "EACCES",
            "udp": "EACCES",
            "listens": "EACCES",
        }
        denied["child"] = "PermissionError: [Errno 13] Permission denied"
        with socket.create_server(("127.0.0.1", 0)) as other:
            assert await said(server, "/connects", host="127.0.0.1", port=other.getsockname()[1]) == denied
        assert await said(server, "/connects", host="127.0.0.1", port=server.front.port) == denied
        assert came.came == 4


async def test_a_second_connect_and_what_was_set_before_the_first_are_as_ever(
    confined: Confined,  # noqa: F811
    echo: tuple[Echo, int],
) -> None:
    _, port = echo
    async with confined(agents=LISTED, network=(f"127.0.0.0/8:{port}",)) as server:
        assert await said(server, "/twice", port=port) == ["EISCONN", 1]


async def test_a_port_where_nobody_listens_is_refused_as_ever(confined: Confined) -> None:  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    async with confined(agents=LISTED, network=("127.0.0.1",)) as server:
        found = await said(server, "/connects", host="127.0.0.1", port=port)
        assert {found["waits"], found["timeout"], found["asyncio"]} == {"ECONNREFUSED"}


async def test_the_server_itself_is_never_reached_though_its_address_is_listed(confined: Confined) -> None:  # noqa: F811
    async with confined(agents=LISTED, network=("127.0.0.0/8",)) as server:
        found = await said(server, "/connects", host="127.0.0.1", port=server.front.port)
        assert {found["waits"], found["timeout"], found["asyncio"]} == {"EACCES"}


async def test_names_of_the_list_are_found_and_others_are_not(confined: Confined) -> None:  # noqa: F811
    async with confined(agents=LISTED, network=("listed.test:80",)) as server:
        names = server.front.placement.supervisor._gate._names

        async def ask(name: str) -> Any:
            from ipaddress import ip_address

            return (ip_address("192.0.2.7"), ip_address("2001:db8::7")) if name == "listed.test" else ()

        names._ask = ask
        assert await said(server, "/resolves", name="listed.test") == ["192.0.2.7", "2001:db8::7"]
        assert await said(server, "/resolves", name="other.test") is True
