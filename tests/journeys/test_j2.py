"""J2, write an agent and run it: the listing that users start from, unchanged, and a bundle of three."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

LISTING = """import asyncio
from meshagent.otel import otel_config
from meshagent.api.services import ServiceHost
from meshagent.agents.chat import ChatBot
from meshagent.openai import OpenAIResponsesAdapter

# Enable OpenTelemetry logging and tracing for the agent
otel_config(service_name="chatbot")

# Create a service host
service = ServiceHost()  # optional to pass a port, MeshAgent automatically assigns an available one if none provideds

# Register an agent at a specific path
@service.path(path="/chat", identity="chatbot")
class SimpleChatbot(ChatBot):
    def __init__(self):
        super().__init__(
            name="chatbot",
            title="Simple Chatbot",
            description="A helpful chatbot for room participants",
            rules=[
                "Always respond to the user first then include a fun fact at the end of your response."
            ],
            llm_adapter=OpenAIResponsesAdapter(),
        )

# Start the service
asyncio.run(service.run())
"""  # noqa: E501

BUNDLE = """import asyncio
from meshagent.api.services import ServiceHost
from meshagent.agents import TaskRunner
from meshagent.agents.chat import ChatBot
from meshagent.openai import OpenAIResponsesAdapter
from meshagent.tools import Tool

service = ServiceHost()

@service.path(path="/chat", identity="chatbot")
class ChatAgent(ChatBot):
    def __init__(self):
        super().__init__(name="chatbot", llm_adapter=OpenAIResponsesAdapter())

@service.path(path="/dataanalysis", identity="data-analsis-tool")
class DataAnalysis(Tool):
    def __init__(self):
        super().__init__(
            name="mean",
            description="The mean of numbers",
            input_schema={
                "type": "object",
                "properties": {"values": {"type": "array", "items": {"type": "number"}}},
                "required": ["values"],
                "additionalProperties": False,
            },
        )

    async def execute(self, context, *, values):
        return {"mean": sum(values) / len(values)}

@service.path(path="/helper", identity="task-helper")
class HelperAgent(TaskRunner):
    def __init__(self):
        super().__init__(
            name="task-helper",
            description="Sums numbers",
            input_schema={
                "type": "object",
                "properties": {"values": {"type": "array", "items": {"type": "number"}}},
                "required": ["values"],
                "additionalProperties": False,
            },
            output_schema={
                "type": "object",
                "properties": {"result": {"type": "number"}},
                "required": ["result"],
                "additionalProperties": False,
            },
        )

    async def ask(self, *, context, arguments):
        return {"result": sum(arguments["values"])}

