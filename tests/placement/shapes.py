"""Programs of many shapes: what each writes into its story is to be the same wherever it runs.

Each is a main program around one agent.  A line of a story is written by the process that is the session, or
by another; what the agent finds is told by the function `probe`, where the shape has one.
"""

from __future__ import annotations

import textwrap

PREAMBLE = """
import asyncio, atexit, contextlib, contextvars, json, os, sys
from meshagent.api.services import ServiceHost

HERE = os.path.dirname(os.path.abspath(__file__))
SESSION = 0


def say(*words):
    who = "session" if os.getpid() == SESSION else "other"
    with open(os.path.join(HERE, "story.txt"), "a") as file:
        print(who, *words, file=file)


class Pool:
    is_open = False

    def __init__(self, name="pool"):
        self.name = name

    def __enter__(self):
        self.is_open = True
        return self

    def __exit__(self, kind, *_):
        self.is_open = False
        say("closed", self.name, kind and kind.__name__)

    async def __aenter__(self):
        await asyncio.sleep(0)
        return self.__enter__()

    async def __aexit__(self, *error):
        await asyncio.sleep(0.01)
        self.__exit__(*error)


service = ServiceHost()


@service.path("/shape", identity="shape")
class Agent:
    async def start(self, *, room):
        global SESSION
        SESSION = os.getpid()
        say("started")
        if "probe" in globals():
            found = probe()
            say(await found if asyncio.iscoroutine(found) else found)
        say("ready")

    async def stop(self):
        say("stopped")


# ---- the shape
"""

_OPEN = "def probe(): return [one.is_open for one in pools]\npools = []\n"

