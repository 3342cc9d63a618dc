"""One POST that follows nobody: to the addresses that were judged, or wherever the URL leads."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from functools import partial
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


class _Http(urllib.request.HTTPHandler):
    def __init__(self, found: Sequence[Address]) -> None:
        super().__init__()
        self._found = found

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(_Connection, found=self._found), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, found: Sequence[Address]) -> None:
        super().__init__()
        self._found = found

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(_TlsConnection, found=self._found), req)


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
    direct = (urllib.request.ProxyHandler({}), _Http(found), _Https(found)) if found else ()
    opener = urllib.request.build_opener(_NoRedirects, *direct)
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