asyncio.run(service.run())
"""


def test_the_listing_runs_unchanged_and_prints_the_six_lines(user: Any, free_port: int) -> None:
    (user.folder / "main.py").write_text(LISTING)
    assert user.run("setup").returncode == 0
    run = user.serve("service", "run", "main.py", "--room=myroom", "--port", str(free_port))
    run.read_until("● in room myroom")
    assert run.lines[:6] == [
        "Connecting to room...",
        f"Connecting port {free_port}...",
        "Connecting endpoint /chat as chatbot...",
        f"INFO:services:starting -> 0.0.0.0:{free_port}/chat -> SimpleChatbot",
        f"INFO:webhooks:received request http://localhost:{free_port}/chat POST",
        "INFO:services:chatbot answering call and joining room",
    ]
    said = user.run("chat", "--room=myroom", "--to", "chatbot", input="hello\n")
    assert "Fun fact:" in said.stdout, said.stderr
    assert run.stop(signal.SIGTERM) == 143


def test_three_endpoints_are_called_with_their_identities_and_work(user: Any, free_port: int) -> None:
    (user.folder / "main.py").write_text(BUNDLE)
    run = user.serve("service", "run", "main.py", "--room=myroom", "--port", str(free_port))
    run.read_until(r"/helper .*● in room myroom")
    text = "\n".join(run.lines)
    connecting = re.findall(r"Connecting endpoint (\S+) as (\S+)\.\.\.", text)
    assert sorted(connecting) == [
        ("/chat", "chatbot"),
        ("/dataanalysis", "data-analsis-tool"),
        ("/helper", "task-helper"),
    ]
    workers = json.loads(user.run("ps", "-o", "json").stdout)
    assert len({worker["pid"] for worker in workers}) == 3
    asked = user.run("agents", "ask", "--room=myroom", "--agent=task-helper", '--input={"values":[1,2]}')
    assert asked.stdout == '{"result": 3}\n', asked.stderr
    listed = json.loads(user.run("agents", "list", "--room=myroom", "-o", "json").stdout)
    tool = next(item["name"] for item in listed if item["name"].endswith(".mean"))
    toolkit = tool.removesuffix(".mean")
    used = user.run(
        "agents",
        "invoke-tool",
        "--room=myroom",
        "--toolkit",
        toolkit,
        "--tool",
        "mean",
        '--arguments={"values":[1,3]}',
    )
    assert json.loads(used.stdout) == {"mean": 2}, used.stderr
    assert {("chatbot", "chatbot"), ("task-helper", "agent")} <= {
        (item["name"], item["kind"]) for item in listed
    }

    # The hint to look who is there comes where somebody is not there, and nowhere else.
    call = ("agents", "invoke-tool", "--room=myroom", "--toolkit")
    hint = "`bulkhead agents list --room myroom` shows what is there."
    assert hint in user.run(*call, "nobody", "--tool", "mean").stderr
    refused = user.run(*call, toolkit, "--tool", "mean", '--arguments={"values":"x"}')
    assert (refused.returncode, hint in refused.stderr) == (1, False)
    assert "`bulkhead agents list --room myroom -o json` shows what it takes." in refused.stderr
    refused = user.run("agents", "ask", "--room=myroom", "--agent=task-helper", "--input=[1]")
    assert refused.returncode == 2
    assert "must be a JSON object, not a list" in refused.stderr
    said = user.run("chat", "--room=myroom", "--to", toolkit, input="hello\n")
    assert "is not one to chat with: it offers tools" in said.stderr
    said = user.run("chat", "--room=myroom", "--to=chatbto")
    assert "waiting" not in said.stderr
    assert "Did you mean chatbot? You can talk to: chatbot." in said.stderr
    said = user.run("agents", "list", "--room=myrom")
    assert (said.returncode, "Did you mean myroom?" in said.stderr) == (1, True)
    assert [one["name"] for one in json.loads(user.run("room", "list", "-o", "json").stdout)] == ["myroom"]
    said = user.run("chat", "--room=myroom", input="/tools\n")
    assert f"{toolkit}   tool mean" in said.stderr


def test_an_edit_is_loaded_and_an_added_endpoint_called(user: Any, free_port: int) -> None:
    (user.folder / "main.py").write_text(LISTING)
    run = user.serve("service", "run", "main.py", "--room=myroom", "--port", str(free_port))
    run.read_until("● in room myroom")
    added = '@service.path(path="/two", identity="two")\nclass Two(SimpleChatbot):\n    pass\n\n'
    edited = LISTING.replace("# Start the service", added + "# Start the service")
    (user.folder / "main.py").write_text(edited)
    run.read_until(r"\+ endpoint /two as two called into myroom")
    (user.folder / "main.py").write_text(edited + "broken = (\n")
    run.read_until(r"✗ main.py:\d+ SyntaxError: '\(' was never closed · generation 2 keeps serving")
    assert run.process.poll() is None
    states = {row["state"] for row in json.loads(user.run("ps", "-o", "json").stdout)}
    assert states <= {"ready", "accepted", "starting", "stopping"}


def test_a_missing_package_is_named_at_once_with_the_traceback(user: Any, free_port: int) -> None:
    (user.folder / "main.py").write_text("import nowhere_to_be_found\n")
    server = user.serve("service", "run", "main.py", "--room=myroom", "--port", str(free_port))
    server.read_until("Waiting for main.py to be saved")
    said = "\n".join(server.lines)
    assert "there is no module 'nowhere_to_be_found'" in said
    assert "main.py" in said
    assert 'File "' in said
    assert "Is it a file of yours?" in said
    assert "bulkhead bundle install" in said
    assert "pip install" not in said


def test_service_spec_describes_the_endpoints(user: Any) -> None:
    (user.folder / "main.py").write_text(BUNDLE)
    ran = user.run("service", "spec", "main.py", "-o", "json")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert [port["num"] for port in found["ports"]] == ["*"]
    assert found["metadata"]["name"] == user.folder.name, "main.py is called like its folder"
    (user.folder / "data.py").write_text(BUNDLE)
    user.env["BULKHEAD_PORT"] = "9000"
    again = json.loads(user.run("service", "spec", "data.py", "-o", "json").stdout)
    assert ([port["num"] for port in again["ports"]], again["metadata"]["name"]) == ([9000], "data")
    endpoints = [endpoint for port in found["ports"] for endpoint in port["endpoints"]]
    assert {one["path"]: one["meshagent"]["identity"] for one in endpoints} == {
        "/chat": "chatbot",
        "/dataanalysis": "data-analsis-tool",
        "/helper": "task-helper",
    }
    assert not list(Path(user.folder).glob(".bulkhead")), "it leaves nothing in the folder"
