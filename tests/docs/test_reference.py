"""Nothing that a user meets is without a sentence: the pages of the reference are made of these."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import cache
from typing import Any

import pytest
import typer

from docs.reference import commands, events, exit_reasons, metrics, routes, settings
from runtime.cli.main import app
from runtime.confinement.confine import Confine
from runtime.confinement.level import Level
from runtime.confinement.refusal import RULES
from runtime.session.exit_reasons import ExitReason
from runtime.settings import knobs
from tests.docs.fences import PAGES, ROOT

COMMANDS = dict(commands.commands(typer.main.get_command(app), "bulkhead"))


@pytest.mark.unit
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_each_of_its_options_say_what_they_do(name: str) -> None:
    command = COMMANDS[name]
    assert commands.told(command), f"{name} has no docstring"
    silent = [one.name for one in command.params if not one.hidden and not one.help]
    assert silent == [], f"{name}: give them a help"
    assert f"## {name}\n" in _page_of_commands()


@cache
def _page_of_commands() -> str:
    return commands.page()  # a quarter of a second


@pytest.mark.process
def test_every_path_is_in_the_reference_and_says_what_it_does() -> None:
    front = ROOT / "runtime" / "front"
    served = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)
        for file in front.rglob("*.py")
        for path in re.findall(r'@paths\.\w+\("(/[^"]+)"', file.read_text())
        if path not in ("/", "/<path:endpoint>")
    }
    assert "/workers/{session_id}/ping" in served
    page = routes.page()
    told = set(re.findall(r"^\| [A-Z]+ \| \[`([^`]+)`\]", page, re.MULTILINE))
    # Of Studio's pages and files one line for all is enough.
    assert {path for path in served - told if not path.startswith(("/studio", "/accounts"))} == set()
    for path, operations in routes.document()["paths"].items():
        for method, told_of in operations.items():
            if method in ("get", "post", "put", "delete"):
                assert told_of.get("summary") or told_of.get("description"), f"{method} {path}"


@pytest.mark.unit
def test_every_setting_is_in_the_reference() -> None:
    page = settings.page()
    for key, item in knobs():
        assert f"`{key.split('.')[1]}`" in page
        assert item.metadata["help"]


@pytest.mark.unit
def test_every_rule_and_key_of_confinement_is_in_its_guide() -> None:
    guide = (PAGES / "guides" / "confinement.md").read_text()
    assert [rule for rule in RULES if f"`{rule}`" not in guide] == []
    assert [item.name for item in fields(Confine) if f"| `{item.name}` |" not in guide] == []
    assert [level for level in Level if f"| `{level}` |" not in guide] == []


@pytest.mark.unit
def test_every_metric_says_what_it_counts() -> None:
    rows = list(metrics.rows())
    assert len(rows) > 20
    assert [row for row in rows if not row[3]] == []


@pytest.mark.unit
def test_every_event_is_in_the_reference() -> None:
    assert "`session.ready`" in events.page()


@pytest.mark.unit
@pytest.mark.parametrize("reason", ExitReason)
def test_a_reason_is_in_the_reference_and_in_the_guide_to_trouble(reason: ExitReason) -> None:
    assert f"`{reason}`" in exit_reasons.page()
    guide = (PAGES / "guides" / "troubleshooting.md").read_text()
    headings: list[Any] = re.findall(r"^### (.*)$", guide, re.MULTILINE)
    assert str(reason) in ", ".join(headings).split(", "), "say there what to do about it"
