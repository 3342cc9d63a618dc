"""The front may open many files; what it starts gets the limit that was usual."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.process import descriptors

pytestmark = pytest.mark.process

PROGRAM = """
import os, resource, sys
from pathlib import Path
from runtime.process import descriptors
from runtime.process.program.command import Command

resource.setrlimit(resource.RLIMIT_NOFILE, (256, 512))
print(descriptors.sessions_that_fit())
print(descriptors.claim(), descriptors.limit(), descriptors.sessions_that_fit())
popen = Command(sys.argv[1], Path(sys.argv[2]), os.environ).spawn([], [], 1)
print(resource.prlimit(popen.pid, resource.RLIMIT_NOFILE))
popen.kill()
popen.wait()
descriptors.give_back(popen.pid)
"""


def test_a_zygote_does_not_inherit_what_the_front_claimed(tmp_path: Path) -> None:
    interpreter = tmp_path / "python"
    interpreter.write_text("#!/bin/sh\nexec sleep 1000\n")
    interpreter.chmod(0o755)
    source = tmp_path / "agents"
    source.mkdir()
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    argv = [sys.executable, "-c", PROGRAM, str(interpreter), str(source)]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    before, after = (left // descriptors.PER_SESSION for left in (256 - 64, 512 - 64))
    assert done.stdout.splitlines() == [str(before), f"512 512 {after}", "(256, 512)"]
