"""The way to the model's provider: proxies, certificates, connections that are kept, ends that are told."""

from __future__ import annotations

import asyncio
import base64
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from runtime.errors import ConfigError
from runtime.front.model import provider as module
from runtime.front.model.provider import Provider, ProviderUnreachable

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

PKI = Path(__file__).parent / "pki"
CA_HASH = "6917062c.0"  # openssl x509 -hash -in ca.pem
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *(name.lower() for name in PROXIES), "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


class Upstream:
    """A provider that keeps connections, answers in two pieces, and holds the second until `go_on` is set."""

    def __init__(self) -> None:
        self.connections = 0
        self.open = 0
        self.heads: list[str] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        self.extra = ""
        self.answers = True
        self.writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                await reader.readexactly(int(head.lower().split("content-length: ")[1].split("\r\n")[0]))
                self.heads.append(head)
                self.asked.set()
                if not self.answers:
                    return
                await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            self.left.set()
            self.writers.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\n{self.extra}transfer-encoding: chunked\r\n\r\n".encode())
        writer.write(b"3\r\none\r\n")
        going = asyncio.create_task(self.go_on.wait())
        gone = asyncio.create_task(reader.read(1))
        await asyncio.wait((going, gone), return_when=asyncio.FIRST_COMPLETED)
        is_gone = gone.done()
        for task in (going, gone):
            task.cancel()
        await asyncio.gather(going, gone, return_exceptions=True)
        if is_gone:
            raise ConnectionResetError
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    def hang_up(self) -> None:
        for writer in self.writers:
            writer.close()


