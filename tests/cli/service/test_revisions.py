"""What a service was, and back to it, by commands against a real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runtime.cli.failure import ExitCode
from tests.cli.service.test_kept import manifest, typed
from tests.front.conftest import serving
from tests.front.operator.room.test_services import LAB, greeter, house

__all__ = ["house", "manifest", "serving"]  # fixtures

pytestmark = [pytest.mark.process, pytest.mark.asyncio]
ROOM = ("--room", "lab")


async def test_each_change_is_a_revision_that_is_compared_and_gone_back_to(
    house: Any, manifest: Path, capsys: Any
) -> None:
    async with house() as lab:
        await typed(capsys, lab, "create", str(manifest), *ROOM)
        _, err = await typed(capsys, lab, "rollback", "greeter", *ROOM, status=ExitCode.FAILED)
        assert "no revision before 1" in err
        manifest.write_text(json.dumps(greeter(image="greeter:2", COLOUR="blue")))
        await typed(capsys, lab, "update", str(manifest), *ROOM)
        out, _ = await typed(capsys, lab, "history", "greeter", "-o", "json")  # there is no other greeter
        newest, oldest = json.loads(out)
        assert (newest["revision"], newest["what"], newest["image"]) == (2, "updated", "greeter:2")
        assert (newest["is_current"], oldest["is_current"], oldest["image"]) == (True, False, "greeter:1")
        out, _ = await typed(capsys, lab, "diff", "greeter", *ROOM)
        assert "-  image: greeter:1\n" in out
        assert "+  image: greeter:2\n" in out
        assert "+      value: blue" in out
        assert (await typed(capsys, lab, "diff", "greeter"))[0] == out
        _, err = await typed(capsys, lab, "rollback", "greeter", "1", status=ExitCode.USAGE)
        url = lab.site.server.url
        assert f"Type: bulkhead service rollback greeter 1 --url {url} --room lab\n" in err
        out, _ = await typed(capsys, lab, "rollback", "greeter", *ROOM, "--dry-run")
        assert "+  image: greeter:1\n" in out
        assert out.endswith("would roll back greeter from revision 2 to 1\n")
        out, _ = await typed(capsys, lab, "rollback", "greeter", *ROOM)
        (made,) = (await lab.send("GET", LAB))["services"]
        assert out == f"rolled back greeter {made['id']} to 1, now revision 3\n"
        assert made["container"]["image"] == "greeter:1"
        out, _ = await typed(capsys, lab, "history", "greeter", *ROOM)
        assert [line.split()[:2] for line in out.splitlines()[1:2]] == [["3", "*"]]
        out, _ = await typed(capsys, lab, "diff", "greeter", "1", "3", *ROOM)
        assert out == "revisions 1 and 3 are alike\n"
        _, err = await typed(capsys, lab, "rollback", "greeter", "9", *ROOM, status=ExitCode.FAILED)
        assert "revision 9 is not kept" in err
        _, err = await typed(capsys, lab, "diff", "greeter", "7", *ROOM, status=ExitCode.FAILED)
        assert "Kept are 3, 2, 1." in err
