"""What a bundle's own variables do for it, and what they do not."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
import structlog

from runtime.clock import SystemClock
from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.process.program.command import Command
from runtime.settings import SupervisorSettings
from runtime.supervisor.bundles.confined.held import Held
from runtime.supervisor.bundles.load_attempt import LoadAttempt
from runtime.supervisor.shortages import Shortages
from tests.patience import PATIENCE

pytestmark = pytest.mark.unit


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
        attempt = LoadAttempt(
            Command(sys.executable, bundle, env),
            SupervisorSettings(),
            shortages=Shortages(SystemClock()),
            lost=lambda _: None,
            log=structlog.get_logger(),
        )
        command = asyncio.run(made(attempt, held))
        assert command.hold is not None
        command.hold.close()
        assert command.env["PATH"] == str(private)
        paths = {path for path, *_ in command.hold.common}
        assert str(private) not in paths
        assert (str(servers) in paths) is given
