"""The README names every command and every path."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from runtime.cli.serve.screen import model_line
from runtime.model.contract import DEFAULT_MODEL

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_command_is_in_the_table_of_commands(bulkhead: Any) -> None:
    commands = re.findall(r"^  ([a-z]+)  +[A-Z]", bulkhead("--help").out, re.MULTILINE)
    assert len(commands) >= 15
    told = section("Commands")
    assert [name for name in commands if not re.search(rf"`(bulkhead )?{name}\b", told)] == []


def test_the_default_model_and_the_api_that_it_needs_are_named() -> None:
    for told in (section("Settings"), (ROOT / "docs/pages/guides/models.md").read_text()):
        assert DEFAULT_MODEL in told
        assert "/v1/responses" in told
        assert "/v1/chat/completions" in told
    assert model_line({"OPENAI_API_KEY": "sk"}) == f"{DEFAULT_MODEL} at OpenAI"
    assert model_line({"OPENAI_BASE_URL": "http://x/v1", "OPENAI_MODEL": "m"}) == "m at http://x/v1"


def test_every_path_is_in_the_table_of_paths() -> None:
    front = ROOT / "runtime" / "front"
    routes = {
        path
        for file in front.rglob("*.py")
        for path in re.findall(r'@paths\.\w+\("(/[^"]+)"', file.read_text())
        if path not in ("/", "/<path:endpoint>")
    }
    assert "/workers/<session_id>/ping" in routes
    told = section("HTTP")
    last = {next(part for part in reversed(path.split("/")) if part and part[0] != "<") for path in routes}
    assert sorted(part for part in last if part not in told) == []
