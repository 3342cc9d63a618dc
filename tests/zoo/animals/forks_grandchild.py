"""Its child leaves the process group; then it exits without a word."""

import asyncio
import os
import subprocess
import sys

from runtime.sdk import ServiceHost

EXPECTED = "exit"

service = ServiceHost()


@service.path("/victim", identity="victim")
class Victim:
    async def start(self, *, room: object) -> None:
        self.task = asyncio.create_task(self.misbehave())

    async def stop(self) -> None: ...

    async def misbehave(self) -> None:
        argv = [sys.executable, "-c", "import time; time.sleep(3600)"]
        child = subprocess.Popen(argv, start_new_session=True)
        print(f"child {child.pid}", flush=True)
        os._exit(3)


asyncio.run(service.run())
