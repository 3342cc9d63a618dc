"""The commands that keep services, against a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.cli.failure import ExitCode
from tests.front.conftest import serving
from tests.front.operator.room.test_services import greeter, house
from tests.typed import typed as typed_alone

__all__ = ["house", "serving"]  # fixtures

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

Type = Callable[..., Any]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    file = tmp_path / "greeter.json"
    file.write_text(json.dumps(greeter()))
    return file


async def typed(capsys: Any, lab: Any, *words: str, status: int = 0) -> tuple[str, str]:
    """Type a command; what it wrote to its two streams."""
    return await typed_alone(capsys, "service", *words, "--url", lab.site.server.url, status=status)


async def test_a_service_is_made_listed_changed_started_anew_and_deleted(
    house: Any, manifest: Path, capsys: Any
) -> None:
    room = ("--room", "lab")
    async with house() as lab, lab.inside():
        out, _ = await typed(capsys, lab, "create", "--file", str(manifest), *room)
        word, name, service_id = out.split()[-3:]
        assert (word, name) == ("created", "greeter")
        first = await lab.called(service_id)
        out, _ = await typed(capsys, lab, "list", *room, "-o", "json")
        (row,) = json.loads(out[out.index("[\n") :])
        assert (row["name"], row["of"], row["state"], row["restarts"]) == ("greeter", "room", "running", 0)
        _, err = await typed(capsys, lab, "list", "--room", "lap", status=ExitCode.FAILED)
        assert "there is no room 'lap'\n  Did you mean lab? Known are: lab." in err
        out, _ = await typed(capsys, lab, "get", "greeter")
        assert "image: greeter:1" in out
        _, err = await typed(capsys, lab, "restart", "greeter", status=ExitCode.USAGE)
        url = lab.site.server.url
        assert f"Type: bulkhead service restart greeter --url {url} --room lab\n" in err
        out, _ = await typed(capsys, lab, "list")
        assert out.endswith(f"of one room: bulkhead service list --url {url} --room lab\n"), out
        await typed(capsys, lab, "restart", "greeter", *room)
        await lab.until(service_id, lambda seen: seen["container_id"] not in (None, first["container_id"]))
        await lab.entered("greeter")
        manifest.write_text(json.dumps(greeter(FAIL="no colour")))
        out, _ = await typed(capsys, lab, "update", str(manifest), *room)
        assert out.split()[-3:] == ["updated", "greeter", service_id]
        await lab.until(service_id, lambda seen: seen["last_exit_code"] == 1)
        out, _ = await typed(capsys, lab, "logs", "greeter", "--previous")
        assert "cannot: no colour" in out
        await typed(capsys, lab, "disable", "greeter", *room)
        await lab.until(service_id, lambda seen: seen["state"] == "stopped")
        await typed(capsys, lab, "enable", service_id, *room)
        await typed(capsys, lab, "update", "greeter", "--file", str(manifest), *room)
        await typed(capsys, lab, "update", "greeter", str(manifest), *room)
        _, err = await typed(capsys, lab, "update", *room, status=ExitCode.USAGE)
        assert "which manifest?" in err
        await typed(capsys, lab, "delete", "greeter", *room)
        await lab.entered("greeter", 0)
        out, _ = await typed(capsys, lab, "list", *room)
        assert "no service is kept" in out


async def test_it_has_to_be_said_whose_service_it_is(house: Any, manifest: Path, capsys: Any) -> None:
    async with house() as lab:
        _, err = await typed(capsys, lab, "create", str(manifest), status=ExitCode.USAGE)
        assert f"For every room: bulkhead service create {manifest} --url" in err
        _, err = await typed(
            capsys, lab, "create", str(manifest), "--global", "--wait", status=ExitCode.USAGE
        )
        assert "nothing to wait for" in err  # and nothing was made, or the next would be refused
        await typed(capsys, lab, "create", str(manifest), "--global")
        out, _ = await typed(capsys, lab, "list", "--room", "lab", "-o", "json")
        assert [one["of"] for one in json.loads(out)] == ["project"]
        _, err = await typed(capsys, lab, "logs", "greeter", status=ExitCode.FAILED)
        assert "no room is open, so greeter runs nowhere" in err
        async with lab.inside():
            _, err = await typed(capsys, lab, "update", str(manifest), "--global")
            assert "1 room is open" in err
        assert "image: greeter:1" in (await typed(capsys, lab, "get", "greeter"))[0]
        _, err = await typed(capsys, lab, "delete", "gretter", status=ExitCode.FAILED)
        assert "Kept are: greeter in every room." in err
        _, err = await typed(capsys, lab, "get", "gretter", "--global", status=ExitCode.FAILED)
        assert "Kept there: greeter." in err
        manifest.write_text('{"version": "v1", "kind": "Service", "kontainer": {}}')
        _, err = await typed(capsys, lab, "update", str(manifest), "--global", status=ExitCode.FAILED)
        assert "Did you mean container?" in err
