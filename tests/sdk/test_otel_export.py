"""Telemetry arrives at a collector, from the process that applied it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

pytestmark = pytest.mark.process

PROGRAM = """
import logging, threading
from runtime.sdk import otel
otel.otel_config(service_name="chatbot")
assert threading.active_count() == 1
otel.apply()
from opentelemetry import trace
with trace.get_tracer("mine").start_as_current_span("a turn"):
    logging.getLogger("mine").info("hello %s", "collector")
otel.shutdown()
"""


def test_logs_and_traces_are_exported_with_the_session_s_attributes() -> None:
    pytest.importorskip("opentelemetry.sdk")
    received: dict[str, bytes] = {}

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            env = {
                **os.environ,
                "OTEL_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
                "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
                "MESHAGENT_ROOM": "myroom",
                "MESHAGENT_SESSION_ID": "s_1",
            }
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", PROGRAM],
                env=env,
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
        finally:
            server.shutdown()
            serving.join()
    assert done.returncode == 0, done.stderr
    assert set(received) == {"/v1/logs", "/v1/traces"}
    assert b"hello collector" in received["/v1/logs"]
    assert b"a turn" in received["/v1/traces"]
    for body in received.values():
        assert all(word in body for word in (b"chatbot", b"myroom", b"s_1"))
