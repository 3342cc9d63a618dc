"""The files that ``bulkhead init`` writes; ``@NAME@`` stands for the name of the new service."""

from __future__ import annotations

from typing import Final

_MAIN: Final = '''\
"""A chatbot.

Run it: bulkhead service run main.py --room=myroom; then talk to it: bulkhead chat --room=myroom --to chatbot
"""

import asyncio

from meshagent.agents.chat import ChatBot
from meshagent.api.services import ServiceHost
from meshagent.openai import OpenAIResponsesAdapter
from meshagent.otel import otel_config

otel_config(service_name="@NAME@")

service = ServiceHost()


@service.path(path="/chat", identity="chatbot")
class SimpleChatbot(ChatBot):
    def __init__(self):
        super().__init__(
            name="chatbot",
            title="Simple Chatbot",
            description="Answers who talks to it",
            rules=["Always be brief."],
            llm_adapter=OpenAIResponsesAdapter(),
        )


asyncio.run(service.run())
'''

_TEST: Final = '''\
"""The chatbot as its users meet it: served, called into a room, and talked to.  Offline."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent
BULKHEAD = [sys.executable, "-m", "runtime"]
# Without a provider the built-in offline model answers, so the test says the same everywhere.
OTHERS = ("OPENAI_", "BULKHEAD_", "MESHAGENT_")
ENV = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}


@pytest.fixture
def url(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serve = ["serve", "main.py", "--port", str(port), "--room", "test", "--state-dir", str(tmp_path)]
    with open(tmp_path / "server.log", "w") as log:
        server = subprocess.Popen([*BULKHEAD, *serve], cwd=FOLDER, env=ENV, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


def chat(url, text):
    talk = ["chat", "--url", url, "--room", "test", "--to", "chatbot"]
    return subprocess.run([*BULKHEAD, *talk], input=text, cwd=FOLDER, env=ENV, capture_output=True, text=True)


def test_it_answers(url):
    for _ in range(100):  # until the server is there
        told = chat(url, "what is 6 * 7?\\n")
        if told.returncode == 0:
            break
        time.sleep(0.2)
    assert "42" in told.stdout, told.stderr
'''

_DOCKERFILE: Final = """\
# `docker build -t bulkhead:local .` in a checkout of Bulkhead makes the image that this one begins with.
FROM bulkhead:local
# Packages that main.py imports:
#   USER root
#   RUN python -m pip --python /opt/bulkhead/bin/python install PACKAGE
#   USER 10001:10001
COPY main.py /app/main.py
ENV BULKHEAD_AGENTS_DIR=/app
"""

_COMPOSE: Final = """\
# docker compose up -d --build --wait     then: curl -s localhost:8080/healthz
name: @NAME@

services:
  @NAME@:
    build: .
    image: @NAME@:local
    # This machine alone can reach it.  Before you publish it wider, set BULKHEAD_WEBHOOK_SECRET and
    # BULKHEAD_API_TOKEN and set BULKHEAD_INSECURE to 0.
    ports:
      - "127.0.0.1:8080:8080"
    environment:
      BULKHEAD_INSECURE: ${BULKHEAD_INSECURE:-1}
      # Taken from your shell, or from .env (see .env.example).
      BULKHEAD_WEBHOOK_SECRET:
      BULKHEAD_API_TOKEN:
      BULKHEAD_ROOM: ${BULKHEAD_ROOM:-myroom}
      OPENAI_API_KEY:
      OPENAI_BASE_URL:
      OPENAI_MODEL:
    volumes:
      - state:/var/lib/bulkhead
    tmpfs:
      - /tmp:size=64m,mode=1777
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    stop_grace_period: 45s
    restart: unless-stopped

volumes:
  state:
"""

_SETTINGS: Final = """\
# Settings of `bulkhead` in this folder; `bulkhead config -o wide` lists them all, with where each comes from.

[limits]
memory = "512MiB"
"""

_ENV: Final = """\
# cp .env.example .env    for docker compose; elsewhere: set -a; . ./.env; set +a
# A model provider; without one the built-in offline model answers.
OPENAI_API_KEY=
# OPENAI_BASE_URL=http://localhost:11434/v1
# OPENAI_MODEL=
# Signs the webhooks that call the agent.
# BULKHEAD_WEBHOOK_SECRET=
"""

FILES: Final = {
    "main.py": _MAIN,
    "Dockerfile": _DOCKERFILE,
    "docker-compose.yml": _COMPOSE,
    "bulkhead.toml": _SETTINGS,
    "tests/test_main.py": _TEST,
    ".env.example": _ENV,
}
"""Path → text."""
