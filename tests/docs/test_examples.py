"""Every example of the documentation does what its page says: run as written, with the offline model.

A block of Python is a file of the project that all pages share, a block of a console is typed and its output
compared.  What is not tried says why, in a comment above it.
"""

from __future__ import annotations

import ast
import http.client
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
import yaml

from runtime.cli.main import app
from runtime.model.offline_script import parse_script
from runtime.rooms.live import EventKind
from runtime.session.event_kinds import KINDS, fields_of
from runtime.settings import load_settings
from tests.docs.fences import PAGES, ROOT, Command, Fence, all_fences, commands_of
from tests.studio.conftest import PATIENCE, Studio, serving

FENCES = all_fences()
COMMAND_S = 30.0
COMES_S = 10.0
LOADED_S = 60.0
LOOKS = tuple(f"bulkhead {name} " for name in ("ps", "crash list", "agents list", "logs", "usage"))
ROOM = "demo"
COMMAND = typer.main.get_command(app)


@dataclass(frozen=True, slots=True)
class Project:
    """The folder that the examples are typed in, and the server that serves its agents."""

    folder: Path
    server: Studio

    def run(self, command: Command) -> str:
        """Type it; what was wrong, or nothing.  What only looks is typed again until what is to come is."""
        deadline = time.monotonic() + COMES_S * PATIENCE
        while (wrong := self._once(command)) and command.typed.startswith(LOOKS):
            if time.monotonic() > deadline:
                break
        return wrong

    def _once(self, command: Command) -> str:
        typed = re.sub(r"(localhost|127\.0\.0\.1):8080\b", f"127.0.0.1:{self.server.port}", command.typed)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", typed],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_S * PATIENCE,
            check=False,
        )
        printed = "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
        printed = printed.replace(f"127.0.0.1:{self.server.port}", "localhost:8080")
        if (done.returncode != 0) != command.fails:
            return f"{command.fence}: {command.typed}\nexit status {done.returncode}, printed:\n{printed}"
        if not command.pattern().fullmatch(printed) and command.shown.strip():
            return f"{command.fence}: {command.typed}\nshown:\n{command.shown}\nprinted:\n{printed}"
        return ""

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'runtime' / 'compat' / 'toplevel'}",
            "BULKHEAD_URL": self.server.url,
            "BULKHEAD_OFFLINE_DELAY_MS": "0",
        }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """All files of all pages, and one server with those and an example, in the room ``demo``."""
    folder = tmp_path_factory.mktemp("docs")
    for fence in FENCES:
        if fence.title and "/" in fence.title and not fence.why_not:
            path = folder / fence.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(fence.text)
    command(folder / "bin")
    knobs = {
        "server__room": ROOM,
        "supervisor__quarantine_deaths": 3,
        "supervisor__import_s": LOADED_S * PATIENCE,
    }
    sources = [str(folder / "agents"), str(ROOT / "agents" / "chat.py")]
    with serving(folder / "server", sources, **knobs) as server:
        served_now = loaded(server)
        assert [bundle for bundle in served_now["bundles"] if bundle["state"] != "ready"] == []
        for endpoint in served_now["endpoints"]:
            server.ready(endpoint["identity"])
        yield Project(folder, server)


def loaded(server: Studio) -> Any:
    """What is served, once nothing is being loaded any more: imports give way to whatever else runs here."""
    deadline = time.monotonic() + LOADED_S * PATIENCE
    while True:
        now = server.ask("GET", "/workers")
        if not any(bundle["state"] == "loading" for bundle in now["bundles"]):
            return now
        assert time.monotonic() < deadline, server.told()
        time.sleep(0.2)


