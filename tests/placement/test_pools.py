"""Pools of processes that an agent makes: whichever way they start, their children find its functions."""

from __future__ import annotations

import multiprocessing
from typing import Any

import pytest

from runtime.session.events import Exited

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

METHODS = [
    each for each in ("fork", "spawn", "forkserver") if each in multiprocessing.get_all_start_methods()
]
PREAMBLE = """
    import asyncio
    from meshagent.api.services import ServiceHost
    service = ServiceHost()

    class Base:
        async def stop(self):
            pass
"""
PROGRAM = """
    import concurrent.futures, multiprocessing
    from _shared import double

    def work(number):
        return double(number)

    def submitted(context):
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            return pool.submit(work, 3).result()

    def mapped(context):
        with context.Pool(1) as pool:
            return pool.map(work, [3])

    @service.path("/pools", identity="pools")
    class Pools(Base):
        async def start(self, *, room):
            context = multiprocessing.get_context("{method}")
            print("got", await asyncio.to_thread({how}, context), flush=True)

    {guard}
        asyncio.run(service.run())
"""


def write(node: Any, method: str, how: str, guard: str) -> None:
    node.write("_shared.py", "def double(number):\n    return 2 * number\n", preamble="")
    text = PROGRAM.format(method=method, how=how, guard=guard)
    node.write("pools.py", f"{PREAMBLE}{text}", preamble="")


@pytest.mark.parametrize("method", METHODS)
async def test_a_guarded_program_has_them(node: Any, method: str) -> None:
    write(node, method, "submitted", 'if __name__ == "__main__":')
    await node.start()
    assert await node.printed(await node.ready("/pools"), "got") == "got 6"


@pytest.mark.parametrize("how", ["submitted", "mapped"])
@pytest.mark.parametrize("method", [each for each in METHODS if each != "fork"])
async def test_an_unguarded_one_is_told_once_and_starts_no_second_server(
    node: Any, method: str, how: str
) -> None:
    write(node, method, how, "if True:")
    node.folder.joinpath("pools.py").write_text(
        node.folder.joinpath("pools.py").read_text().replace("if True:\n    ", "")
    )
    await node.start()
    session_id = await node.call("/pools")
    ended = await node.event(session_id, Exited)
    line = node.folder.joinpath("pools.py").read_text().count("\n")
    assert f"a process of a pool imports the program, and pools.py:{line} starts the service there" in (
        ended.exit.message
    )
    assert 'Put that line under `if __name__ == "__main__":`' in ended.exit.message
    assert not [text for text in node.lines(session_id) if "Traceback" in text]


async def test_a_pool_that_forks_needs_no_guard(node: Any) -> None:
    write(node, "fork", "mapped", "if True:")
    await node.start()
    assert await node.printed(await node.ready("/pools"), "got") == "got [6]"
