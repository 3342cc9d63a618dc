"""A server whose open files cannot suffice for its sessions says so before the first of them fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 256))
from runtime.front.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("sessions", [10, 1000])
def test_it_is_told_at_the_start(tmp_path: Path, sessions: int) -> None:
    (tmp_path / "agents").mkdir()
    work = {
        "flags": {"server.port": 0, "server.state_dir": str(tmp_path), "supervisor.max_sessions": sessions},
        "sources": [str(tmp_path / "agents")],
    }
    env = {
        **os.environ,
        "BULKHEAD_LOG_FORMAT": "json",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    argv = [sys.executable, "-c", PROGRAM, json.dumps(work)]
    told = []
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as front:
        assert front.stdout is not None
        for raw in front.stdout:
            told.append(json.loads(raw))
            if told[-1]["event"] == "server.started":
                front.terminate()
    assert front.returncode == 0
    warnings = [line["detail"] for line in told if line["event"] == "server.descriptors_few"]
    assert warnings == (["open files suffice for 24 of 1000 sessions"] if sessions == 1000 else [])
