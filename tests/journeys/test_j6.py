"""J6, deploy: the smoke test against a plain server, and against the container where there is an engine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ROOT / "tests" / "e2e" / "smoke.sh"
URL = "http://127.0.0.1:8080"


def smoke(url: str) -> None:
    ran = subprocess.run([str(SMOKE), url], capture_output=True, text=True, timeout=60 * PATIENCE)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.skipif(not shutil.which("curl"), reason="the smoke test needs curl")
def test_the_smoke_test_against_a_plain_server_that_then_ends_at_once(user: Any, free_port: int) -> None:
    shutil.copytree(ROOT / "agents", user.folder / "agents")
    server = user.serve("serve", "--port", str(free_port))
    server.read_until('"server.started"')
    assert server.lines[0].startswith("{"), "not a terminal: JSON lines"
    smoke(f"http://127.0.0.1:{free_port}")
    started = time.monotonic()
    assert server.stop(signal.SIGTERM) == 143
    assert time.monotonic() - started < 10, "what is idle ends at once; a drain would take longer"


def engine() -> bool:
    """A Docker Engine with compose answers, and nothing holds the published port."""
    if not shutil.which("docker"):
        return False
    asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    info = subprocess.run(["docker", "info"], capture_output=True, check=False)
    return asked.returncode == 0 and info.returncode == 0


@pytest.mark.timeout(600)
def test_the_smoke_test_against_the_container() -> None:
    if not engine():
        pytest.skip("no Docker Engine with compose here: the image and docker-compose.yml were NOT tested")
    compose = ["docker", "compose", "--project-name", f"bulkhead-test-{os.getpid()}"]
    try:
        subprocess.run([*compose, "up", "--detach", "--build", "--wait"], cwd=ROOT, check=True, timeout=500)
        smoke(URL)
        started = time.monotonic()
        subprocess.run([*compose, "stop"], cwd=ROOT, check=True, timeout=60)
        assert time.monotonic() - started < 10, "an idle container ends at once"
    finally:
        subprocess.run([*compose, "down", "--volumes"], cwd=ROOT, check=False, timeout=60)
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(f"{URL}/healthz", timeout=2)
