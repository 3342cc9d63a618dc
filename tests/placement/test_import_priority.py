"""A program gives way to sessions while it is imported, unprivileged too, and none of them inherits it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from runtime.process.program.priority import NICE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

AUTOGROUPS = Path("/proc/sys/kernel/sched_autogroup_enabled")
TELLS = """
    def group():
        return open("/proc/self/autogroup").read().split()

    print("imported in", *group())

    @service.path("/x", identity="x")
    class X(Base):
        async def start(self, *, room):
            print("runs in", *group(), os.nice(0))
"""


def group(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/autogroup").read_text().split()


@pytest.mark.skipif(
    not AUTOGROUPS.exists() or AUTOGROUPS.read_text().strip() != "1", reason="no groups by session here"
)
async def test_the_group_of_an_import_is_nicer_and_those_of_sessions_are_not(make_node: Any) -> None:
    node = make_node(max_parked=0)
    node.write("x.py", TELLS)
    try:
        await node.start(watch=True)
        await node.ready("/x")
        with capture_logs() as logs:
            node.write("x.py", TELLS + "\n    # saved\n")
            await node.bundle_state("x", lambda bundle: bundle.generation == 2)
        (info,) = node.placement.bundles()
        (told,) = [line["line"].split() for line in logs if line["event"] == "bundle.printed"]
        name, _, nice = told[2:]
        assert (name, nice) == (group(info.pid)[0], str(NICE))
        assert name not in group(os.getpid())  # empty where the server itself is in no group
        session = await node.ready("/x")
        while group(info.pid)[2] != "0":  # at most ten times a second, for who has no privileges
            await node.printed(session, "runs in")
        words = (await node.printed(session, "runs in")).split()
        assert words[2] != name
        assert words[4:] == ["0", str(os.nice(0))]
    finally:
        await node.close()
