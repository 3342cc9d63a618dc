"""J1, the first run: no account, no key; agents in a room, a chat, and a crash that hurts nobody."""

from __future__ import annotations

import json
import os
import re
import signal
from typing import Any

import pytest

pytestmark = pytest.mark.e2e


def test_demo_chat_and_a_crash_beside_siblings(user: Any, free_port: int) -> None:
    demo = user.serve("demo", "--port", str(free_port))
    demo.url = f"http://127.0.0.1:{free_port}"
    demo.read_until(r"/helper +helper")

    # The screen: measured start, where to knock, and a row per agent with a process of its own.
    assert float(demo.told(r"ready in (\d+\.\d\d) s")[1]) < 20
    link = demo.told(rf"Studio +(http://127\.0\.0\.1:{free_port}/studio/rooms/demo)\n")[1]
    assert re.fullmatch(rf"{re.escape(link)}\?t=[\w-]+\n", user.run("studio", "--room", "demo").stdout)
    demo.told(rf"Webhooks +POST http://127\.0\.0\.1:{free_port}/chat")
    demo.told(r"Model +built-in offline model")
    rows = re.findall(r"(/\w+) +\w+ +\w+ +(\d+) +● in room demo  \(joined \d+ ms\)", "\n".join(demo.lines))
    assert [path for path, _ in rows] == ["/adder", "/chat", "/helper"]
    pids = dict(rows)
    assert len(set(pids.values())) == 3

    # A streamed answer that obeys the rule of the seed.
    said = user.run("chat", "--room", "demo", "--to", "chatbot", input="hello\n")
    assert said.returncode == 0, said.stderr
    assert "Fun fact:" in said.stdout

    # A segmentation fault of one: its row says so, and it comes back in a new process under its id; the
    # others keep their processes and go on answering.
    os.kill(int(pids["/helper"]), signal.SIGSEGV)
    demo.read_until(r"/helper helper .* signal 11 \(SIGSEGV\)")
    demo.read_until(r"● /helper helper .* in room demo")
    listed = json.loads(user.run("ps", "--all", "-o", "json").stdout)
    assert len(listed) == 3
    state = {worker["endpoint"]: worker for worker in listed}
    helper = state["/helper"]
    assert (helper["state"], helper["restarts"], helper["generation"]) == ("ready", 1, 2)
    assert helper["restart"]["last_exit"]["signal"] == 11
    assert str(helper["pid"]) != pids["/helper"]
    pids["/helper"] = str(helper["pid"])
    for path in ("/chat", "/adder"):
        assert (state[path]["state"], str(state[path]["pid"])) == ("ready", pids[path])
    sum_ = user.run(
        "agents", "invoke-tool", "--room", "demo", "--toolkit", "adder", "--tool", "add",
        "--arguments", '{"values": [1, 2]}',
    )  # fmt: skip
    assert json.loads(sum_.stdout) == {"result": 3}, sum_.stderr

    assert demo.stop(signal.SIGINT) == 130
    for pid in pids.values():
        assert not os.path.exists(f"/proc/{pid}")


def test_a_first_curl_needs_no_token(user: Any, free_port: int) -> None:
    demo = user.serve("demo", "--port", str(free_port))
    demo.url = f"http://127.0.0.1:{free_port}"
    demo.read_until(r"/helper +helper")
    call = {"event": "room.call", "data": {"room_name": "myroom"}}
    status, answer = demo.ask("POST", "/chat", call, Prefer="wait=20")
    assert (status, answer["ok"]) == (200, True)
    _, worker = demo.ask("GET", f"/workers/{answer['session']}")
    assert (worker["state"], worker["room"], worker["identity"]) == ("ready", "myroom", "chatbot")
    assert worker["pid"] > 0
    status, problem = demo.ask("POST", "/wether", call)
    assert status == 404
    assert "/chat" in problem["detail"]
    assert user.run("stop", answer["session"]).stdout == f"stopped {answer['session']}\n"
    assert user.run("logs", answer["session"]).returncode == 0