SHAPES = {
    "bare": "asyncio.run(service.run())",
    "guarded": 'if __name__ == "__main__":\n    asyncio.run(service.run())',
    "an async main": "async def main():\n    await service.run()\nasyncio.run(main())",
    "with": _OPEN + "with Pool() as pool:\n    pools.append(pool)\n    asyncio.run(service.run())",
    "async with": _OPEN
    + """
async def main():
    async with Pool("outer") as outer, Pool("inner") as inner:
        pools.extend([outer, inner])
        await service.run()
asyncio.run(main())
""",
    "an exit stack": _OPEN
    + """
with contextlib.ExitStack() as stack:
    stack.callback(say, "called back")
    pools.append(stack.enter_context(Pool()))
    asyncio.run(service.run())
""",
    "an async exit stack": _OPEN
    + """
async def main():
    async with contextlib.AsyncExitStack() as stack:
        pools.append(await stack.enter_async_context(Pool()))
        stack.push_async_callback(asyncio.sleep, 0.01)
        await service.run()
asyncio.run(main())
""",
    "finally, nested": """
try:
    try:
        asyncio.run(service.run())
    finally:
        say("inner")
finally:
    say("outer")
""",
    "an async generator as a context": _OPEN
    + """
@contextlib.asynccontextmanager
async def opened():
    pool = Pool()
    try:
        yield pool.__enter__()
    finally:
        await asyncio.sleep(0.01)
        pool.__exit__(None)
async def main():
    async with opened() as pool:
        pools.append(pool)
        await service.run()
asyncio.run(main())
""",
    "a task group": """
async def main():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(service.run())
    finally:
        say("after the group")
asyncio.run(main())
""",
    "a task beside it": """
async def ticker():
    try:
        for number in range(10_000):
            ticks.append(number)
            await asyncio.sleep(0.01)
    finally:
        say("ticker ended")
ticks = []
async def probe():
    while len(ticks) < 3:
        await asyncio.sleep(0.01)
    return "it ticks"
async def main():
    await asyncio.gather(service.run(), ticker())
asyncio.run(main())
""",
    "an object of the loop": """
class Client:
    def __init__(self):
        self.loop = asyncio.get_running_loop()
def probe(): return client.loop is asyncio.get_running_loop()
async def main():
    global client
    client = Client()
    await service.run()
asyncio.run(main())
""",
    "a loop that restarts": """
while True:
    try:
        asyncio.run(service.run())
    except Exception as error:
        say("again after", error)
""",
    "a loop that restarts whatever happens": """
atexit.register(say, "at exit")
for turn in range(3):
    try:
        asyncio.run(service.run())
    except BaseException as error:
        say("turn", turn, type(error).__name__)
        if turn == 0:
            raise
""",
    "except Exception": """
try:
    asyncio.run(service.run())
except Exception as error:
    say("caught", error)
else:
    say("returned")
""",
    "an exit that is swallowed": """
try:
    asyncio.run(service.run())
except SystemExit as left:
    say("left", int(left.code))
say("after")
""",
    "atexit": """
atexit.register(say, "first")
atexit.register(say, "second")
atexit.register(lambda: say("third", asyncio._get_running_loop()))
asyncio.run(service.run())
""",
    "finalizers": """
import weakref
class Thing: ...
thing = Thing()
weakref.finalize(thing, say, "finalized")
asyncio.run(service.run())
""",
    "an exit code of its own": """
try:
    asyncio.run(service.run())
finally:
    sys.exit(5)
""",
    "a teardown that fails": """
atexit.register(say, "at exit")
try:
    asyncio.run(service.run())
finally:
    {}["nothing"]
""",
    "a child of its own that exits": """
atexit.register(say, "at exit")
def probe():
    pid = os.fork()
    if pid == 0:
        sys.exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
try:
    asyncio.run(service.run())
finally:
    say("after it")
""",
    "an agent that exits": """
atexit.register(say, "at exit")
def probe(): sys.exit(7)
with Pool():
    asyncio.run(service.run())
""",
    "a runner": """
with asyncio.Runner() as runner:
    try:
        runner.run(service.run())
    finally:
        say("ran")
""",
    "a loop of its own": """
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
try:
    loop.run_until_complete(service.run())
finally:
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    say("loop closed")
""",
    "a coroutine for later": """
later = service.run()
atexit.register(say, "registered between")
asyncio.run(later)
""",
    "start and stop": """
async def main():
    await service.start()
    try:
        await asyncio.Event().wait()
    finally:
        await service.stop()
        say("stopped serving")
asyncio.run(main())
""",
    "waited for": """
async def main():
    try:
        await asyncio.wait_for(service.run(), timeout=None)
    finally:
        say("waited")
asyncio.run(main())
""",
    "a context variable": """
name = contextvars.ContextVar("name")
def probe(): return name.get()
async def main():
    name.set("of main")
    await service.run()
asyncio.run(main())
""",
    "a loop of another class": """
class Loop(asyncio.SelectorEventLoop): ...
class Policy(asyncio.DefaultEventLoopPolicy):
    _loop_factory = Loop
asyncio.set_event_loop_policy(Policy())
def probe(): return type(asyncio.get_running_loop()).__name__
asyncio.run(service.run())
""",
    "globals, path and switches": """
import inspect
def forecast(days: int) -> str: ...
FACTS = [sorted(vars()), sys.argv, sys.flags, __file__, __spec__, __name__, __package__,
    [path for path in sys.path if "stub" not in path], os.getcwd(), sys.executable, __builtins__.__name__,
    inspect.signature(forecast).parameters["days"].annotation, sys.modules["__main__"].__dict__ is globals()]
def probe(): return FACTS
asyncio.run(service.run())
""",
    "annotations as text": """
from __future__ import annotations
def forecast(days: int) -> str: ...
def probe(): return forecast.__annotations__
asyncio.run(service.run())
""",
    "modules of its own": """
import bulkhead, calendar, runtime, tools.words
def probe(): return bulkhead.WHOSE, calendar.WHOSE, runtime.WHOSE, tools.words.WHOSE
asyncio.run(service.run())
""",
    "a stream of its own": """
class Loud:
    def __init__(self, stream):
        self.stream = stream
    def write(self, text):
        return self.stream.write(text.upper())
    def __getattr__(self, name):
        return getattr(self.stream, name)
sys.stdout = Loud(sys.stdout)
def probe():
    print("heard")
    return type(sys.stdout).__name__, sys.__stdout__.fileno()
asyncio.run(service.run())
""",
    "a stream made anew": """
import io
sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", line_buffering=True)
def probe():
    print("heard")
    return sys.stdout.closed, sys.stdout.fileno()
asyncio.run(service.run())
""",
    "a stream redirected": """
import io
heard = io.StringIO()
def probe(): print("within")
with contextlib.redirect_stdout(heard):
    try:
        asyncio.run(service.run())
    finally:
        say(repr(heard.getvalue()))
""",
    "pools of processes": """
import concurrent.futures, multiprocessing
def work(number): return number * 2, __name__
def probe():
    found = []
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            found.append([method, *pool.submit(work, 3).result()])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found.append(pool.map(work, [1]))
    return found
if __name__ == "__main__":
    asyncio.run(service.run())
""",
    "uvloop, installed": """
import uvloop
uvloop.install()
def probe(): return type(asyncio.get_running_loop()).__module__
asyncio.run(service.run())
""",
    "uvloop, run": """
import uvloop
atexit.register(say, "at exit")
def probe(): return type(asyncio.get_running_loop()).__module__
uvloop.run(service.run())
""",
    "uvloop around": _OPEN
    + """
import uvloop
async def main():
    async with Pool() as pool, asyncio.TaskGroup() as group:
        pools.append(pool)
        await group.create_task(service.run())
uvloop.run(main())
""",
}

FILES = {
    "modules of its own": {
        "bulkhead.py": "WHOSE = 'all mine'\n",
        "calendar.py": "WHOSE = 'mine'\n",
        "runtime.py": "WHOSE = 'mine too'\n",
        "tools/__init__.py": "",
        "tools/words.py": "WHOSE = 'and this'\n",
    }
}

STUB = '''
"""What plain Python is compared with: the agent in the program's own loop, and nothing else."""
class ServiceHost:
    def path(self, path, **_):
        def register(cls):
            self.cls = cls
            return cls
        return register
    async def run(self):
        agent = self.cls()
        await agent.start(room=None)
        await agent.stop()
        raise SystemExit(0)
    start = run
    async def stop(self): ...
'''


def program(shape: str) -> str:
    future = "from __future__ import annotations\n"
    body = SHAPES[shape]
    first = future if future in body else ""
    return first + textwrap.dedent(PREAMBLE) + body.replace(future, "").strip("\n") + "\n"
