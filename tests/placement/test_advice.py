"""What a bundle is told that makes a newcomer's mistake: the line, and a cure that can be followed."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.session.record import ExitReason

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

HEAD = "from meshagent.api.services import ServiceHost\nservice = ServiceHost()\n"
CLASS = "class X:\n    async def start(self, *, room): ...\n    async def stop(self): ...\n"


@pytest.mark.parametrize(
    ("program", "pieces"),
    [
        ("import tols\n", ["there is no module 'tols'", "main.py:1", "The nearest is tools.py."]),
        ("import pkg.mdo\n", ["'pkg' has no module 'pkg.mdo'", "The nearest is pkg/mod.py."]),
        ("import tools\n", ["there is no module 'hidden'", "tools.py:1", "Is it a file of yours?"]),
        ("import sklearn\n", ["Write scikit-learn into requirements.txt"]),
        ("from meshagent.mcp import X\n", ["'meshagent.mcp'", "meshagent.tools", "Or bring the SDK"]),
        ("import meshagent.anthropic\n", ["'meshagent.anthropic'", "Or bring the SDK"]),
        ("from meshagent.agents.worker import W\n", ["'meshagent.agents.worker'", "bundle install"]),
        (
            "from meshagent.agents import Wrkr\n",
            ["cannot import name 'Wrkr'", "TaskRunner", "bring the SDK"],
        ),
        (
            HEAD + '@service.path("/x", limits={"memory": 3, "cpus": 1})\n' + CLASS,
            ["TypeError: 'cpus' is no limit; did you mean 'cpu'?", "main.py:3"],
        ),
        (
            HEAD + '@service.path("/x", limits="1GiB")\n' + CLASS,
            ["limits is '1GiB', of", "main.py:3"],
        ),
        (HEAD + '@service.path("/x", limits={"memory": "lots"})\n' + CLASS, ["limits:", "main.py:3"]),
        (HEAD + '@service.path("/x", identity=3)\n' + CLASS, ["identity is 3, of type int", "main.py:3"]),
        (HEAD + '@service.path("/x", concurrency="2")\n' + CLASS, ["concurrency is '2'", "main.py:3"]),
        (HEAD + '@service.path("/x", restart=True)\n' + CLASS, ["restart", '"on_failure"']),
    ],
)
async def test_a_mistake_at_import_is_told_with_its_line_and_a_cure(
    node: Any, program: str, pieces: list[str]
) -> None:
    node.write("x/main.py", program, preamble="")
    node.write("x/tools.py", "import hidden\n", preamble="")
    node.write("x/pkg/__init__.py", "", preamble="")
    node.write("x/pkg/mod.py", "", preamble="")
    await node.start()
    (info,) = node.placement.bundles()
    assert info.state == "failed"
    assert [piece for piece in pieces if piece not in info.error] == [], info.error
    assert "pip install" not in info.error
    assert "exit code" not in info.error


async def test_limits_may_be_a_mapping(node: Any) -> None:
    program = '@service.path("/x", identity="x", limits={"memory": "100MiB", "pids": 20}, concurrency=3)\n'
    node.write("x.py", program + "class X(Base):\n    pass\n")
    await node.start()
    (endpoint,) = node.placement.endpoints()
    assert endpoint.limits.plain() == {"memory_bytes": 100 << 20, "pids": 20, "concurrency": 3}


@pytest.mark.parametrize("base", ["ChatBot", "TaskRunner", "Toolkit"])
async def test_a_forgotten_super_init_is_told_as_that(node: Any, base: str) -> None:
    node.write(
        "x.py",
        f"""
    from meshagent.agents import TaskRunner
    from meshagent.agents.chat import ChatBot
    from meshagent.tools import Toolkit
    @service.path("/x", identity="x")
    class X({base}):
        def __init__(self):
            self.mine = 1
    """,
    )
    await node.start()
    ended = await node.exited(await node.call("/x"))
    assert ended.exit.reason is ExitReason.START_ERROR
    assert "X.__init__" in ended.exit.message
    assert "does not call super().__init__()" in ended.exit.message
    assert "x.py:" in ended.exit.message
