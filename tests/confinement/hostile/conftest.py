"""Battles: all attacks on one server at one level, as one user; each is fought once in a run of tests."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.confinement.hostile import firing_range
from tests.patience import PATIENCE

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
EACH_S = 0.05


@pytest.fixture(scope="session")
def battle(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Any:
    """``battle(10001, "basic")``: what came of each attack, by its name."""
    if os.geteuid():
        pytest.skip("a firing range needs root: namespaces of its own, and another user in them")
    for tool in ("unshare", "ip", "mount"):
        if shutil.which(tool) is None:
            pytest.skip(f"a firing range needs {tool}")
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    fought: dict[tuple[int, str], dict[str, Any]] = {}

    def results(uid: int, level: str) -> dict[str, Any]:
        if (uid, level) not in fought:
            fought[uid, level] = _once(shared, uid, level)
        return fought[uid, level]

    return results


def _once(shared: Path, uid: int, level: str) -> dict[str, Any]:
    told = shared / f"battle-{uid}-{level}.json"
    with open(told.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker of this run may be at it
        if not told.exists():
            told.write_text(json.dumps(_fight(uid, level)))
    found: dict[str, Any] = json.loads(told.read_text())
    if "" in found:
        pytest.fail(found[""])
    return found


def _fight(uid: int, level: str) -> dict[str, Any]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("BULKHEAD_", "MESHAGENT_"))}
    # Not below pytest's folders, which are root's alone.
    with tempfile.TemporaryDirectory(prefix="bulkhead-range-", dir="/var/tmp") as name:
        folder = Path(name)
        shutil.copytree(HERE / "agents", folder / "agents")
        (folder / "agents" / "other" / ".env").write_text("OTHERS_KEY=secret\n")
        for path in (folder, *folder.rglob("*")):
            os.chown(path, uid, uid)
        work = [sys.executable, "-m", "tests.confinement.hostile.battle", level, str(EACH_S)]
        ran = subprocess.run(
            firing_range.command(uid, folder, *work),
            cwd=ROOT,
            env={**env, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=55 * PATIENCE,
        )
    try:
        return {one["attack"]: one for one in json.loads(ran.stdout)}
    except ValueError:
        told = f"{ran.stdout[-1000:]}{ran.stderr[-3000:]}"
        return {"": f"the battle gave no result (status {ran.returncode}):\n{told}"}
