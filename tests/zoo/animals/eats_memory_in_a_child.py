"""Its child, in a session of its own, takes the memory."""

import asyncio
import subprocess
import sys

from runtime.sdk import Limits, ServiceHost

EXPECTED = "memory"

service = ServiceHost()


@service.path("/victim", identity="victim", limits=Limits(memory="150MiB"))
class Victim:
    async def start(self, *, room: object) -> None:
        self.task = asyncio.create_task(self.misbehave())

    async def stop(self) -> None: ...

    async def misbehave(self) -> None:
        bomb = "import time; held = []\nwhile True: held.append(b'x' * (2 << 20)); time.sleep(0.01)"
        child = subprocess.Popen([sys.executable, "-c", bomb], start_new_session=True)
        print(f"child {child.pid}", flush=True)


asyncio.run(service.run())
