"""What was called into a room by `service run` comes back to it: with new code, and after its server died."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

PROGRAM = """
import asyncio
from meshagent.agents import LLMAdapter
from meshagent.agents.chat import ChatBot
from meshagent.api.services import ServiceHost

service = ServiceHost()


class Model(LLMAdapter):
    def default_model(self):
        return "none"

    async def next(self, *, context, event_handler=None, **_):
        count = sum(1 for message in context.messages if message["role"] == "user")
        text = f"WORD, question {count}"
        context.messages.append({"role": "assistant", "content": text})
        event_handler({"type": "response.output_text.delta", "delta": text})
        return text


@service.path(path="/chat", identity="chatbot")
class Bot(ChatBot):
    def __init__(self):
        super().__init__(name="chatbot", llm_adapter=Model())

#MORE
asyncio.run(service.run())
"""
MORE = """
@service.path(path="/two", identity="second")
class Second(Bot):
    pass
"""


def save(folder: Path, word: str, more: str = "") -> None:
    """As editors save: written aside, then moved into place."""
    (folder / "aside").write_text(PROGRAM.replace("WORD", word).replace("#MORE", more))
    (folder / "aside").replace(folder / "main.py")


def alive(server: Any) -> dict[str, Any]:
    return {worker["identity"]: worker for worker in server.ask("GET", "/workers")[1]["workers"]}


def test_a_first_start_with_a_mistake_waits_for_the_save_that_mends_it(user: Any, free_port: int) -> None:
    (user.folder / "main.py").write_text("import tools\n" + PROGRAM.replace("WORD", "first"))
    (user.folder / "tools.py").write_text("x = (\n")
    server = user.serve("service", "run", "main.py", "--room=r", "--port", str(free_port))
    server.url = f"http://127.0.0.1:{free_port}"
    server.read_until("error: SyntaxError")
    server.read_until("Mend that line and save; it is loaded again")
    server.read_until("Waiting for main.py to be saved")
    assert server.ask("GET", "/readyz")[0] == 503
    (user.folder / "tools.py").write_text("x = [\n")
    server.read_until(r"✗ .*tools.py:1 SyntaxError")
    (user.folder / "tools.py").write_text("x = []\n")
    server.read_until("Connecting endpoint /chat as chatbot")
    server.read_until("● in room r")
    assert server.ask("GET", "/readyz")[0] == 200
    assert server.stop() == 130


def test_a_folder_with_a_main_is_one_service(user: Any, free_port: int) -> None:
    (user.folder / "main.py").write_text("import tools\n" + PROGRAM.replace("WORD", "first"))
    (user.folder / "tools.py").write_text("x = []\n")
    (user.folder / "unrelated.py").write_text("open('was-run', 'w')\n")
    server = user.serve("service", "run", ".", "--room=r", "--port", str(free_port))
    server.url = f"http://127.0.0.1:{free_port}"
    server.read_until("● in room r")
    assert server.ask("GET", "/healthz")[1]["status"] == "ok"
    (user.folder / "tools.py").write_text("x = [1]\n")
    server.read_until("generation 2 ready")
    assert not (user.folder / "was-run").exists()
    assert server.stop() == 130


def test_a_save_moves_the_agent_to_the_new_code_and_a_killed_server_brings_it_back(
    user: Any, free_port: int
) -> None:
    save(user.folder, "first")
    server = user.serve("service", "run", "main.py", "--room=r", "--port", str(free_port))
    server.url = f"http://127.0.0.1:{free_port}"
    server.read_until("● in room r")
    before = alive(server)["chatbot"]
    assert "first, question 1" in user.run("chat", "--room=r", input="hello\n").stdout

    save(user.folder, "second", MORE)
    server.read_until(r"main.py changed · generation 2 ready in \d+\.\d\d s · chatbot joins anew")
    server.read_until(r"\+ endpoint /two as second called into r|● /chat chatbot")
    server.read_until(r"\+ endpoint /two as second called into r|● /chat chatbot")
    assert alive(server)["chatbot"]["id"] != before["id"]
    assert "second, question 2" in user.run("chat", "--room=r", input="hello\n").stdout, "the thread is kept"

    (user.folder / "main.py").write_text("(\n")
    server.read_until(r"✗ main.py:1 SyntaxError: .* · generation 2 keeps serving · fix and save again")
    save(user.folder, "third")
    server.read_until("- endpoint /two is gone · its session was stopped")
    deadline = time.monotonic() + 20
    # One that was not ready when its server died would begin again under its id, and be called by nobody.
    while (now := alive(server)).keys() != {"chatbot"} or now["chatbot"]["state"] != "ready":
        assert time.monotonic() < deadline
        time.sleep(0.05)

    about = json.loads((user.folder / ".bulkhead" / "server.json").read_text())
    os.kill(about["pid"], signal.SIGKILL)
    server.read_until(r"✗ the server was killed by signal 9: 1 session is started again")
    server.read_until(r"● /chat chatbot")
    assert "third, question 3" in user.run("chat", "--room=r", input="hello\n").stdout
    assert "The path does not have this method" not in "\n".join(server.lines)
