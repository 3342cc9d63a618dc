from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from runtime.dispatch.dispatcher import Accepted
from runtime.errors import InvalidRequest, RoomError
from runtime.front.access.caller import RoomCaller
from runtime.session.admission import Refused
from runtime.session.spec import SessionId
from runtime.wire.signature import verify
from runtime.wire.webhook import RoomCall

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

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


def caller(outcome: Any = None) -> tuple[RoomCaller, list[tuple[str, RoomCall]]]:
    one = RoomCaller(
        port=8080,
        own_hosts=("me.example",),
        room_url=lambda room: f"wss://me.example/rooms/{room}",
        secret=SECRET,
    )
    dispatched: list[tuple[str, RoomCall]] = []

    async def dispatch(path: str, call: RoomCall) -> Any:
        dispatched.append((path, call))
        return outcome or Accepted(SessionId("s_1"))

    one.dispatch = dispatch
    return one, dispatched


async def ask(one: RoomCaller, url: str) -> None:
    await one.call(url=url, room="r", name="n", arguments={"a": 1}, token="t")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "me.example"])
async def test_our_own_endpoints_are_called_directly(host: str) -> None:
    one, dispatched = caller()
    await ask(one, f"http://{host}:8080/my%20agent?x=1")
    assert dispatched == [("/my agent", RoomCall(room_name="r", token="t", arguments={"a": 1}))]


async def test_a_refusal_reaches_who_asked() -> None:
    one, _ = caller(Refused("draining", 5, "the server is shutting down", "Later."))
    with pytest.raises(RoomError, match="shutting down"):
        await ask(one, "http://localhost:8080/chat")


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
