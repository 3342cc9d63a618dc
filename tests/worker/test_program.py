"""A bundle's program finds the interpreter that `python main.py` would give it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.process

BOOT = Path(__file__).resolve().parents[2] / "runtime" / "worker" / "boot.py"
SHOW = """
import inspect, json, sys
def forecast(days: int) -> str: ...
print("TOLD", json.dumps({
    "names": sorted(vars()), "argv": sys.argv, "path": sys.path, "flags": repr(sys.flags), "file": __file__,
    "spec": repr(__spec__), "builtins": repr(__builtins__), "loader": [__loader__.name, __loader__.path],
    "annotation": repr(inspect.signature(forecast).parameters["days"].annotation),
    "code": inspect.currentframe().f_code.co_filename, "main": sys.modules["__main__"].__dict__ is globals(),
    "module": repr(sys.modules["__main__"]), "safe": sys.flags.safe_path,
}))
"""


def as_bundle(source: Path, *switches: str, flags: tuple[str, ...] = (), cwd: Path | None = None) -> Any:
    """What a bundle's program prints while it is loaded."""
    argv = [sys.executable, *flags, str(BOOT), "--source", str(source), "--replay", *switches]
    call = {"start": {"session_id": "", "generation": 0, "endpoint": "/", "identity": "", "room": ""}}
    env = {**os.environ, "BULKHEAD_REPLAY": json.dumps({**call, "server": ""})}
    folder = cwd or source.parent
    done = subprocess.run(argv, capture_output=True, text=True, cwd=folder, env=env, check=False)
    told = [line for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    assert told, done.stdout + done.stderr
    return json.loads(told[0].removeprefix("TOLD "))


@pytest.mark.parametrize("flags", [(), ("-O",), ("-X", "dev", "-W", "error::SyntaxWarning"), ("-P",)])
def test_globals_path_and_flags_are_those_of_python(tmp_path: Path, flags: tuple[str, ...]) -> None:
    program = tmp_path / "main.py"
    program.write_text(SHOW)
    plain = subprocess.run(
        [sys.executable, *flags, "main.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert as_bundle(program, flags=flags) == json.loads(plain.stdout.removeprefix("TOLD "))


def test_a_program_that_was_named_by_a_link_finds_its_modules_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "releases" / "1").mkdir(parents=True)
    (tmp_path / "releases" / "1" / "main.py").write_text("import tools\n" + SHOW)
    (tmp_path / "releases" / "1" / "tools.py").write_text("")
    (tmp_path / "current").symlink_to("releases/1")
    told = as_bundle(tmp_path / "current", cwd=tmp_path / "current")
    assert told["file"] == str(tmp_path / "current" / "main.py")
    assert told["path"][0] == str(tmp_path / "releases" / "1")


def test_programs_of_one_folder_are_no_modules_to_each_other(tmp_path: Path) -> None:
    for name in ("queue", "search", "_json", "_shared"):
        (tmp_path / f"{name}.py").write_text(f"print('ran {name}')\nWHOSE = 'theirs'\n")
    program = tmp_path / "chat.py"
    program.write_text(
        "import json, queue, _json, _shared\n"
        "try:\n    import search\nexcept ModuleNotFoundError:\n    search = None\n"
        "theirs = [hasattr(module, 'WHOSE') for module in (queue, _json, _shared)]\n"
        "print('TOLD', json.dumps([*theirs, search is None]))\n"
    )
    assert as_bundle(program, "--flat") == [False, False, True, True]


def test_the_modules_beside_a_main_are_its_own_whatever_we_have_loaded(tmp_path: Path) -> None:
    for name in ("structlog", "queue", "socket"):
        (tmp_path / f"{name}.py").write_text("WHOSE = 'mine'\n")
    (tmp_path / "structlog").mkdir()  # a folder without modules stands for nothing
    (tmp_path / "main.py").write_text(
        "import json, queue, structlog, socket\n"
        "print('TOLD', json.dumps([m.WHOSE for m in (queue, structlog, socket)]))\n"
    )
    assert as_bundle(tmp_path) == ["mine"] * 3


@pytest.mark.parametrize("package", [False, True])
def test_a_module_called_like_our_package_is_the_programs(tmp_path: Path, package: bool) -> None:
    if package:
        (tmp_path / "runtime").mkdir()
        (tmp_path / "runtime" / "__init__.py").write_text("WHOSE = 'mine'\n")
        (tmp_path / "runtime" / "errors.py").write_text("WHOSE = 'mine'\n")
    else:
        (tmp_path / "runtime.py").write_text("WHOSE = 'mine'\n")
    (tmp_path / "bulkhead.py").write_text("WHOSE = 'mine'\n")
    (tmp_path / "main.py").write_text(
        "import asyncio, json, bulkhead, runtime\n"
        + ("import runtime.errors\nassert runtime.errors.WHOSE\n" if package else "")
        + "from meshagent.api.services import ServiceHost\n"
        "from meshagent.agents.chat import ChatBot\n"
        "print('TOLD', json.dumps([runtime.WHOSE, bulkhead.WHOSE, ServiceHost.__module__]))\n"
    )
    assert as_bundle(tmp_path) == ["mine", "mine", "bulkhead_runtime.sdk.host"]
    plain = subprocess.run(
        [sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert json.loads(plain.stdout.removeprefix("TOLD "))[:2] == ["mine", "mine"], plain.stderr