def command(folder: Path) -> None:
    """``bulkhead`` and ``python`` as they are where it is installed."""
    folder.mkdir()
    (folder / "bulkhead").write_text(f'#!/bin/sh\nexec {sys.executable} -P -m runtime "$@"\n')
    (folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for name in ("bulkhead", "python"):
        (folder / name).chmod(0o755)


@pytest.mark.long
@pytest.mark.e2e
@pytest.mark.timeout(300 * PATIENCE)
def test_every_example_does_what_its_page_says(project: Project) -> None:
    consoles = [fence for fence in FENCES if fence.kind == "console" and not fence.why_not]
    commands = [command for fence in consoles for command in commands_of(fence)]
    assert len(commands) >= 15
    wrong = [told for told in map(project.run, commands) if told]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.long
@pytest.mark.e2e
@pytest.mark.timeout(180 * PATIENCE)
def test_events_carry_what_the_reference_says(project: Project) -> None:
    project.server.join("/greeter", "told")
    connection = http.client.HTTPConnection("127.0.0.1", project.server.port, timeout=COMMAND_S)
    connection.request("GET", "/events?since=0")
    stream = connection.getresponse()
    seen = {}
    for line in stream:
        if line.startswith(b"data: "):
            data = json.loads(line[6:])
            seen[data["type"]] = data
            if data["type"] == "session.ready" and data["room"] == "told":
                break
    connection.close()
    assert set(seen) >= {"session.accepted", "session.started", "session.ready", "room.participant_joined"}
    wrong = {kind: sorted(set(data) ^ set(fields_of(kind))) for kind, data in seen.items()}
    assert {kind: names for kind, names in wrong.items() if names} == {}


# ---- what needs no server


@pytest.mark.unit
def test_every_kind_of_event_that_is_told_is_in_the_reference() -> None:
    told = set()
    for path in (ROOT / "runtime").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                told |= {node.value} & set(KINDS) if path.name != "event_kinds.py" else set()
            says = getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""
            if says == "announce" or (says == "_tell" and path.name == "session_registry.py"):
                assert isinstance(node, ast.Call)
                for given in node.args[:2]:
                    if isinstance(given, ast.Constant):
                        assert given.value in KINDS, f"{path.name} tells {given.value!r}"
    rooms = {f"room.{kind.removeprefix('room_')}" for kind in get_args(EventKind)}
    assert told | rooms == set(KINDS)


@pytest.mark.unit
@pytest.mark.parametrize("fence", FENCES, ids=str)
def test_each_block_is_tried_or_says_why_not(fence: Fence, tmp_path: Path) -> None:
    if fence.why_not:
        return
    assert fence.kind not in ("sh", "bash", "shell"), "use console, which is tried, or say why not"
    if fence.kind == "python":
        ast.parse(fence.text)
        assert "/" in fence.title, "give it the title of a file, which is then tried"
    if fence.kind == "console":
        assert list(commands_of(fence)), "a console shows what is typed after `$ `"
    if fence.kind == "toml" and fence.title == "bulkhead.toml":
        (tmp_path / fence.title).write_text(fence.text)
        load_settings(file=tmp_path / fence.title)


@pytest.mark.unit
def test_no_two_blocks_are_one_file() -> None:
    titles = [fence.title for fence in FENCES if "/" in fence.title]
    assert sorted(titles) == sorted(set(titles))


@pytest.mark.unit
def test_every_command_and_option_that_a_page_names_exists() -> None:
    wrong = []
    for fence in FENCES:
        if fence.kind in ("console", "sh", "yaml", "ini", "dockerfile", "text"):
            for line in fence.text.replace("\\\n", " ").splitlines():
                wrong += [f"{fence}: {told}" for told in _unknown(line)]
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES.rglob("*.md")]:
        prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
        for code in re.findall(r"`(bulkhead [^`]+)`", prose):
            wrong += [f"{path.name}: {told}" for told in _unknown(" ".join(code.split()))]
    assert wrong == []


@pytest.mark.unit
def test_every_command_that_a_message_names_exists() -> None:
    wrong = []
    for path in (ROOT / "runtime").rglob("*.py"):
        for code in re.findall(r"`(bulkhead [a-z][^`]+)`", path.read_text()):
            wrong += [f"{path.name}: {told}" for told in _unknown(re.sub(r"\{[^}]*\}", "X", code))]
    assert wrong == []


def _unknown(line: str) -> Iterator[str]:
    """The commands and options of ours in a line that there are not."""
    for called in re.findall(r"(?:^|[\s/|;&])bulkhead ((?:(?![|;&<>#]).)*)", line):
        try:
            words = shlex.split(called)
        except ValueError:
            continue
        group = COMMAND
        while words and words[0] in getattr(group, "commands", {}):
            group = group.commands[words.pop(0)]  # type: ignore[attr-defined]
        if hasattr(group, "commands") and words and re.fullmatch(r"[a-z-]+", words[0]) and words[0][0] != "-":
            yield f"there is no command {words[0]!r}"
        known = {name for one in group.params for name in [*one.opts, *one.secondary_opts]}
        known |= {"--help", "--version", "--install-completion"}
        for word in itertools.takewhile("--".__ne__, words):  # what follows is another's
            name = word.partition("=")[0]
            if name.startswith("--") and name not in known:
                yield f"bulkhead {called.split()[0]} has no option {name}"


@pytest.mark.unit
def test_files_of_data_can_be_read() -> None:
    for fence in FENCES:
        if fence.kind == "yaml":
            content = yaml.safe_load(fence.text)
            if "turns" in content:
                assert len(parse_script(content, str(fence)).turns) == len(content["turns"])
        if fence.kind == "toml":
            assert tomllib.loads(fence.text)
        if fence.kind == "json":
            assert json.loads(fence.text)
