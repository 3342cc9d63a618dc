"""Reading a request's body within its bounds of size and time."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

from quart import Request
from quart.wrappers.request import Body

from runtime.errors import BodyTooLarge
from runtime.front.http.refusal import Refusal
from runtime.model import contract as model
from runtime.services.deployed.archive import MAX_ARCHIVE_BYTES
from runtime.settings.mail import MAX_MAIL_BYTES

LINGER_S: Final = 1.0
"""How long the rest of a refused body is read and dropped.

A client that writes all of its body before it reads would see its connection reset instead of the answer.
"""


MAIL_PATH: Final = "/mail/"
ARCHIVE_PATH: Final = re.compile(r"/accounts/projects/[^/]+/deployments/[^/]+/archive")


class BoundedBody(Body):
    """A body that stops being kept, not being read, once it is too large."""

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        super().__init__(expected_content_length, None)
        self.max_bytes = max_content_length
        self._expected = expected_content_length
        self._decided = asyncio.Event()
        self._kept = bytearray()
        self.is_too_large = self._exceeds(expected_content_length or 0)

    def append(self, data: bytes) -> None:
        """Called by Quart up to 0.22 with each piece that came in."""
        if self.is_too_large:
            return
        if self._exceeds(len(self._kept) + len(data)):
            self.is_too_large = True
            self._kept.clear()
            self._decided.set()
            return
        self._kept += data

    async def put(self, data: bytes) -> None:
        """The name of `append` from Quart 0.23 on."""
        self.append(data)

    def set_complete(self) -> None:
        super().set_complete()
        self._decided.set()

    async def decided(self) -> None:
        """Return once all of it is here, or more than may be."""
        if not self.is_too_large:
            await self._decided.wait()

    async def finished(self) -> None:
        """Return once the client has sent all of it, kept or not."""
        await self._complete.wait()

    def content(self) -> bytes:
        """What was sent."""
        return bytes(self._kept)

    def _exceeds(self, count: int) -> bool:
        return self.max_bytes is not None and count > self.max_bytes


class BoundedRequest(Request):
    """What an app uses as its `request_class`.

    A model request holds a whole conversation, pictures included, so it may be larger than a webhook; so may
    a message with what is attached to it, and a bundle that is deployed.
    """

    body_class = BoundedBody

    def __init__(self, method: str, scheme: str, path: str, *rest: Any, **more: Any) -> None:
        if path.endswith(model.PATHS) and more.get("max_content_length") is not None:
            more["max_content_length"] = max(more["max_content_length"], model.MAX_REQUEST_BYTES)
        if path.startswith(MAIL_PATH) and more.get("max_content_length") is not None:
            more["max_content_length"] = max(more["max_content_length"], MAX_MAIL_BYTES)
        if ARCHIVE_PATH.fullmatch(path) and more.get("max_content_length") is not None:
            more["max_content_length"] = max(more["max_content_length"], MAX_ARCHIVE_BYTES)
        super().__init__(method, scheme, path, *rest, **more)


async def read_body(request: Request, *, timeout_s: float) -> bytes:
    """All of a request's body.

    Raises:
        BodyTooLarge: It is larger than the app's MAX_CONTENT_LENGTH.
        Refusal: It did not arrive within `timeout_s`.
    """
    body = request.body
    assert isinstance(body, BoundedBody)  # the app's request_class says so
    try:
        async with asyncio.timeout(timeout_s):
            await body.decided()
    except TimeoutError:
        raise Refusal("body_timeout", f"The body did not arrive within {timeout_s:g} s.") from None
    if not body.is_too_large:
        return body.content()
    try:
        async with asyncio.timeout(LINGER_S):
            await body.finished()
    except TimeoutError:
        pass
    limit = body.max_bytes
    raise BodyTooLarge(
        f"the body is larger than {limit} bytes", cure="Send less, or raise BULKHEAD_MAX_BODY_BYTES."
    )
