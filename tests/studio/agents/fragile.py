"""An agent that does its work until it is sent SIGUSR2, and then fails in the middle of it."""

import asyncio
import signal

from runtime.sdk import ServiceHost

KEY = "sk-live-0123456789abcdef"

service = ServiceHost()


def share(total, among, api_key):
    """What each of the guests pays."""
    return total / len(among)


@service.path("/fragile", identity="fragile")
class Fragile:
    """Shares a bill."""

    async def start(self, *, room):
        self.poked = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, self.poked.set)
        if getattr(self, "arguments", {}).get("at_once"):
            self.poked.set()
        print("the kitchen is open")
        self.working = asyncio.create_task(self.work(), name="work")

    async def work(self):
        await self.poked.wait()
        guests = []
        print("dividing the bill")
        share(120.0, guests, api_key=KEY)

    async def stop(self):
        self.working.cancel()


asyncio.run(service.run())
