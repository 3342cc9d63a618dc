"""A replay is held as its session would be: by what its decorator says now."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import asyncio, os
from pathlib import Path
from bulkhead import ServiceHost

service = ServiceHost()
HERE = Path(__file__).parent

@service.path("/a", identity="a", confinement={"write": ["data"]})
class Agent:
    async def start(self, *, room):
        (HERE / "data" / "x").write_text("x")
        Path(os.environ["HOME"], "mine").write_text("x")
        print("home", os.environ["HOME"])
        (HERE.parent / "outside").read_text()

    async def stop(self): ...

asyncio.run(service.run())
"""


def test_it_reads_and_writes_what_its_session_might(tmp_path: Path) -> None:
    (tmp_path / "a" / "data").mkdir(parents=True)
    (tmp_path / "outside").write_text("bait")
    (tmp_path / "a" / "main.py").write_text(PROGRAM)
    report: dict[str, Any] = dict.fromkeys(("session", "endpoint", "identity", "room", "sentence"), "s_1")
    report |= {"generation": 1, "arguments": {}, "endpoint": "/a", "identity": "a", "room": "r"}
    report["code"] = {"file": str(tmp_path / "a" / "main.py"), "bundle": "a", "sha256": ""}
    raw = json.dumps(report).encode()
    with tarfile.open(tmp_path / "crash.tar.gz", "w:gz") as archive:
        about = tarfile.TarInfo("crash/report.json")
        about.size = len(raw)
        archive.addfile(about, io.BytesIO(raw))
    env = {name: value for name, value in os.environ.items() if not name.startswith("BULKHEAD_")}
    ran = subprocess.run(
        [sys.executable, "-m", "runtime", "replay", "crash.tar.gz", "--for", "60"],
        cwd=tmp_path,
        env={**env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60 * PATIENCE,
    )
    told = ran.stdout + ran.stderr
    assert ran.returncode == 1, told
    assert "held: as its sessions are, at basic" in told
    assert (tmp_path / "a" / "data" / "x").read_text() == "x", told
    assert "PermissionError" in told
    assert f"refused files.read {tmp_path}/outside" in told
    home = next(line.split()[1] for line in ran.stdout.splitlines() if line.startswith("home "))
    assert not Path(home).exists(), "what it had for itself is gone"
