"""It closes its pipe to the front: the runtime in it takes the front for lost and leaves."""

import asyncio
import os
import socket

from runtime.sdk import ServiceHost

EXPECTED = "protocol_error"

service = ServiceHost()


@service.path("/victim", identity="victim")
class Victim:
    async def start(self, *, room: object) -> None:
        self.task = asyncio.create_task(self.misbehave())

    async def stop(self) -> None: ...

    async def misbehave(self) -> None:
        loop = asyncio.get_running_loop()
        kept = {loop._ssock.fileno(), loop._csock.fileno()}  # without these its own loop would break
        for name in os.listdir("/proc/self/fd"):
            try:
                with socket.socket(fileno=os.dup(int(name))) as found:
                    if found.family == socket.AF_UNIX and int(name) not in kept:
                        os.close(int(name))
            except OSError:
                continue


asyncio.run(service.run())
