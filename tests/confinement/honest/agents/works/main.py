"""An agent that does in its session what programs do every day, and tells of each whether it worked."""

import asyncio
import threading
import time
import traceback

import programs

from runtime.sdk import ServiceHost

service = ServiceHost()


@service.path("/works", identity="works")
class Works:
    async def start(self, *, room):
        threading.Thread(target=self.work, args=[asyncio.get_running_loop()], daemon=True).start()

    async def stop(self): ...

    def work(self, loop):
        for name, program in programs.PROGRAMS.items():
            began = time.monotonic()
            try:
                program(loop)
            except programs.Missing as error:
                told = f"missing: {error}"
            except BaseException as error:  # noqa: BLE001 - that it does not work is what is asked
                where = traceback.extract_tb(error.__traceback__)[-1]
                told = f"{type(error).__name__}: {error} (line {where.lineno} of {where.filename})"
            else:
                told = ""
            told = " ".join(told.split())[:700]
            print(f"WORK {name} {told}", flush=True)
            if time.monotonic() - began > 3:
                print(f"{name} took {time.monotonic() - began:.1f} s", flush=True)
        print("WORK done ", flush=True)


if __name__ == "__main__":  # its pools have children that import it
    asyncio.run(service.run())
