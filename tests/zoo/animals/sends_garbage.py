"""It writes bytes into its pipe that are no message."""

import asyncio
import os
import socket
import stat

from runtime.sdk import ServiceHost

EXPECTED = "protocol_error"

service = ServiceHost()


@service.path("/victim", identity="victim")
class Victim:
    async def start(self, *, room: object) -> None:
        self.task = asyncio.create_task(self.misbehave())

    async def stop(self) -> None: ...

    async def misbehave(self) -> None:
        for name in os.listdir("/proc/self/fd"):
            try:
                if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                    continue
                with socket.socket(fileno=os.dup(int(name))) as found:
                    if found.family == socket.AF_UNIX:
                        found.send(b"\x00\x00\x00\x08\xc1garbage")
            except OSError:
                continue


asyncio.run(service.run())
