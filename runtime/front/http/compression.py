"""Compressing answers: those that are whole, worth it, and asked for that way.

A stream is never touched, whatever it says it carries: what it sends must leave when it is said.  Files of
the Studio come compressed already, once for all who ask.
"""

from __future__ import annotations

import asyncio
import gzip
from typing import Final

from quart import Request, Response
from quart.wrappers.response import DataBody

MIN_BYTES: Final = 1024
MAX_INLINE_BYTES: Final = 32 << 10
"""More than this is compressed in a thread: the loop has others to serve."""
LEVEL: Final = 1
"""JSON of ours shrinks to a tenth at the quickest level; better ones take much longer for little."""
_KINDS: Final = ("text/", "application/json", "application/problem+json", "image/svg+xml")


def takes_gzip(request: Request) -> bool:
    """Whether who asks can read gzip, and does not mind it."""
    return request.accept_encodings["gzip"] > 0


async def compress(request: Request, answer: Response) -> None:
    """Compress an answer in place where that is due, and say that it depends on the request."""
    body = answer.response
    is_whole = isinstance(body, DataBody) and answer.timeout is not None
    if not is_whole or "Content-Encoding" in answer.headers or not _is_text(answer):
        return
    data = await answer.get_data(as_text=False)
    if len(data) < MIN_BYTES:
        return
    answer.vary.add("Accept-Encoding")
    if not takes_gzip(request):
        return
    if len(data) > MAX_INLINE_BYTES:
        packed = await asyncio.to_thread(gzip.compress, data, LEVEL, mtime=0)
    else:
        packed = gzip.compress(data, LEVEL, mtime=0)
    answer.set_data(packed)
    answer.headers["Content-Encoding"] = "gzip"


def _is_text(answer: Response) -> bool:
    kind = answer.headers.get("Content-Type", "")
    return kind.startswith(_KINDS) and not kind.startswith("text/event-stream")
