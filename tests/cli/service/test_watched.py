"""Services that are changed by name, waited for and followed; a failure is told with its cause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.cli.service.watched import news
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
