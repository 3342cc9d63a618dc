"""The command line as a whole: exit statuses, errors, help, and no traceback of our own."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from runtime import __version__
from runtime.cli import failure, main

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("demo", "serve", "service", "ps", "logs", "stop", "chat", "call", "agents", "setup", "config")


def test_help_lists_every_command_in_sections(bulkhead: Any) -> None:
    ran = bulkhead("--help")
    assert ran.status == 0
    for name in COMMANDS:
        assert f"\n  {name} " in ran.out
    assert "Look and stop:" in ran.out
    for group in ("", "service", "crash", "container", "room", "bundle", "nodes"):
        assert "..." not in bulkhead(*group.split(), "--help").out.partition("\n\n")[2], "a line is cut"


@pytest.mark.parametrize(
    "command", [*COMMANDS, "service run", "service spec", "agents ask", "agents invoke-tool"]
)
def test_each_command_explains_itself(bulkhead: Any, command: str) -> None:
    ran = bulkhead(*command.split(), "--help")
    assert ran.status == 0
    assert "Usage: bulkhead" in ran.out


def every_command() -> list[str]:
    """Each command as one types it."""
    root: Any = typer.main.get_command(main.app)
    found = ["nodes"]  # a group that is a command as well
    for name, command in root.commands.items():
        inner = getattr(command, "commands", None)
        found += [name] if inner is None else [f"{name} {each}" for each in inner]
    return found


@pytest.mark.parametrize("command", every_command())
def test_each_page_of_help_has_an_example_and_words_for_people(bulkhead: Any, command: str) -> None:
    ran = bulkhead(*command.split(), "-h")
    assert ran.status == 0
    assert ran.out == bulkhead(*command.split(), "--help").out
    example = re.search(r"\nExample:\n  (bulkhead .*)\n", ran.out)
    assert example, ran.out
    words = shlex.split(example[1])
    assert command == "workers" or words[1 : 1 + len(command.split())] == command.split()
    # Every option of it is one that the page names.
    assert [word for word in words if word.startswith("--") and word.partition("=")[0] not in ran.out] == []
    usage = ran.out.partition("\n\n")[0]
    assert not re.search(r"[{}<>]", usage), usage
    assert not re.search(r"<(str|int|path|list)", ran.out), ran.out


def test_a_server_s_address_needs_no_scheme(bulkhead: Any) -> None:
    assert "no server is running at http://localhost:9" in bulkhead("ps", "--url", "localhost:9").err


def test_a_time_that_is_none_is_a_usage_error(bulkhead: Any) -> None:
    ran = bulkhead("usage", "--since", "banana")
    assert (ran.status, "--since 'banana' is no time" in ran.err) == (2, True)


def test_of_all_commands_the_one_that_is_typed_is_made() -> None:
    assert set(main._command("ps").commands) == {"ps"}
    assert set(main._command("room").commands) == {"room"}
    assert len(main._command("no such").commands) > 30


def test_the_version(bulkhead: Any) -> None:
    assert bulkhead("--version").out == f"bulkhead {__version__}\n"


def test_python_m_runtime_is_the_same_command() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "runtime", "--version"], cwd=ROOT, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout) == (0, f"bulkhead {__version__}\n")


def test_ctrl_c_while_the_command_is_loaded_ends_it_without_a_traceback() -> None:
    program = (
        "import runpy, sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "runpy.run_module('runtime', run_name='__main__')"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (130, "")


def test_help_does_not_load_what_takes_long() -> None:
    program = (
        "import sys; from runtime.cli import main; main.run(['--help']); "
        "slow = {'rich', 'asyncio', 'quart', 'structlog', 'yaml', 'jwt', 'websockets'} & set(sys.modules); "
        "sys.exit(', '.join(slow) or None)"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, f"--help imports {ran.stderr}"


def test_a_file_that_cannot_be_written_is_no_defect(bulkhead: Any, server: Any) -> None:
    Path("flame.svg").mkdir()
    server.answer("GET /workers/s_1", {"state": "ready"})
    server.answer("GET /workers/s_1/profile?seconds=1.0&rate=100&by=auto&form=svg", b"<svg/>")
    ran = bulkhead("profile", "s_1", "-s", "1", "-o", "flame.svg", "--url", server.url)
    assert (ran.status, "error: flame.svg: Is a directory\n" in ran.err) == (1, True), ran.err


def test_a_mistyped_command_is_a_usage_error_that_suggests(bulkhead: Any) -> None:
    ran = bulkhead("serv")
    assert ran.status == 2
    assert "serve" in ran.err


@pytest.mark.parametrize("url", ["nonsense:x", "http://[1", "ftp://a"])
def test_what_is_no_address_is_said_to_be_none(bulkhead: Any, url: str) -> None:
    for argv in (
        ("ps", "--url", url),
        ("call", f"{url if '://' in url else 'http://x:y'}/chat", "--room", "x"),
    ):
        ran = bulkhead(*argv)
        assert (ran.status, "is no server address\n  Write it as http://" in ran.err) == (2, True), ran.err


def test_a_choice_that_there_is_not_is_told_without_whose_error_it_is(bulkhead: Any) -> None:
    assert "Invalid value for '--output' / '-o': 'x' is not one of 'table'" in bulkhead("ps", "-o", "x").err


@pytest.mark.parametrize(
    "argv",
    [("stop",), ("call", "", "--room=x"), ("service", "run", "nowhere.py", "--room=x"), ("serve", "nowhere")],
)
def test_what_cannot_be_meant_is_status_2_with_a_cure(bulkhead: Any, argv: tuple[str, ...]) -> None:
    ran = bulkhead(*argv)
    assert ran.status == 2
    assert ran.err.startswith("error: ")
    assert len(ran.err.splitlines()) >= 2
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "argv",
    [
        ("chat", "--room=a/../b c", "--url=http://127.0.0.1:9"),
        ("demo", "--room=.."),
        ("serve", "--room=a/b"),
        ("room", "delete", ""),
    ],
)
def test_a_room_that_there_cannot_be_is_status_2_with_the_rule(bulkhead: Any, argv: tuple[str, ...]) -> None:
    ran = bulkhead(*argv)
    assert ran.status == 2
    assert "cannot be the name of a room" in ran.err
    assert "no slash" in ran.err


def test_no_server_is_status_3_with_how_to_start_one(bulkhead: Any) -> None:
    ran = bulkhead("ps")
    assert ran.status == 3
    assert ran.err.startswith("error: no server is running here, and none answers at http://127.0.0.1:9\n")
    assert "  Start one with `bulkhead serve`" in ran.err


def test_a_server_is_looked_for_where_the_settings_of_this_folder_have_it(
    bulkhead: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = server.url.rpartition(":")[2]
    server.answer("GET /workers", {"endpoints": [], "workers": []})
    Path("bulkhead.toml").write_text(f"[server]\nport = {port}\n")
    assert bulkhead("ps").status == 0
    Path("bulkhead.toml").write_text('[bundle]\nfork = "never"\n')  # an agent's folder
    assert bulkhead("ps").status == 3
    monkeypatch.setenv("BULKHEAD_PORT", port)
    assert bulkhead("ps").status == 0


def test_an_unknown_setting_is_status_2_and_names_the_nearest(
    bulkhead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULKHEAD_PROT", "1")
    ran = bulkhead("config")
    assert ran.status == 2
    assert "BULKHEAD_PORT" in ran.err


def test_a_defect_is_one_sentence_and_the_traceback_on_request(
    bulkhead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("oh")

    monkeypatch.setattr("runtime.settings.load_settings", broken)
    ran = bulkhead("config")
    assert ran.status == 1
    assert "defect of bulkhead: RuntimeError: oh (" in ran.err
    assert "Traceback" not in ran.err
    monkeypatch.setenv("BULKHEAD_DEBUG", "1")
    with pytest.raises(RuntimeError, match="oh"):
        bulkhead("config")


def test_ctrl_c_is_status_130(bulkhead: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("runtime.settings.load_settings", interrupted)
    assert bulkhead("config").status == 130


def test_a_reader_who_stops_reading_is_no_error() -> None:
    line = f"{sys.executable} -m runtime config -o wide | head -n 1 >/dev/null; exit ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_config_shows_value_and_origin_and_hides_secrets(
    bulkhead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("bulkhead.toml").write_text("[server]\ndrain_s = 5\n")
    monkeypatch.setenv("MESHAGENT_PORT", "9009")
    monkeypatch.setenv("BULKHEAD_WEBHOOK_SECRET", "not-to-be-seen")
    ran = bulkhead("config", "-o", "json", "--changed")
    found = {item["setting"]: (item["value"], item["origin"]) for item in json.loads(ran.out)}
    assert found == {
        "server.port": (9009, "env MESHAGENT_PORT"),
        "server.drain_s": (5.0, "file bulkhead.toml"),
        "server.webhook_secret": ("•••", "env BULKHEAD_WEBHOOK_SECRET"),
    }
    assert "not-to-be-seen" not in bulkhead("config", "-o", "wide").out


@pytest.mark.parametrize(
    ("cure", "told"),
    [
        ("`bulkhead agents list --room a` tells.", "`bulkhead agents list --url U --room a` tells."),
        ("Type: bulkhead service logs x --url U --room a", ""),
        ("Type: bulkhead call /x --room a --url U", ""),
        ("Then: bulkhead service run main.py --room a", ""),
    ],
)
@pytest.mark.parametrize("argv", [["ps", "--url", "U"], ["ps", "--url=U"]])
def test_commands_that_are_to_be_typed_name_the_same_server(argv: list[str], cure: str, told: str) -> None:
    failure.typed[:] = argv
    assert failure.where_typed(cure) == (told or cure)
    failure.typed[:] = ["ps"]
    assert failure.where_typed(cure) == cure
