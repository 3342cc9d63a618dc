"""A server is asked whatever its description allows, and more: no answer is a failure, or undescribed.

Once with names of things that are there, once with whatever comes to mind.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PATIENCE
from tests.front.test_server_process import Process, running

pytestmark = [pytest.mark.process, pytest.mark.long, pytest.mark.asyncio, pytest.mark.timeout(600)]

AGENTS = """
import asyncio
from runtime.sdk import ServiceHost

service = ServiceHost()

@service.path("/quick", identity="quick")
class Quick:
    async def start(self, *, room):
        print("here")
    async def stop(self):
        pass

@service.path("/broken", identity="broken", restart="never")
class Broken:
    async def start(self, *, room):
        raise ValueError("no")
    async def stop(self):
        pass

asyncio.run(service.run())
"""

CONFIGURATION = """
seed = 1
continue-on-failure = true
request-timeout = 20.0
warnings = false

[generation]
max-examples = 2
database = "none"

[phases.stateful]
enabled = false

# One that nothing takes; which methods a path takes is the description's, not each path's own.
[phases.coverage]
unexpected-methods = ["patch"]

[checks]
# A session that was ended is still told of, which is meant.
use_after_free.enabled = false

# Streams without an end, and one that takes as long as a session does.
[[operations]]
include-path = ["/events", "/studio/live", "/workers/{session_id}/replay"]
enabled = false

# What it takes is a websocket.
[[operations]]
include-path = ["/rooms/{room}", "/{endpoint}", "/rooms/{room}/v1/responses",
                "/rooms/{room}/openai/v1/responses", "/openai/v1/responses"]
include-method = "GET"
checks.positive_data_acceptance.enabled = false
checks.missing_required_header.enabled = false

# What may be the name of a room, an address or a manifest is more than a schema can say.
[[operations]]
include-path = ["/{endpoint}", "/studio/links", "/mail/{address}",
                "/accounts/projects/{project}/mailboxes", "/accounts/projects/{project}/mailboxes/{address}",
                "/accounts/projects/{project}/services", "/accounts/projects/{project}/rooms/{room}/services",
                "/accounts/projects/{project}/services/{service_id}",
                "/accounts/projects/{project}/rooms/{room}",
                "/accounts/projects/{project}/rooms/{room}/services/{service_id}",
                "/accounts/projects/{project}/secrets", "/accounts/projects/{project}/secrets/{secret_id}",
                "/accounts/users/me/secrets", "/accounts/users/me/secrets/{secret_id}/versions",
                "/accounts/projects/{project}/service-accounts/{account}/secrets",
                "/accounts/projects/{project}/service-accounts/{account}/secrets/{secret_id}/versions",
                "/accounts/projects/{project}/service-accounts/{account}/pull-secrets/{secret_id}",
                "/templates/render"]
checks.positive_data_acceptance.enabled = false

# Read by hand, and more is forgiven than is described.
[[operations]]
include-path = ["/rooms/{room}/v1/responses", "/rooms/{room}/openai/v1/responses", "/openai/v1/responses",
                "/rooms/{room}/v1/messages", "/rooms/{room}/anthropic/v1/messages", "/anthropic/v1/messages",
                "/rooms/{room}/v1/messages/count_tokens", "/anthropic/v1/messages/count_tokens",
                "/rooms/{room}/anthropic/v1/messages/count_tokens",
                "/{endpoint}"]
checks.negative_data_rejection.enabled = false

# Who has no participant token gets 403, as at the door of a room: clients try again after a 401.
[[operations]]
include-path = ["/rooms/{room}/v1/responses", "/rooms/{room}/openai/v1/responses", "/openai/v1/responses",
                "/rooms/{room}/v1/messages", "/rooms/{room}/anthropic/v1/messages", "/anthropic/v1/messages",
                "/rooms/{room}/v1/messages/count_tokens", "/anthropic/v1/messages/count_tokens",
                "/rooms/{room}/anthropic/v1/messages/count_tokens",
                "/rooms/{room}/v1/embeddings", "/rooms/{room}/openai/v1/embeddings", "/openai/v1/embeddings"]
checks.missing_required_header.enabled = false

# A version's id with a word behind it is, for the way requests are led, an id as well.
[[operations]]
include-path = ["/accounts/users/me/secrets/{secret_id}/versions/{version_id}:access",
        "/accounts/projects/{project}/service-accounts/{account}/secrets/{secret_id}/versions/{version_id}:access"]
checks.allow_header_conformance.enabled = false

[parameters]
"""


# Who is frozen, or was made to hang, does not answer others in time: that is not to be the one they ask.
OF_A_VICTIM = """
[[operations]]
include-path = ["/workers/{{session_id}}/freeze", "/workers/{{session_id}}/faults"]
parameters = {{ "path.session_id" = "{}" }}
"""


async def fuzz(server: Process, folder: Path, *options: str, victim: str = "", **parameters: Any) -> None:
    """Let schemathesis ask the server; `parameters` stand for what it would make up."""
    given = "".join(f"{json.dumps(name)} = {json.dumps(value)}\n" for name, value in parameters.items())
    given += OF_A_VICTIM.format(victim) if victim else ""
    (folder / "schemathesis.toml").write_text(CONFIGURATION + given)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "schemathesis.cli", "--no-color", "run", f"{server.url}/openapi.json", "--url", server.url),
        *options,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(150 * PATIENCE):
        told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()[-20_000:]


async def test_no_request_breaks_it_and_no_answer_is_undescribed(tmp_path: Path) -> None:
    (tmp_path / "agents.py").write_text(AGENTS)
    flags = {"server.port": 0, "server.state_dir": str(tmp_path / "state"), "server.chaos": True}
    work = json.dumps({"flags": flags, "sources": [str(tmp_path / "agents.py")]})
    async with running(tmp_path, "-m", "runtime.front", work) as server:
        lives, victim = [await server.call("/quick", Prefer="wait=20") for _ in range(2)]
        body = b'{"event":"room.call","data":{"room_name":"r"}}'
        failed = await server.ask("POST", "/broken", body, Prefer="wait=20")
        assert failed.status == 502
        (crash,) = (await server.ask("GET", "/crashes")).json["crashes"]
        known = {"path.fingerprint": crash["fingerprint"], "path.room": "r", "query.follow": False}
        of_one = {"path.session_id": lives, "path.endpoint": "quick"}
        await fuzz(server, tmp_path, victim=victim, **known, **of_one)
        ended = {**known, "path.session_id": failed.json["session"]}
        await fuzz(server, tmp_path, "--include-path-regex", "session_id", **ended)
        await fuzz(server, tmp_path, "--phases", "fuzzing")
