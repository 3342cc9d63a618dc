"""Bundles that are sent to a server and become services: with real sessions, by commands and REST."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.front.access.rules import LOCAL_PROJECT
from runtime.front.server import Server
from runtime.rooms.token import ApiKey
from runtime.settings import load_settings
from tests.front.conftest import Site
from tests.front.operator.room.test_services import LAB, STATES, House
from tests.patience import PATIENCE
from tests.typed import typed as typed_alone

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


PROGRAM = """
import asyncio, os
from runtime.sdk import ServiceHost
import words

service = ServiceHost()

@service.path("/greet", identity="greeter")
class Greeter:
    async def start(self, *, room):
        print(words.TEXT, os.environ.get("GREETING"), flush=True)
    async def stop(self):
        pass

asyncio.run(service.run())
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "greeter"
    folder.mkdir()
    (folder / "main.py").write_text(PROGRAM)
    (folder / "words.py").write_text('TEXT = "first"')
    (folder / ".env").write_text("GREETING=not sent")
    return folder


@asynccontextmanager
async def serving(tmp_path: Path, **more: Any) -> AsyncIterator[House]:
    agents = tmp_path / "agents"
    agents.mkdir(exist_ok=True)
    # Relative, as it is by default: programs are started elsewhere.
    state = Path(os.path.relpath(tmp_path / "state"))
    flags: dict[str, Any] = {"server.port": 0, "server.state_dir": state, "containers.engine": "off"}
    flags |= {"supervisor.import_s": 300.0 * PATIENCE, "supervisor.immortal": False}
    flags |= {f"server.{key}": one for key, one in more.items()}
    server = Server(load_settings(flags=flags), [agents], owns_process=False)
    await server.start()
    try:
        yield House(Site(server, server.front.placement, server.front.port))  # type: ignore[arg-type]
    finally:
        await server.stop()


async def typed(lab: House, capsys: Any, *words: str, status: int = 0) -> tuple[str, str]:
    return await typed_alone(capsys, *words, "--url", lab.site.server.url, status=status)


async def sessions(lab: House, *, bundles: set[str]) -> list[dict[str, Any]]:
    """Those that run, once they are of these bundles and ready."""
    async with asyncio.timeout(60 * PATIENCE):
        while True:
            answer = await lab.site.get("/workers")
            found = answer.json["workers"] if answer.status == 200 else []
            if {one["bundle"] for one in found} == bundles and all(one["state"] == "ready" for one in found):
                return list(found)
            await asyncio.sleep(0.05)


async def test_a_folder_becomes_a_service_whose_older_sessions_go_on_and_which_is_rolled_back(
    tmp_path: Path, bundle: Path, capsys: Any
) -> None:
    room = ("--room", "lab")
    async with serving(tmp_path) as lab, lab.inside():
        out, err = await typed(lab, capsys, "deploy", str(bundle), *room, "--env", "GREETING=hello")
        word, name, service, _, revision, digest = out.splitlines()[-1].split()
        assert (word, name, revision) == ("deployed", "greeter", "1")
        assert "its .env is not sent" in err
        first = f"greeter@{digest.removeprefix('sha256:')[:8]}"
        (old,) = await sessions(lab, bundles={first})
        await lab.entered("greeter")
        out, _ = await typed(lab, capsys, "service", "logs", "greeter", *room)
        assert "first hello" in out
        # One that does not load changes nothing, and says why.
        (bundle / "words.py").write_text("TEXT = nowhere")
        _, err = await typed(lab, capsys, "deploy", str(bundle), *room, status=1)
        assert "nothing was switched" in err
        assert 'File "greeter/words.py", line 1' in err
        assert "NameError: name 'nowhere' is not defined" in err
        assert "Mend that line, and deploy it again.\n" in err
        assert (await lab.state(service))["state"] == "running"
        # The next one: what runs goes on, variables stay.
        (bundle / "words.py").write_text('TEXT = "second"')
        out, err = await typed(lab, capsys, "deploy", str(bundle), *room, "-o", "json")
        done = json.loads(out.splitlines()[-1])
        assert (done["revision"], done["going_on"]) == (2, 1)
        second = f"greeter@{done['digest'][:8]}"
        assert [(one["id"], one["revision"]) for one in await sessions(lab, bundles={first})] == [
            (old["id"], 1)
        ]
        assert lab.present("greeter") == 1
        await typed(lab, capsys, "service", "restart", "greeter", *room)
        assert [one["revision"] for one in await sessions(lab, bundles={second})] == [2]
        out, _ = await typed(lab, capsys, "service", "logs", "greeter", *room)
        assert "second hello" in out
        # Back, and at once.
        out, err = await typed(lab, capsys, "service", "rollback", "greeter", *room, "--now")
        assert out.endswith("to 1, now revision 3\n")
        assert "--now" not in err
        assert [one["revision"] for one in await sessions(lab, bundles={first})] == [3]
        folders = {path.name[:8] for path in (tmp_path / "state" / "deployed").iterdir()}
        assert {first[-8:], second[-8:]} == folders  # not the one that was refused
    # It is there after a start anew, and called by who enters.
    async with serving(tmp_path) as lab, lab.inside():
        assert [one["revision"] for one in await sessions(lab, bundles={first})] == [3]
        await lab.entered("greeter")
        (bundle / "words.py").write_text('TEXT = "third"')
        out, _ = await typed(lab, capsys, "deploy", str(bundle), *room, "--now")
        await sessions(lab, bundles={f"greeter@{out.split()[-1].removeprefix('sha256:')[:8]}"})
        await typed(lab, capsys, "service", "delete", "greeter", *room)
        await lab.entered("greeter", 0)
        assert (await lab.site.get("/workers")).json["endpoints"] == []


