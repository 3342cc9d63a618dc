"""What a bundle's own variables do for it, and what they do not."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import structlog

from runtime.clock import SystemClock
from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.process.program.command import Command
from runtime.settings import SupervisorSettings
from runtime.supervisor.bundles import load_attempt
from runtime.supervisor.bundles.confined.held import Held
from runtime.supervisor.bundles.load_attempt import LoadAttempt
from runtime.supervisor.shortages import Shortages
from tests.patience import PATIENCE

pytestmark = pytest.mark.unit


def attempt_of(command: Command) -> LoadAttempt:
    return LoadAttempt(
        command,
        SupervisorSettings(),
        shortages=Shortages(SystemClock()),
        lost=lambda _: None,
        log=structlog.get_logger(),
    )


async def made(attempt: LoadAttempt, held: Held) -> Command:
    command = await attempt.as_held(held)
    if command.hold is not None:
        command.hold.close()
        await command.hold.private.gone(10 * PATIENCE)
    return command


def test_variables_of_a_bundle_reach_its_program_and_give_it_nothing_to_read(tmp_path: Path) -> None:
    bundle, servers, private = tmp_path / "agents", tmp_path / "servers", tmp_path / "private"
    for folder in (bundle, servers, private):
        folder.mkdir()
    (bundle / "main.py").touch()
    (bundle / ".env").write_text(f"PYTHONPATH={private}\nPATH={private}\n")
    ground = Ground(folder=str(bundle), home="/root", state=str(tmp_path / "state"), real=os.path.realpath)
    held = Held(Policy(level=Level.BASIC), {}, ground)
    for env, given in (({}, False), ({"PYTHONPATH": str(servers)}, True)):
        command = asyncio.run(made(attempt_of(Command(sys.executable, bundle, env)), held))
        assert command.hold is not None
        command.hold.close()
        assert command.env["PATH"] == str(private)
        paths = {path for path, *_ in command.hold.common}
        assert str(private) not in paths
        assert (str(servers) in paths) is given


@pytest.mark.asyncio
async def test_folders_that_are_made_for_an_import_which_is_given_up_meanwhile_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, within: Any
) -> None:
    (tmp_path / "main.py").touch()
    ground = Ground(folder=str(tmp_path), home="/root", state=str(tmp_path / "state"), real=os.path.realpath)
    begun, go_on = asyncio.Event(), threading.Event()
    loop, commands, make = asyncio.get_running_loop(), [], load_attempt._held

    def slowly(*given: Any) -> Command:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(10 * PATIENCE)
        commands.append(make(*given))
        return commands[0]

    monkeypatch.setattr(load_attempt, "_held", slowly)
    held = Held(Policy(level=Level.BASIC), {}, ground)
    loading = asyncio.create_task(attempt_of(Command(sys.executable, tmp_path, {})).as_held(held))
    await within(10, begun.wait())
    loading.cancel()
    await asyncio.wait([loading])
    go_on.set()
    async with asyncio.timeout(10 * PATIENCE):
        while not commands or os.path.exists(commands[0].hold.private.path):
            await asyncio.sleep(0.01)
