"""The files that ``bulkhead init`` writes.

``@NAME@`` stands for the name of the new service, ``@VERSION@`` for the release of Bulkhead that makes it.
"""

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
"""The chatbot as its users meet it: served, called into a room, and talked to.  Offline.

Needs nothing but Bulkhead: python -m unittest discover tests.  pytest runs it as well.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent
BULKHEAD = [sys.executable, "-P", "-m", "runtime"]
# Without a provider the built-in offline model answers, so the test says the same everywhere.
OTHERS = ("OPENAI_", "BULKHEAD_", "MESHAGENT_")
ENV = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}


class ChatbotTest(unittest.TestCase):
    def setUp(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        state = ["--state-dir", str(folder / "state")]
        serve = ["serve", "main.py", "--port", str(port), "--room", "test", *state]
        log = self.enterContext(open(folder / "server.log", "w"))
        server = subprocess.Popen([*BULKHEAD, *serve], cwd=FOLDER, env=ENV, stdout=log, stderr=log)
        self.addCleanup(server.wait, 60)
        self.addCleanup(server.terminate)

    def chat(self, text):
        talk = ["chat", "--url", self.url, "--room", "test", "--to", "chatbot"]
        return subprocess.run(
            [*BULKHEAD, *talk], input=text, cwd=FOLDER, env=ENV, capture_output=True, text=True
        )

    def test_it_answers(self):
        for _ in range(100):  # until the server is there
            told = self.chat("what is 6 * 7?\\n")
            if told.returncode == 0:
                break
            time.sleep(0.2)
        self.assertIn("42", told.stdout, told.stderr)


if __name__ == "__main__":
    unittest.main()
'''

_REQUIREMENTS: Final = """\
# Packages that main.py imports beside Bulkhead, one a line; the image gets them too.
# Here: python -m pip install -r requirements.txt, into the environment that has Bulkhead.
"""

_DOCKERFILE: Final = """\
# docker compose up -d --build --wait
FROM python:3.13-slim
ENV PIP_ROOT_USER_ACTION=ignore PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# wheels/ holds the Bulkhead that made this folder.  Once your package index has it, delete that folder.
COPY requirements.txt wheels*/*.whl /tmp/build/
RUN python -m pip install --find-links /tmp/build \\
      "bulkhead-runtime[openai]==@VERSION@" -r /tmp/build/requirements.txt
# Its second name, unless the requirements brought the real one.
RUN command -v meshagent || cp "$(command -v bulkhead)" "$(dirname "$(command -v bulkhead)")/meshagent"
# The state folder is for whatever user the container is given.
RUN install -d -m 1777 /var/lib/bulkhead
COPY . /app
ENV HOME=/var/lib/bulkhead \\
    PYTHONUNBUFFERED=1 \\
    PYTHONDONTWRITEBYTECODE=1 \\
    BULKHEAD_HOST=0.0.0.0 \\
    BULKHEAD_STATE_DIR=/var/lib/bulkhead
USER 10001:10001
WORKDIR /app
VOLUME /var/lib/bulkhead
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --start-interval=1s --retries=3 \\
  CMD ["python", "-ISc", "import http.client as h, os, sys; \\
port = os.environ.get('BULKHEAD_PORT') or os.environ.get('MESHAGENT_PORT') or '8080'; \\
c = h.HTTPConnection('127.0.0.1', int(port), timeout=2); \\
c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["bulkhead", "serve"]
CMD ["main.py"]
"""

ON_BASE: Final = """\
# docker compose up -d --build --wait
# The base: docker build --target runtime-slim -t bulkhead:runtime-slim .    in a checkout of Bulkhead
# Or a release: docker compose build --build-arg BASE=ghcr.io/OWNER/bulkhead:VERSION-slim
ARG BASE=bulkhead:runtime-slim
FROM ${BASE}
USER 0:0
COPY requirements.txt /tmp/requirements.txt
# What Bulkhead itself needs stays in the versions that the base has: a package that wants others is refused.
RUN /usr/local/bin/python -m pip list --format=freeze > /tmp/base.txt \\
 && /usr/local/bin/python -m pip install -c /tmp/base.txt -r /tmp/requirements.txt \\
 && rm /tmp/base.txt
COPY . /app
USER 10001:10001
WORKDIR /app
CMD ["main.py"]
"""
"""The Dockerfile of an image on our own."""

_NOT_IN_THE_IMAGE: Final = """\
.git
.venv
.bulkhead
.env
**/*.env
**/__pycache__
tests
Dockerfile
docker-compose.yml
"""

_NOT_IN_GIT: Final = """\
.venv/
.bulkhead/
__pycache__/
# Keys.
.env
agents.env
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
      - "127.0.0.1:${BULKHEAD_PORT:-8080}:8080"
    # Settings, and whatever else is in .env (see .env.example).
    env_file:
      - path: .env
        required: false
    environment:
      BULKHEAD_HOST: 0.0.0.0
      BULKHEAD_PORT: 8080
      BULKHEAD_STATE_DIR: /var/lib/bulkhead
      BULKHEAD_INSECURE: ${BULKHEAD_INSECURE:-1}
      BULKHEAD_PUBLIC_URL: ${BULKHEAD_PUBLIC_URL:-http://127.0.0.1:${BULKHEAD_PORT:-8080}}
      BULKHEAD_ROOM: ${BULKHEAD_ROOM:-myroom}
      # Taken from your shell when they are set there.
      BULKHEAD_WEBHOOK_SECRET:
      BULKHEAD_API_TOKEN:
      OPENAI_API_KEY:
      OPENAI_BASE_URL:
      OPENAI_MODEL:
    volumes:
      - state:/var/lib/bulkhead
      # Variables that agents alone see, once there is such a file:
      # - ./agents.env:/app/agents.env:ro
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
# What agents alone may see, such as keys of services they use, goes into agents.env, in the same form.
# A model provider; without one the built-in offline model answers.
OPENAI_API_KEY=
# OPENAI_BASE_URL=http://localhost:11434/v1
# OPENAI_MODEL=
# Signs the webhooks that call the agent.
# BULKHEAD_WEBHOOK_SECRET=
"""

FILES: Final = {
    "main.py": _MAIN,
    "requirements.txt": _REQUIREMENTS,
    "Dockerfile": _DOCKERFILE,
    ".dockerignore": _NOT_IN_THE_IMAGE,
    "docker-compose.yml": _COMPOSE,
    "bulkhead.toml": _SETTINGS,
    "tests/test_main.py": _TEST,
    ".env.example": _ENV,
    ".gitignore": _NOT_IN_GIT,
}
"""Path → text."""
