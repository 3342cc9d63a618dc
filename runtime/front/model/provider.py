"""One model provider over HTTP, streaming: what it answers is passed on piece by piece, never gathered.

httpx asks it, over connections that are kept for the next request, through the proxy that the environment
names (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY; not for the hosts of NO_PROXY, nor for this machine), trusting the
system's certificates or those of SSL_CERT_FILE and SSL_CERT_DIR.  The first request loads httpx: a server
whose agents ask no model through it starts and idles without.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import ssl
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

import runtime
from runtime.errors import ConfigError, RuntimeServiceError

if TYPE_CHECKING:
    import httpx

OPENAI_URL: Final = "https://api.openai.com/v1"
ANTHROPIC_URL: Final = "https://api.anthropic.com"
_LIKE: Final = {"OPENAI_BASE_URL": OPENAI_URL, "ANTHROPIC_BASE_URL": ANTHROPIC_URL}
NO_KEY: Final = "none"
"""Sent where only a URL is set: local servers want a key to be there, not to be right."""

CONNECT_S: Final = 15.0
"""Until a request may be sent: a free connection, the name, the proxy and TLS together."""

SILENCE_S: Final = 600.0
"""How long a provider may think without a byte; a plain answer comes only once all of it is written."""

MAX_CONNECTIONS: Final = 256
MAX_KEPT: Final = 16
KEPT_S: Final = 4.0
"""How long an unused connection is kept: many servers close theirs after five seconds."""

REACH_CURE: Final = "Check {} and the network of the server; HTTPS_PROXY if it needs a proxy."
PROXY_CURE: Final = "Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY (http://host:port), and NO_PROXY."
TRUST_CURE: Final = "Give the file of the certificates to trust as SSL_CERT_FILE."


class ProviderUnreachable(RuntimeServiceError):
    """The model provider could not be reached, or broke off."""

    code: ClassVar[str] = "provider_unreachable"


class ProviderAnswer(msgspec.Struct, frozen=True):
    """The head of an answer, and its body as it comes.

    Attributes:
        headers: Names in lower case.
        chunks: To be read once.  Raises `ProviderUnreachable` when the provider breaks off.
    """

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class Provider:
    """A model provider.  `aclose` it in the end.

    Args:
        url: Its base URL; OpenAI's up to ``/v1``.
        key: Sent as the bearer, or as ``x-api-key``.
        named: The variable that names the URL.

    Raises:
        ConfigError: `url` is no http or https URL.
    """

    def __init__(self, url: str, key: str, *, named: str = "OPENAI_BASE_URL", is_bearer: bool = True) -> None:
        self.url, self._named = _checked(url, named), named
        key = key or NO_KEY
        self._proof = {"authorization": f"Bearer {key}"} if is_bearer else {"x-api-key": key}
        self._client: httpx.AsyncClient | None = None

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        if self._client is not None:
            await self._client.aclose()

    @asynccontextmanager
    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> AsyncIterator[ProviderAnswer]:
        """Post JSON below the base URL; leaving the block ends the request, finished or not.

        The connection is kept for the next one if the answer was read to its end, and closed if not.

        Args:
            headers: Sent besides those that every request needs.

        Raises:
            ProviderUnreachable: No connection, no answer in time, or not HTTP.
        """
        if self._client is None:
            # In a thread: to load httpx and the system's certificates takes a tenth of a second.
            made = await asyncio.to_thread(make_client, is_near=_is_loopback(self.url))
            self._client = self._client or made
        sent = {
            **headers,
            **self._proof,
            "content-type": "application/json",
            "accept-encoding": "identity",  # compressed pieces could not be looked into
        }
        with self._told():
            answered = await _ask(self._client, f"{self.url}{path}", body, sent)
        try:
            yield ProviderAnswer(answered.status_code, dict(answered.headers), self._chunks(answered))
        finally:
            await answered.aclose()

    async def _chunks(self, answered: httpx.Response) -> AsyncIterator[bytes]:
        with self._told():
            async for chunk in answered.aiter_raw():
                yield chunk

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What httpx raises, as one error that says what to look at."""
        import httpx

        try:
            yield
        except (httpx.ProxyError, httpx.UnsupportedProtocol) as error:
            raise ProviderUnreachable(
                f"the proxy on the way to the model provider at {self.url} refused: {error}", cure=PROXY_CURE
            ) from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, TimeoutError) as error:
            said = str(error) or type(error).__name__
            raise ProviderUnreachable(
                f"the model provider at {self.url} cannot be reached: {said}",
                cure=TRUST_CURE if "CERTIFICATE_VERIFY_FAILED" in said else REACH_CURE.format(self._named),
            ) from error
        except httpx.TimeoutException as error:
            raise ProviderUnreachable(f"{self.url} said nothing for {SILENCE_S:g} s") from error
        except httpx.HTTPError as error:
            raise ProviderUnreachable(f"{self.url} broke off: {error}", cure="Try again.") from error


def _checked(url: str, named: str) -> str:
    try:
        parts = urlsplit(url.rstrip("/"))
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            # A name and a password in it would take the place of the key.
            return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        pass  # no port, or half an IPv6 address
    raise ConfigError(
        f"the model provider's URL {url[:200]!r} cannot be used",
        cure=f"Set {named} to something like {_LIKE[named]}.",
    )


async def _ask(
    client: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str]
) -> httpx.Response:
    """The head of an answer.

    A kept connection may have been closed by the provider in the moment in which it is taken again; what was
    sent on it is then sent once more, as it was never read.
    """
    import httpx

    is_kept = True

    async def traced(step: str, info: Mapping[str, Any]) -> None:
        nonlocal is_kept
        if step == "connection.connect_tcp.started":
            is_kept = False
        elif step == "http11.send_request_headers.started" and info["request"].method == b"POST":
            connecting.reschedule(None)  # not for a proxy's CONNECT, whose answer is waited for no longer

    for may_repeat in (True, False):
        request = client.build_request("POST", url, content=body, headers=dict(headers))
        request.extensions["trace"] = traced
        try:
            async with asyncio.timeout(CONNECT_S) as connecting:
                return await client.send(request, stream=True)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if not (is_kept and may_repeat):
                raise
    raise AssertionError("the second attempt returns or raises")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def make_client(*, is_near: bool) -> httpx.AsyncClient:
    """Runs in a thread.

    Args:
        is_near: The provider is on this machine, where no proxy reaches it.

    Raises:
        ProviderUnreachable: The environment's proxy or certificates cannot be used.
    """
    # httpx imports what its command line needs whenever that is installed: 4 MB, and 200 ms.
    hidden = "httpx" not in sys.modules
    if hidden:
        sys.modules["httpx._main"] = None  # type: ignore[assignment]
    try:
        import httpx
    finally:
        if hidden:
            del sys.modules["httpx._main"]
    try:
        return httpx.AsyncClient(
            verify=_trust(),
            trust_env=not is_near,
            timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_S, pool=CONNECT_S),
            limits=httpx.Limits(
                max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_KEPT, keepalive_expiry=KEPT_S
            ),
            # What the provider would have remembered is one agent's, the connection is everybody's.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers={"user-agent": f"bulkhead/{runtime.__version__}"},
        )
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise ProviderUnreachable(
            f"the proxy that the server's environment names cannot be used: {error}", cure=PROXY_CURE
        ) from error


def _trust() -> ssl.SSLContext:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        # OpenSSL passes over one that is not there, and then trusts nobody.
        if (path := os.environ.get(name)) and not os.path.exists(path):
            raise ProviderUnreachable(f"{name} names {path}, which is not there", cure=TRUST_CURE)
    return ssl.create_default_context()
