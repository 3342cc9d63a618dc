"""One POST that follows nobody: to the addresses that were judged, or wherever the URL leads."""

from __future__ import annotations

import os
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any

from runtime.confinement.addresses import Address


class Unanswered(Exception):
    """Nobody answered; says why."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        # Whoever named the URL was allowed to name that one, not where it might send us.
        return None


class _Connection(HTTPConnection):
    """Connects to the addresses that were judged, whatever the name means by now."""

    def __init__(self, *given: Any, found: Sequence[Address] = (), **options: Any) -> None:
        super().__init__(*given, **options)
        self._found = found

    def connect(self) -> None:
        failed: OSError | None = None
        for address in self._found:
            try:
                self.sock = socket.create_connection((str(address), self.port), self.timeout)
            except OSError as error:
                failed = error
            else:
                return
        raise failed or OSError("no address")


class _TlsConnection(HTTPSConnection, _Connection):
    """The same, for the certificate of the name."""

    def __init__(self, *given: Any, found: Sequence[Address], **options: Any) -> None:
        super().__init__(*given, **options)  # hands on what it knows, which these are not
        self._found = found


def _tls() -> ssl.SSLContext:
    """What certificates are checked by."""
    return _trusting(*(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")))


@lru_cache(2)
def _trusting(*_: str | None) -> ssl.SSLContext:
    """To read all certificates that are trusted takes a processor for 50 ms."""
    made = ssl.create_default_context()
    made.set_alpn_protocols(["http/1.1"])
    return made


class _Http(urllib.request.HTTPHandler):
    def __init__(self, found: Sequence[Address]) -> None:
        super().__init__()
        self._found = found

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(_Connection, found=self._found), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, found: Sequence[Address]) -> None:
        super().__init__(context=_tls())
        self._found = found

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(_TlsConnection, found=self._found, context=_tls()), req)


def _handlers(url: str, found: Sequence[Address]) -> list[urllib.request.BaseHandler]:
    proxies = {} if found else urllib.request.getproxies()
    handlers = [
        urllib.request.ProxyHandler(proxies),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _NoRedirects(),
        _Http(found) if found else urllib.request.HTTPHandler(),
    ]
    if any(one.lower().startswith("https:") for one in (url, *proxies.values())):
        handlers.append(_Https(found) if found else urllib.request.HTTPSHandler(context=_tls()))
    return handlers


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, found: Sequence[Address] = (), timeout_s: float
) -> int:
    """Post JSON, and return the status of the answer, whose body is not read.  Waits: call it in a thread.

    Args:
        found: The addresses to connect to, past any proxy; none for wherever the URL leads.
        timeout_s: For each step of it.

    Raises:
        Unanswered: There was no answer.
    """
    given = {"Content-Type": "application/json", "User-Agent": "bulkhead", **headers}
    opener = urllib.request.OpenerDirector()
    for handler in _handlers(url, found):
        opener.add_handler(handler)
    try:
        with opener.open(
            urllib.request.Request(url, body, given, method="POST"), timeout=timeout_s
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        status = error.code
        error.close()
        return status
    except (OSError, HTTPException, ValueError) as error:
        raise Unanswered(str(getattr(error, "reason", None) or error or type(error).__name__)) from error
