from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runtime.dispatch.dispatcher import Accepted
from runtime.errors import InvalidRequest, PermissionDenied, RoomError
from runtime.front.access import caller as module
from runtime.front.access.caller import RoomCaller
from runtime.front.access.calling_out import ServiceCaller
from runtime.front.access.destinations import Destinations, addresses
from runtime.session.admission import Refused
from runtime.session.spec import SessionId
from runtime.wire.signature import verify
from runtime.wire.webhook import RoomCall

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

PKI = Path(__file__).parents[1] / "model" / "pki"
SECRET = "a-secret-of-at-least-thirty-two-bytes"


class Elsewhere(BaseHTTPRequestHandler):
    asked: list[tuple[str, dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        status = int(self.path.rsplit("/", 1)[1])
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return None


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[Any]]]:
    handler = type("Handler", (Elsewhere,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler.asked
        server.shutdown()
        thread.join()


def caller(
    outcome: Any = None, *, listed: str = "localhost", port: int = 8080
) -> tuple[RoomCaller, list[tuple[str, RoomCall]]]:
    one = RoomCaller(
        port=port,
        own_hosts=("me.example",),
        room_url=lambda room: f"wss://me.example/rooms/{room}",
        secret=SECRET,
        destinations=Destinations(listed),
    )
    dispatched: list[tuple[str, RoomCall]] = []

    async def dispatch(path: str, call: RoomCall) -> Any:
        dispatched.append((path, call))
        return outcome or Accepted(SessionId("s_1"))

    one.dispatch = dispatch
    return one, dispatched


async def ask(one: RoomCaller, url: str) -> None:
    await one.call(url=url, room="r", name="n", arguments={"a": 1}, token="t")


@pytest.mark.parametrize(
    "own",
    [
        "http://localhost:8080",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "http://me.example:8080",
        # By whatever name: our own port at one of this machine's addresses.
        "http://0.0.0.0:8080",
        "http://127.0.0.2:8080",
        "http://[::ffff:127.0.0.1]:8080",
    ],
)
async def test_our_own_endpoints_are_called_directly(own: str) -> None:
    one, dispatched = caller(listed="")
    await ask(one, f"{own}/my%20agent?x=1")
    assert dispatched == [("/my agent", RoomCall(room_name="r", token="t", arguments={"a": 1}))]


async def test_a_refusal_reaches_who_asked() -> None:
    one, _ = caller(Refused("draining", 5, "the server is shutting down", "Later."))
    with pytest.raises(RoomError, match="shutting down"):
        await ask(one, "http://localhost:8080/chat")


async def test_a_container_is_called_past_any_proxy_and_an_address_by_one(
    elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, asked = elsewhere
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    one = ServiceCaller(caller()[0])
    call = {"room": "r", "token": "t", "secret": SECRET}
    await one(f"{url}/200", room_url="ws://10.0.0.1/rooms/r", **call)
    ((_, headers, body),) = asked
    verify(headers, body, secrets=[SECRET], now=0, window_s=1)
    assert json.loads(body)["data"]["room_url"] == "ws://10.0.0.1/rooms/r"
    with pytest.raises(RoomError, match="did not answer"):
        await one(f"{url}/200", room_url=None, **call)


async def test_others_get_a_signed_webhook(elsewhere: Any) -> None:
    url, asked = elsewhere
    one, dispatched = caller()
    await ask(one, f"{url}/200")
    ((_, headers, body),) = asked
    verify(headers, body, secrets=[SECRET], now=0, window_s=1)
    assert body == json.dumps(json.loads(body)).encode()
    assert json.loads(body) == {
        "event": "room.call",
        "data": {
            "room_name": "r",
            "room_url": "wss://me.example/rooms/r",
            "token": "t",
            "arguments": {"a": 1},
        },
    }
    assert dispatched == []


async def test_a_service_behind_tls_is_asked_for_its_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    # The name of the certificate, which means this machine here.
    monkeypatch.setattr(module, "addresses", lambda _, port: addresses("127.0.0.1", port))
    handler = type("Handler", (Elsewhere,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PKI / "server.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with pytest.raises(RoomError, match="certificate verify failed"):
                await ask(
                    caller(listed="provider.test")[0], f"https://provider.test:{server.server_port}/200"
                )
            monkeypatch.setenv("SSL_CERT_FILE", str(PKI / "ca.pem"))
            await ask(caller(listed="provider.test")[0], f"https://provider.test:{server.server_port}/200")
        finally:
            server.shutdown()
            thread.join()
    assert [path for path, _, _ in handler.asked] == ["/200"]


@pytest.mark.parametrize("status", [302, 401, 500])
async def test_any_other_answer_is_an_error_and_a_redirect_is_not_followed(
    elsewhere: Any, status: int
) -> None:
    url, asked = elsewhere
    with pytest.raises(RoomError, match=f"answered {status}"):
        await ask(caller()[0], f"{url}/{status}")
    assert len(asked) == 1


@pytest.mark.parametrize(
    "url", ["", "file:///etc/passwd", "ftp://h/x", "http://", "http://[::1", "http://h:99999/"]
)
async def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        await ask(caller()[0], url)


async def test_nobody_there_is_said() -> None:
    with pytest.raises(RoomError, match="did not answer"):
        await ask(caller()[0], "http://127.0.0.1:9/x")


@pytest.mark.parametrize("listed", ["", "10.0.0.0/8 localhost:1 agents.internal"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "127.1", "[::ffff:127.0.0.1]"])
async def test_nothing_is_posted_where_only_this_server_may_go(
    elsewhere: Any, host: str, listed: str
) -> None:
    url, asked = elsewhere
    port = url.rpartition(":")[2]
    with pytest.raises(PermissionDenied, match="no public address") as refused:
        await ask(caller(listed=listed)[0], f"http://{host}:{port}/200")
    assert f"BULKHEAD_CALL_ALLOW={host}:{port}" in (refused.value.cure or "")
    assert asked == []


async def test_nothing_of_a_cloud_or_a_neighbour_either() -> None:
    for url in (
        "http://169.254.169.254/latest",
        "http://10.0.0.1/",
        "http://[fd00:ec2::254]/",
        "https://192.168.0.1",
    ):
        with pytest.raises(PermissionDenied):
            await ask(caller(listed="")[0], url)


async def test_it_is_posted_to_the_address_that_was_judged(
    elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, asked = elsewhere
    port = int(url.rpartition(":")[2])
    meant = iter([["127.0.0.1"], ["203.0.113.7"]])  # asked a second time, the name is another place
    monkeypatch.setattr(module, "addresses", lambda host, port: addresses(next(meant)[0], port))
    await ask(caller(listed=f"agents.internal:{port}")[0], f"http://agents.internal:{port}/200")
    ((_, headers, _),) = asked
    assert headers["host"] == f"agents.internal:{port}"


async def test_through_a_proxy_the_address_is_judged_as_well(
    elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, asked = elsewhere
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(PermissionDenied):
        await ask(caller(listed="")[0], "http://169.254.169.254/200")
    assert asked == []
    await ask(caller(listed="")[0], "http://a-name-that-only-the-proxy-knows.invalid/200")
    ((path, _, _),) = asked
    assert path == "http://a-name-that-only-the-proxy-knows.invalid/200"
