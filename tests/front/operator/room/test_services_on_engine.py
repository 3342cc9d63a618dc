"""Services in containers of a real engine: live, called, changed for the worse, and writing without end."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

pytest.importorskip("aiodocker", reason="DOCKER NOT TESTED: its client is not installed")

from tests.front.operator.room.test_services import LAB, House

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio]

IMAGE = os.environ.get("BULKHEAD_TEST_PYTHON_IMAGE", "python:3.13-slim")
ANSWERS = """\
import http.server as h, os
class H(h.BaseHTTPRequestHandler):
  def do_GET(s): s.send_response(200); s.send_header("Content-Length", "0"); s.end_headers()
  do_POST = do_GET
h.HTTPServer(("", int(os.environ["MESHAGENT_PORT"])), H).serve_forever()
"""
NEEDS = "import os; os.environ['SEARCH_KEY']"
FLOODS = "import time\nfor _ in range(1 << 15): print('x' * 99)\nprint(flush=True); time.sleep(600)"
LOG_BYTES = 1 << 16


def service(program: str, **more: Any) -> dict[str, Any]:
    endpoints = [{"path": "/call", "meshagent": {"identity": "greeter"}}]
    return {
        "version": "v1",
        "kind": "Service",
        "metadata": {"name": "greeter"},
        "ports": [{"num": "*", "liveness": "/", "endpoints": endpoints}],
        "container": {"image": IMAGE, "command": "python -c '" + program.replace("'", "'\\''") + "'"},
        **more,
    }


async def test_a_container_that_crashes_leaves_the_old_one_serving_and_a_flood_stays_small(
    serving: Any,
) -> None:
    try:
        subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as reason:
        pytest.skip(f"DOCKER NOT TESTED: no engine with the image {IMAGE}: {reason}")
    address = os.environ.get("DOCKER_HOST", "")
    containers = {"engine": "docker", "docker_host": address, "log_bytes": LOG_BYTES, "stop_s": 0.5}
    async with serving(containers=containers) as site:
        lab = House(site)
        made = await lab.send("POST", LAB, service(ANSWERS))
        flood = service(FLOODS, ports=[], metadata={"name": "flood"})
        flooding = await lab.send("POST", LAB, flood)
        async with lab.inside():
            first = await lab.called(made["id"])
            await lab.send("PUT", f"{LAB}/{made['id']}", service(NEEDS))
            seen = await lab.until(made["id"], lambda seen: bool(seen["last_start_error"]))
            assert "(it misses SEARCH_KEY)" in seen["last_start_error"]
            assert (seen["state"], seen["container_id"]) == ("running", first["container_id"])
            (kind,) = (await lab.send("GET", "/crashes"))["crashes"]
            report = await lab.send("GET", f"/workers/{kind['session_id']}/crash")
            assert (report["process_tree"][0].split()[0], kind["kind"]) == ("python", "KeyError")
            await lab.until(flooding["id"], lambda seen: seen["state"] == "running")
            lines = (await lab.send("GET", f"{LAB}/{flooding['id']}/logs"))["lines"]
            assert sum(len(line) + 1 for line in lines) <= 2 * LOG_BYTES
