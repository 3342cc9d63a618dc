"""Neither asking nor SIGTERM ends it."""

import asyncio
import signal
import time

from runtime.sdk import ServiceHost

EXPECTED = "stopped"
ASK_TO_STOP = True

service = ServiceHost()


@service.path("/victim", identity="victim")
class Victim:
    async def start(self, *, room: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    async def stop(self) -> None:
        time.sleep(3600)


asyncio.run(service.run())