class Proxy:
    """A forward proxy: tunnels on CONNECT, passes on requests for http URLs; every name is this machine."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.seen = b""
        self.refusal = ""
        self.is_silent = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            if self.is_silent:
                await reader.read()
                return
            if self.refusal:
                writer.write(f"HTTP/1.1 {self.refusal}\r\ncontent-length: 0\r\n\r\n".encode())
                return
            method, target, _ = head.split(" ", 2)
            authority = target if method == "CONNECT" else target.split("/")[2]
            up, on = await asyncio.open_connection("127.0.0.1", int(authority.rpartition(":")[2]))
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                on.write(head.encode())
            try:
                await asyncio.gather(self._copy(reader, on), self._copy(up, writer))
            finally:
                on.close()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.seen += data
            writer.write(data)
        writer.close()


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[Upstream]:
    yield Upstream()


@pytest_asyncio.fixture
async def listening() -> AsyncIterator[Any]:
    """``await listening(serve, ssl=None)``: the port of a server that is closed in the end."""
    servers = []

    async def listen(serve: Any, context: ssl.SSLContext | None = None) -> int:
        servers.append(await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context))
        port: int = servers[-1].sockets[0].getsockname()[1]
        return port

    yield listen
    for server in servers:
        server.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:  # 3.11 waits for no connection's handler
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest_asyncio.fixture
async def providing() -> AsyncIterator[Any]:
    """``providing(url)``: a provider that is closed in the end."""
    made: list[Provider] = []

    def provide(url: str, key: str = "sk-secret") -> Provider:
        made.append(Provider(url, key))
        return made[-1]

    yield provide
    for provider in made:
        await provider.aclose()


def secure() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PKI / "server.pem")
    return context


async def ask(provider: Provider) -> bytes:
    async with provider.post("/responses", b"{}", {}) as answer:
        return b"".join([chunk async for chunk in answer.chunks])


async def test_https_goes_through_the_proxys_tunnel_with_a_certificate_of_ones_own(
    upstream: Upstream, listening: Any, providing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, proxy = await listening(upstream.serve, secure()), Proxy()
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:word@127.0.0.1:{await listening(proxy.serve)}")
    monkeypatch.setenv("SSL_CERT_FILE", str(PKI / "ca.pem"))
    provider = providing(f"https://provider.test:{port}/v1")  # a name that the proxy alone can resolve
    assert await ask(provider) == b"onetwo"
    (tunnel,) = proxy.heads
    assert tunnel.startswith(f"CONNECT provider.test:{port} HTTP/1.1\r\n")
    assert base64.b64encode(b"me:word").decode() in tunnel
    assert b"sk-secret" not in proxy.seen
    assert "sk-secret" not in tunnel
    assert upstream.heads[0].startswith("POST /v1/responses HTTP/1.1\r\n")
    assert "authorization: bearer sk-secret" in upstream.heads[0].lower()
    assert await ask(provider) == b"onetwo"
    assert len(proxy.heads) == 1  # the tunnel was kept


async def test_http_is_given_to_its_proxy_and_no_proxy_goes_by_it(
    upstream: Upstream, listening: Any, providing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, proxy = await listening(upstream.serve), Proxy()
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{await listening(proxy.serve)}")
    assert await ask(providing(f"http://provider.test:{port}/v1")) == b"onetwo"
    assert proxy.heads[0].startswith(f"POST http://provider.test:{port}/v1/responses HTTP/1.1\r\n")
    assert await ask(providing(f"http://0.0.0.0:{port}/v1")) == b"onetwo"
    assert len(proxy.heads) == 2
    monkeypatch.setenv("NO_PROXY", "example.com,0.0.0.0")
    assert await ask(providing(f"http://0.0.0.0:{port}/v1")) == b"onetwo"
    assert len(proxy.heads) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_model_on_this_machine_is_asked_without_the_proxy(
    upstream: Upstream, listening: Any, providing: Any, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    for name in PROXIES[:3]:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await ask(providing(f"http://{host}:{await listening(upstream.serve)}/v1")) == b"onetwo"


async def test_a_folder_of_certificates_is_trusted_too(
    upstream: Upstream, listening: Any, providing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / CA_HASH).write_text((PKI / "ca.pem").read_text())
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    port = await listening(upstream.serve, secure())
    assert await ask(providing(f"https://127.0.0.1:{port}/v1")) == b"onetwo"


async def test_whom_nobody_vouches_for_is_told_no_key(
    upstream: Upstream, listening: Any, providing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = await listening(upstream.serve, secure())
    with pytest.raises(ProviderUnreachable, match=r"CERTIFICATE_VERIFY_FAILED.*SSL_CERT_FILE"):
        await ask(providing(f"https://127.0.0.1:{port}/v1"))
    assert upstream.heads == []
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(ProviderUnreachable, match="SSL_CERT_FILE names /nowhere/ca"):
        await ask(providing(f"https://127.0.0.1:{port}/v1"))


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:1", "carrier-pigeon://127.0.0.1", "http://127.0.0.1:x"])
async def test_a_proxy_that_cannot_be_used_is_an_error_that_names_the_variable(
    providing: Any, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    with pytest.raises(ProviderUnreachable, match=r"cannot be used: .*Check HTTPS_PROXY"):
        await ask(providing("https://provider.test/v1"))


async def test_a_proxy_that_refuses_or_says_nothing_is_told_apart_from_the_provider(
    listening: Any, providing: Any, monkeypatch: pytest.MonkeyPatch, within: Any
) -> None:
    proxy = Proxy()
    proxy.refusal = "407 Proxy Authentication Required"
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{await listening(proxy.serve)}")
    with pytest.raises(ProviderUnreachable, match=r"the proxy .*refused: 407 .*Check HTTPS_PROXY"):
        await ask(providing("https://provider.test/v1"))
    monkeypatch.setattr(module, "CONNECT_S", 0.2)
    proxy.is_silent = True
    with pytest.raises(ProviderUnreachable, match="cannot be reached"):
        await within(10, ask(providing("https://provider.test/v1")))


async def test_a_thinking_provider_has_longer_than_the_way_to_it(
    upstream: Upstream, listening: Any, providing: Any, monkeypatch: pytest.MonkeyPatch, within: Any
) -> None:
    provider = providing(f"http://127.0.0.1:{await listening(upstream.serve)}/v1")
    await ask(provider)
    monkeypatch.setattr(module, "CONNECT_S", 0.05)
    thinking = asyncio.Event()
    answer = upstream._answer

    async def think(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await thinking.wait()
        await answer(reader, writer)

    monkeypatch.setattr(upstream, "_answer", think)
    upstream.asked.clear()
    asked = asyncio.create_task(ask(provider))
    await within(10, upstream.asked.wait())
    await asyncio.wait({asked}, timeout=0.2)  # longer than the whole way may take
    thinking.set()
    assert await within(10, asked) == b"onetwo"


async def test_a_connection_is_used_again_when_its_answer_was_read(
    upstream: Upstream, listening: Any, providing: Any, within: Any
) -> None:
    provider = providing(f"http://127.0.0.1:{await listening(upstream.serve)}/v1")
    assert [await ask(provider) for _ in range(3)] == [b"onetwo"] * 3
    assert upstream.connections == 1
    upstream.go_on.clear()
    async with provider.post("/responses", b"{}", {}) as answer:
        assert await anext(answer.chunks) == b"one"
    await within(10, upstream.left.wait())
    upstream.go_on.set()
    assert await ask(provider) == b"onetwo"
    assert upstream.connections == 2


async def test_connections_are_bounded_and_so_are_those_that_are_kept(
    upstream: Upstream, listening: Any, providing: Any, monkeypatch: pytest.MonkeyPatch, within: Any
) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(module, "MAX_KEPT", 1)
    provider = providing(f"http://127.0.0.1:{await listening(upstream.serve)}/v1")
    upstream.go_on.clear()
    asked = [asyncio.create_task(ask(provider)) for _ in range(3)]
    while len(upstream.heads) < 3:
        upstream.asked.clear()
        await within(10, upstream.asked.wait())
    monkeypatch.setattr(module, "CONNECT_S", 0.05)
    with pytest.raises(ProviderUnreachable, match="cannot be reached"):
        await within(10, ask(provider))
    upstream.left.clear()
    upstream.go_on.set()
    assert await within(10, asyncio.gather(*asked)) == [b"onetwo"] * 3
    while upstream.open > 1:
        upstream.left.clear()
        await within(10, upstream.left.wait())
    assert upstream.connections == 3


async def test_each_piece_is_passed_on_before_the_next_is_made(
    upstream: Upstream, listening: Any, providing: Any, within: Any
) -> None:
    provider = providing(f"http://127.0.0.1:{await listening(upstream.serve)}/v1")
    upstream.go_on.clear()
    async with provider.post("/responses", b"{}", {}) as answer:
        assert await within(10, anext(answer.chunks)) == b"one"
        upstream.go_on.set()
        assert await within(10, anext(answer.chunks)) == b"two"


@pytest.mark.parametrize("is_answering", [True, False])
async def test_who_is_cancelled_leaves_the_provider(
    upstream: Upstream, listening: Any, providing: Any, within: Any, is_answering: bool
) -> None:
    provider = providing(f"http://127.0.0.1:{await listening(upstream.serve)}/v1")
    upstream.go_on.clear()
    first = asyncio.Event()
    if not is_answering:
        upstream._answer = lambda reader, writer: reader.readexactly(1)  # type: ignore[assignment,method-assign,return-value]

    async def read() -> None:
        async with provider.post("/responses", b"{}", {}) as answer:
            async for _ in answer.chunks:
                first.set()

    reading = asyncio.create_task(read())
    await within(10, (first if is_answering else upstream.asked).wait())
    reading.cancel()
    await within(10, upstream.left.wait())
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_kept_connection_that_was_closed_just_then_costs_nobody_an_answer(
    upstream: Upstream, listening: Any, providing: Any
) -> None:
    provider = providing(f"http://127.0.0.1:{await listening(upstream.serve)}/v1")
    assert await ask(provider) == b"onetwo"
    upstream.answers = False  # the kept connection is dropped with the request on it, as when both cross

    async def answer_again() -> None:
        await upstream.left.wait()
        upstream.answers = True

    upstream.left.clear()
    again = asyncio.create_task(answer_again())
    assert await ask(provider) == b"onetwo"
    assert (upstream.connections, len(upstream.heads)) == (2, 3)
    await again


async def test_a_provider_that_hangs_up_is_asked_once(
    upstream: Upstream, listening: Any, providing: Any
) -> None:
    provider = providing(f"http://127.0.0.1:{await listening(upstream.serve)}/v1")
    upstream.answers = False
    with pytest.raises(ProviderUnreachable, match="broke off"):
        await ask(provider)
    assert len(upstream.heads) == 1
    upstream.answers = True
    upstream.go_on.clear()
    async with provider.post("/responses", b"{}", {}) as answer:
        await anext(answer.chunks)
        upstream.hang_up()
        with pytest.raises(ProviderUnreachable, match="broke off"):
            await anext(answer.chunks)


async def test_neither_cookies_nor_a_password_in_the_url_are_sent(
    upstream: Upstream, listening: Any, providing: Any
) -> None:
    upstream.extra = "set-cookie: who=first; path=/\r\n"
    port = await listening(upstream.serve)
    provider = providing(f"http://me:word@127.0.0.1:{port}/v1/")
    assert [await ask(provider) for _ in range(2)] == [b"onetwo"] * 2
    for head in upstream.heads:
        assert "authorization: bearer sk-secret" in head.lower()
        assert "cookie" not in head.lower()
        assert head.startswith("POST /v1/responses ")


@pytest.mark.parametrize(
    "url", ["", "example.com/v1", "ftp://example.com/v1", "http://:80/v1", "http://a:b/v1", "http://[::1/v1"]
)
async def test_what_is_no_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be used.*https://api\.openai\.com/v1"):
        Provider(url, "")


async def test_a_server_starts_without_what_asks_providers(tmp_path: Path) -> None:
    program = f"""
import asyncio, sys
from runtime.front.server import Server
from runtime.settings import load_settings
async def main():
    flags = {{"server.port": 0, "server.state_dir": {str(tmp_path)!r}, "server.model_key": "sk"}}
    server = Server(load_settings(flags=flags, env={{}}), [])
    await server.start()
    await server.stop()
asyncio.run(main())
print("loaded:", *sorted({{"quart", "httpx", "httpcore"}} & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "loaded: quart"