async def test_what_is_no_bundle_or_whose_it_is_not_is_refused(tmp_path: Path, capsys: Any) -> None:
    base = f"/accounts/projects/{LOCAL_PROJECT}/deployments"
    async with serving(tmp_path) as lab:
        await lab.send(
            "POST",
            LAB,
            {"version": "v1", "kind": "Service", "metadata": {"name": "x"}, "container": {"image": "x:1"}},
        )
        answer = await lab.site.post(base, b'{"name": "Not A Name"}')
        assert answer.status == 400
        made = (await lab.site.post(base, b'{"name": "x", "room": "lab"}')).json
        answer = await lab.site.ask("PUT", f"{base}/{made['id']}/archive", b"no tar at all")
        assert answer.status == 202
        told = (await lab.site.get(f"{base}/{made['id']}?state=checking&wait=20")).json
        assert (told["state"], "no tar of a bundle" in told["error"]["message"]) == ("failed", True)
        again = await lab.site.ask("PUT", f"{base}/{made['id']}/archive", b"")
        assert (again.status, "has its bundle already" in again.json["detail"]) == (409, True)
        (tmp_path / "main.py").write_text("")
        _, err = await typed(
            lab, capsys, "deploy", str(tmp_path / "main.py"), "--name", "x", "-r", "lab", status=1
        )
        assert "of another kind" in err
        assert (await lab.send("GET", STATES))["services"][0]["container"]["image"] == "x:1"
        _, err = await typed(lab, capsys, "deploy", str(tmp_path / "nowhere"), status=2)
        assert "there is no " in err
        _, err = await typed(lab, capsys, "deploy", "/etc/hostname", status=2)
        assert "/etc/hostname is no file of Python" in err


async def test_a_server_elsewhere_asks_for_its_token_or_a_key_of_its_project(
    tmp_path: Path, bundle: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ApiKey("11111111-2222-4333-8444-555555555555", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "s" * 40)
    other = ApiKey("99999999-2222-4333-8444-555555555555", key.id, key.secret)
    async with serving(tmp_path, api_token="t" * 20, api_key=key.format()) as lab:
        for token in ("", "t" * 19, other.format()):
            monkeypatch.setenv("BULKHEAD_API_TOKEN", token)
            _, err = await typed(lab, capsys, "deploy", str(bundle), status=4)
            assert ("does not take this token" if token else "asks for a token") in err
            assert "BULKHEAD_API_TOKEN" in err
        monkeypatch.setenv("BULKHEAD_API_TOKEN", "t" * 20)
        out, _ = await typed(lab, capsys, "apikey", "create", "ci")
        monkeypatch.setenv("BULKHEAD_API_TOKEN", out.split()[-1])
        out, _ = await typed(lab, capsys, "deploy", str(bundle))
        assert out.startswith("deployed greeter ")
        out, _ = await typed(lab, capsys, "service", "list", "-o", "name")
        assert out == "greeter\n"
        await typed(lab, capsys, "apikey", "delete", "ci")
        _, err = await typed(lab, capsys, "service", "list", status=4)
        assert "does not take this token" in err
