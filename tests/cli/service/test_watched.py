"""Services that are changed by name, waited for and followed; a failure is told with its cause."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from runtime.cli.failure import CommandFailed
from runtime.cli.service.changed import change, changed
from runtime.cli.service.scope import NEWEST, kept
from runtime.cli.service.watched import news, until_live
from tests.cli.service.test_kept import manifest, typed
from tests.front.conftest import serving
from tests.front.operator.room.test_services import LAB, house

__all__ = ["house", "manifest", "serving"]  # fixtures

ROOM = ("--room", "lab")


@pytest.mark.unit
@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        ([], ["a", "b"], ["a", "b"]),
        (["a", "b"], ["a", "b", "c"], ["c"]),
        (["a", "b", "c"], ["b", "c", "d"], ["d"]),  # the first made way
        (["a", "b"], ["a", "b"], []),
        (["a", "b"], ["x"], ["x"]),
    ],
)
def test_lines_are_told_once(before: list[str], now: list[str], new: list[str]) -> None:
    assert list(news(before, now)) == new


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_change_is_waited_for_and_says_why_it_failed(house: Any, manifest: Path, capsys: Any) -> None:
    async with house() as lab, lab.inside():
        _, err = await typed(capsys, lab, "create", str(manifest), *ROOM, "--wait")
        assert "live: revision 1" in err
        _, err = await typed(
            capsys, lab, "update", "greeter", *ROOM, "--env", "FAIL=SEARCH_KEY is not set", "--wait", status=1
        )
        assert "revision 2 did not become live: it ended with 1" in err
        assert "the one before goes on serving" in err
        assert "cannot: SEARCH_KEY is not set" in err
        assert "It misses SEARCH_KEY: bulkhead secret set SEARCH_KEY" in err
        assert "--room lab --secret SEARCH_KEY" in err
        _, err = await typed(capsys, lab, "update", "greeter", *ROOM, "--secret", "TOK", status=1)
        assert "Set it first: bulkhead secret set TOK\n" in err
        _, err = await typed(capsys, lab, "list", *ROOM)
        assert "greeter goes on with revision 1, the newest is 2: " in err
        api, base, found = await asyncio.to_thread(
            kept, lab.site.server.url, "lab", "greeter", is_global=False
        )

        async def refused(revision: int) -> str:
            waiting = asyncio.to_thread(
                until_live, api, base, found["id"], revision, [], within_s=60, named="greeter --room lab"
            )
            with pytest.raises(CommandFailed) as failed:
                await waiting
            return str(failed.value)

        assert "revision 1 made way for 2" in await refused(1)
        # Others change it while it is read, and nothing that either wanted is lost.
        alone = changed({"container": {"image": "greeter:1"}}, image="greeter:2", env=None, secret=None)
        assert alone == {"container": {"image": "greeter:2"}}
        others = [changed(found, image=None, env=[f"N{number}=1"], secret=None) for number in range(2)]

        def wanted(spec: dict[str, Any]) -> dict[str, Any]:
            if others:
                api.request("PUT", f"{base}/{found['id']}", json.dumps(others.pop()).encode(), NEWEST)
            return changed(spec, image=None, env=["OURS=1"], secret=None)

        await asyncio.to_thread(change, api, base, found["id"], wanted)
        out, _ = await typed(capsys, lab, "get", "greeter", *ROOM)
        assert "name: OURS" in out
        assert "name: N0" in out
        await typed(capsys, lab, "delete", "greeter", *ROOM)
        assert "greeter was deleted meanwhile" in await refused(9)


TEMPLATE = """
version: v1
kind: ServiceTemplate
metadata: {name: "bot"}
variables: [{name: tone}]
container: {image: "greeter:1", environment: [{name: TONE, value: "{{ tone }}"}]}
"""


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_template_is_filled_in_anew_by_name(house: Any, tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "bot.yaml"
    file.write_text(TEMPLATE)
    async with house() as lab:
        await typed(capsys, lab, "create", str(file), *ROOM, "--value", "tone=dry")
        await typed(capsys, lab, "update", "bot", *ROOM, "--value", "tone=warm")
        (kept,) = (await lab.send("GET", LAB))["services"]
        assert kept["container"]["environment"][0]["value"] == "warm"
        _, err = await typed(capsys, lab, "update", "bot", *ROOM, "--value", "tune=warm", status=1)
        assert "tone" in err
        _, err = await typed(
            capsys, lab, "create", str(file), "--global", "--value", "tone=x", "--wait", status=2
        )
        assert "nothing to wait for" in err


@pytest.mark.process
@pytest.mark.asyncio
async def test_image_and_variables_are_changed_by_name(house: Any, manifest: Path, capsys: Any) -> None:
    async with house() as lab:
        await typed(capsys, lab, "create", str(manifest), *ROOM)
        await typed(capsys, lab, "update", "greeter", *ROOM, "--env", "COLOUR=red", "--image", "greeter:7")
        await typed(capsys, lab, "update", "greeter", *ROOM, "--env", "COLOUR=blue")
        (kept,) = (await lab.send("GET", LAB))["services"]
        assert kept["container"]["image"] == "greeter:7"
        assert kept["container"]["environment"] == [{"name": "COLOUR", "value": "blue"}]
        _, err = await typed(capsys, lab, "update", "greeter", *ROOM, "--env", "COLOUR", status=2)
        assert "Write NAME=TEXT." in err
