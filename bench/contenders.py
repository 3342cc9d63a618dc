"""Other ways to answer a signed webhook, for comparison: ``python -m bench.contenders quart|asgi PORT``.

Each does what our front must do before it answers (read the body, verify its signature, parse it) and no
more: no journal, no metrics, no problem documents.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response, request

from bench.server import SECRET
from runtime.wire.signature import verify
from runtime.wire.webhook import parse

OK = b'{"ok":true}'


def check(headers: Mapping[str, str], body: bytes) -> None:
    verify(headers, body, secrets=(SECRET,), now=time.time(), window_s=300)
    parse(body)


def quart_app() -> Quart:
    app = Quart("bench")

    @app.post("/bench")
    async def webhook() -> Response:
        body = await request.get_data()
        check({name.lower(): value for name, value in request.headers.items()}, body)
        return Response(OK, content_type="application/json")

    return app


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    check({name.decode(): value.decode() for name, value in scope["headers"]}, body)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"11")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": OK})


def main(kind: str, port: int) -> None:
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.accesslog = config.errorlog = None
    app: Any = quart_app() if kind == "quart" else asgi_app
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
