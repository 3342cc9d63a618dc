"""Keys, webhooks, rooms and containers by commands, against a real server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.front.conftest import serving
from tests.front.operator.room.test_services import house
from tests.typed import typed as typed_alone

__all__ = ["house", "serving"]  # fixtures

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def typed(capfd: Any, lab: Any, *words: str, status: int = 0) -> tuple[str, str]:
    url = ["--url", lab.site.server.url]
    at = words.index("--") if "--" in words else len(words)
    return await typed_alone(capfd, *words[:at], *url, *words[at:], status=status)


async def test_keys_and_webhooks_are_made_listed_and_deleted(house: Any, capfd: Any) -> None:
    async with house() as lab:
        out, err = await typed(capfd, lab, "apikey", "create", "ci", "--description", "the build")
        assert out.splitlines()[-1].startswith("ma-")
        assert "nothing shows it again" in err
        out, _ = await typed(capfd, lab, "apikey", "list")
        assert "the build" in out
        assert "ma-" not in out
        await typed(capfd, lab, "apikey", "delete", "ci")
        _, err = await typed(capfd, lab, "apikey", "delete", "ci", status=1)
        assert "there is no key 'ci'" in err
        out, _ = await typed(
            capfd, lab, "webhook", "create", "audit", "http://127.0.0.1:9/hook", "-o", "json"
        )
        made = json.loads(out.splitlines()[-1])
        assert made["secret"]
        assert made["events"] == ["room.started", "room.ended"]
        out, _ = await typed(capfd, lab, "webhook", "list")
        assert made["secret"] not in out
        assert "room.started, room.ended" in out
        async with lab.inside():
            pass
        out, _ = await typed(capfd, lab, "webhook", "deliveries", "audit", "-o", "json")
        started = json.loads(out[out.index("[\n") :])[-1]
        assert started["event"] == "room.started"
        out, _ = await typed(capfd, lab, "webhook", "redeliver", "audit", started["id"])
        assert out.split()[:2] == ["redelivering", "room.started"]
        await typed(capfd, lab, "webhook", "delete", made["id"])
        _, err = await typed(capfd, lab, "webhook", "create", "x", "ftp://nowhere", status=1)
        assert "url must be a text: http or https, without a user" in err


async def test_rooms_and_what_runs_in_them(house: Any, capfd: Any) -> None:
    room = ("--room", "quiet")
    async with house() as lab:
        await typed(capfd, lab, "room", "create", "quiet")
        await typed(capfd, lab, "room", "create", "quiet", status=1)
        await typed(capfd, lab, "room", "create", "quiet", "--if-not-exists")
        out, _ = await typed(capfd, lab, "room", "list", "-o", "name")
        assert "quiet" in out.splitlines()
        run = ("container", "run", *room)
        out, err = await typed(capfd, lab, *run, "greeter:1", "--", "sh", "-c", "echo here; exit 7", status=7)
        assert "here" in out.splitlines()
        out, _ = await typed(capfd, lab, *run, "-d", "--name", "stays", "greeter:1", "--", "sleep", "60")
        box = out.splitlines()[-1]
        out, _ = await typed(capfd, lab, "container", "ps", *room, "-o", "json")
        assert [one["id"] for one in json.loads(out[out.index("[\n") :])] == [box]
        out, err = await typed(
            capfd,
            lab, "container", "exec", *room, "stays", "--", "sh", "-c", "echo one; echo two >&2; exit 4",
            status=4,
        )  # fmt: skip
        assert ("one" in out, "two" in err) == (True, True)
        await typed(capfd, lab, "container", "stop", *room, "stays", "--force")
        out, _ = await typed(capfd, lab, "container", "ps", *room)
        assert "no container runs in quiet" in out
        _, err = await typed(capfd, lab, "container", "logs", *room, "nobody", status=1)
        assert re.search(
            r"`bulkhead container ps --all (--url \S+ )?--room quiet` shows what is there\.", err
        )
        out, _ = await typed(capfd, lab, "images", *room)
        assert re.search(r"^chat +\d+ KiB ", out, re.M), out
        _, err = await typed(capfd, lab, "room", "create", "a/b", status=2)
        assert "cannot be the name of a room" in err
        out, _ = await typed(capfd, lab, "room", "services", "quiet")
        assert "no service is kept" in out


async def test_ctrl_c_stops_what_was_run(house: Any, capfd: Any, tmp_path: Path) -> None:
    async with house() as lab:
        run = (
            "container",
            "run",
            "-r",
            "lab",
            "--url",
            lab.site.server.url,
            "greeter:1",
            "--",
            "sleep",
            "60",
        )
        # A child of the server's process is no operator by its place.
        key = json.loads(next(tmp_path.rglob("server.json")).read_text())["key"]
        command = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "runtime", *run),
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "BULKHEAD_API_TOKEN": key},
        )
        assert command.stderr is not None
        assert (await command.stderr.readline()).startswith(b"container ")
        command.send_signal(signal.SIGINT)
        assert await command.wait() == 130
        out, _ = await typed(capfd, lab, "container", "ps", "--room", "lab")
        assert "no container runs in lab" in out
