"""The model of a session without a network: the server asks it, over the pipe that the session has anyway.

Clients of the openai and anthropic packages work as ever: what they ask a model at the room's server is
put on the pipe instead of a connection, below httpx, so that our own adapter, MeshAgent's and an agent's own
client are all served.  What goes elsewhere is refused with a sentence that says what to write.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from runtime.model.contract import ASKED_WITH, PATHS, ModelError, bearer_of

URL: Final = "http://room.invalid/v1"
"""Where clients of our own ask; no such host exists."""

_HEADERS_LEFT_OUT: Final = ("transfer-encoding", "content-length", "content-encoding", "connection")


class Answer(Protocol):
    """An answer of the model, in the terms of HTTP."""

    status: int
    headers: dict[str, str]

    def chunks(self) -> AsyncIterator[bytes]:
        """Its body as it comes; who does not read slows it down.  Raises ModelError when it breaks off."""
        ...

    async def aclose(self) -> None:
        """Read no more of it; the server then stops asking."""
        ...


class Asks(Protocol):
    """What takes questions to the server.

    Attributes:
        kind: ``provider`` where the server has one, ``offline`` where its built-in model would answer,
            ``none`` where it would not.
        token: The participant token of the session.
    """

    kind: str
    token: str

    async def ask(self, path: str, bearer: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post a request to a model.  Raises ModelError when the server is gone."""
        ...


_asks: Asks | None = None
_hosts: set[str] = set()
_is_alone = False


def current() -> Asks | None:
    """What this session asks its model by; None where it has a network of its own."""
    return _asks if _is_alone else None


def use(asks: Asks, *, room_url: str, is_alone: bool) -> None:
    """Ask by this from now on.  Called once, when the process becomes a session.

    Args:
        room_url: Requests to the server of that room go over the pipe.
        is_alone: There is no network at all: other requests are refused here, with the reason.
    """
    global _asks, _is_alone
    _asks, _is_alone = asks, is_alone
    _hosts.add(str(urlsplit(URL).hostname))
    if netloc := urlsplit(room_url).netloc:
        _hosts.add(netloc)
    for name, adapt in _ADAPTED.items():
        if name in sys.modules:
            adapt(sys.modules[name])
    sys.meta_path.insert(0, _Finder())


def make_client(openai: Any) -> Any:
    """A client of the openai package that asks over the pipe.

    Raises:
        ModelError: The server has no provider to ask.
    """
    assert _asks is not None
    if _asks.kind != "provider":
        raise ModelError(
            "This session has no network, and its server knows no model provider",
            cure="Set OPENAI_API_KEY or OPENAI_BASE_URL for the server, or allow the provider's host: "
            'confinement=Confine(network=["api.openai.com:443"]).',
        )
    return openai.AsyncOpenAI(api_key=_asks.token or "none", base_url=URL)


def _prefer_requests(module: Any) -> None:
    """Have MeshAgent's adapter ask by requests, where its release would by a websocket of its own."""
    adapter = getattr(module, "OpenAIResponsesAdapter", None)
    if adapter is not None and "mode" in inspect.signature(adapter.__init__).parameters:
        # Of the class, so that it holds for adapters that the program made while it was imported.
        adapter._mode = property(lambda _: "request", lambda _, __: None)


def _reroute(httpx: Any) -> None:
    transport = httpx.AsyncHTTPTransport
    if getattr(transport, "_bulkhead_reroutes", False):
        return
    dial = transport.handle_async_request

    class Stream(httpx.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, answer: Answer) -> None:
            self._answer = answer

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                async for chunk in self._answer.chunks():
                    yield chunk
            except ModelError as error:
                raise httpx.ReadError(str(error)) from error

        async def aclose(self) -> None:
            await self._answer.aclose()

    async def handle_async_request(self: Any, request: Any) -> Any:
        url = request.url
        if _asks is None:
            return await dial(self, request)
        if request.method == "POST" and _is_of_room(url):
            bearer = bearer_of(request.headers)
            headers = {name: request.headers[name] for name in ASKED_WITH if name in request.headers}
            body = await request.aread()
            try:
                answer = await _asks.ask(url.path, bearer, body, headers)
            except ModelError as error:
                raise httpx.ConnectError(str(error), request=request) from error
            headers = {name: value for name, value in answer.headers.items() if name not in _HEADERS_LEFT_OUT}
            return httpx.Response(answer.status, headers=headers, stream=Stream(answer), request=request)
        if _is_alone:
            where = f"{url.host}:{url.port or (443 if url.scheme == 'https' else 80)}"
            raise httpx.ConnectError(
                f"this session has no network, so {where} cannot be reached. "
                f'If it is meant, allow it: confinement=Confine(network=["{where}"]).',
                request=request,
            )
        return await dial(self, request)

    transport.handle_async_request = handle_async_request
    transport._bulkhead_reroutes = True


_ADAPTED: Final[dict[str, Callable[[Any], None]]] = {
    "httpx": _reroute,
    "httpx2": _reroute,
    "meshagent.openai.tools.responses_adapter": _prefer_requests,
}


class _Finder(MetaPathFinder):
    """Finds those modules as ever, and adapts them once they have run: an agent may import them late."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _ADAPTED:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                _ADAPTED[fullname](module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _is_of_room(url: Any) -> bool:
    netloc = url.netloc.decode("ascii", "replace")
    return netloc in _hosts and url.path.endswith(PATHS)
