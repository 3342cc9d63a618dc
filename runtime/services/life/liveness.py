"""Whether a port of a container answers: 2xx to its path, or a connection where it has none."""

from __future__ import annotations

import asyncio
from typing import Final

_ANSWER_S: Final = 5.0
_MAX_LINE_BYTES: Final = 8192


async def answers(port: int, path: str) -> str:
    """Ask once: empty when it is ready, else why not."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_MAX_LINE_BYTES)
            try:
                if not path:
                    return ""
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
                )
                line = (await reader.readline()).split()
            finally:
                writer.close()
    except TimeoutError:
        return f"no answer in {_ANSWER_S:g} s"
    except (OSError, ValueError) as error:
        return str(error)
    if len(line) > 1 and line[0].startswith(b"HTTP/") and line[1].startswith(b"2"):
        return ""
    return f"answered {line[1].decode('ascii', 'replace')}" if len(line) > 1 else "answered no HTTP"
