"""What is run in firing ranges: once in a run of tests for each user and level, whoever asks first."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.confinement import firing_range
from tests.patience import PATIENCE

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

Results = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def battle(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Results:
    """``battle(10001, "basic")``: what came of each attack, by its name; a third argument is `uids`."""
    return _ran_once(tmp_path_factory, worker_id, "hostile", "battle", "0.05")


@pytest.fixture(scope="session")
def workday(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Results:
    """``workday(10001, "basic")``: what came of each program, by its name."""
    return _ran_once(tmp_path_factory, worker_id, "honest", "workday")


def _ran_once(factory: pytest.TempPathFactory, worker_id: str, wing: str, name: str, *more: str) -> Results:
    if os.geteuid():
        pytest.skip("a firing range needs root: namespaces of its own, and another user in them")
    for tool in ("unshare", "ip", "mount"):
        if shutil.which(tool) is None:
            pytest.skip(f"a firing range needs {tool}")
    base = factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def results(uid: int, level: str, *last: str) -> dict[str, Any]:
        told = shared / f"{'-'.join([name, str(uid), level, *last])}.json"
        with open(told.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another worker of this run may be at it
            if not told.exists():
                told.write_text(json.dumps(_run(uid, wing, name, level, *more, *last)))
        found: dict[str, Any] = json.loads(told.read_text())
        if "" in found:
            pytest.fail(found[""])
        return found

    return results


def _run(uid: int, wing: str, name: str, *more: str) -> dict[str, Any]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("BULKHEAD_", "MESHAGENT_"))}
    # Not below pytest's folders, which are root's alone.
    with tempfile.TemporaryDirectory(prefix="bulkhead-range-", dir="/var/tmp") as made:
        folder = Path(made)
        folder.chmod(0o755)  # a session with a user of its own must be able to reach its program
        shutil.copytree(HERE / wing / "agents", folder / "agents")
        for bundle in (folder / "agents").iterdir():
            (bundle / ".env").write_text("A_KEY=secret\n")
        for path in (folder, *folder.rglob("*")):
            os.chown(path, uid, uid)
        work = [sys.executable, "-m", f"tests.confinement.{wing}.{name}", *more]
        ran = subprocess.run(
            firing_range.command(uid, folder, *work),
            cwd=ROOT,
            env={**env, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=100 * PATIENCE,
        )
    try:
        found: dict[str, Any] = json.loads(ran.stdout)
    except ValueError:
        told = f"{ran.stdout[-1000:]}{ran.stderr[-3000:]}"
        return {"": f"{name} gave no result (status {ran.returncode}):\n{told}"}
    return found
