"""It stops itself with SIGSTOP: told apart from a hang, left alone, and still ended when asked."""

import asyncio
import os
import signal

from runtime.sdk import ServiceHost

EXPECTED = "stopped"
ASK_TO_STOP = True
WARNS = True

service = ServiceHost()


@service.path("/victim", identity="victim")
class Victim:
    async def start(self, *, room: object) -> None:
        self.task = asyncio.create_task(self.misbehave())

    async def stop(self) -> None: ...

    async def misbehave(self) -> None:
        await asyncio.sleep(0.3)  # its start is over by then
        os.kill(os.getpid(), signal.SIGSTOP)


asyncio.run(service.run())
