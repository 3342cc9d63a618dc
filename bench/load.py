"""A load of equal requests over kept connections: ``python -m bench.load PORT SECONDS CONNECTIONS``.

Reads the request from standard input; prints answers a second and latencies as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time


class _Connection(asyncio.Protocol):
    """Sends the next request when the answer to the last one is complete."""

    def __init__(self, request: bytes, took: list[float], bad: list[bytes], until: float) -> None:
        self._request, self._took, self._bad, self._until = request, took, bad, until
        self._data, self._began = b"", 0.0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        at = lower.find(b"content-length: ")
        length = int(lower[at + 16 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(rest) < length:
            return
        now = time.perf_counter()
        self._took.append(now - self._began)
        if b" 200" not in head[:16]:
            self._bad.append(head[:40])
        self._data = b""
        if now >= self._until:
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)


async def main(port: int, seconds: float, connections: int, request: bytes) -> None:
    took, bad = list[float](), list[bytes]()
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(
            lambda: _Connection(request, took, bad, began + seconds), "127.0.0.1", port
        )
        for _ in range(connections)
    ]
    await asyncio.wait([protocol.over for _, protocol in made], timeout=seconds + 20)
    took.sort()
    found = {"per_s": len(took) / (time.perf_counter() - began), "bad": len(bad)}
    found |= {"p50_ms": took[len(took) // 2] * 1000, "p99_ms": took[int(len(took) * 0.99)] * 1000}
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.stdin.buffer.read()))
