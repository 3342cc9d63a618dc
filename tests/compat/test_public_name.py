"""`bulkhead`, the public name of the SDK: the same objects, found last of all."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from runtime.cli.service import own_wheel
from runtime.compat.finder import PUBLIC_NAME
from runtime.compat.names import NAMES
from runtime.compat.stubs import FOLDER, stubs
from runtime.sdk import __all__ as public

ROOT = Path(__file__).resolve().parents[2]
TOP = ROOT / "runtime" / "compat" / "toplevel"

HELLO = """\
import asyncio
from meshagent.agents.chat import ChatBot
from meshagent.api.services import ServiceHost
from meshagent.openai import OpenAIResponsesAdapter

service = ServiceHost()


@service.path(path="/pirate", identity="pirate")
class Pirate(ChatBot):
    def __init__(self) -> None:
        super().__init__(name="pirate", rules=["Talk like a pirate."], llm_adapter=OpenAIResponsesAdapter())


asyncio.run(service.run())
"""
PUBLIC = """\
from bulkhead import Limits, ServiceHost, ToolContext, tool

service = ServiceHost()
limits: Limits = Limits(memory="512MiB", timeout="30m")


@tool
async def add(context: ToolContext, a: int, b: int) -> int:
    "Add two numbers."
    return a + b
"""
WRONG = """\
from bulkhead import Limits, NoSuchName
from meshagent.api import NoSuchName as Other

Limits(memory=[])
"""


def run(program: str, *, paths: tuple[Path, ...] = ()) -> str:
    """What an interpreter prints that has our modules, and the public name on no path but these."""
    told = f"import sys; top = {str(TOP)!r}; sys.path[:] = [p for p in sys.path if p != top]\n"
    told += "".join(f"sys.path.append({str(path)!r})\n" for path in paths)
    done = subprocess.run([sys.executable, "-c", told + program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.unit
def test_each_name_is_the_object_of_the_sdk() -> None:
    program = (
        "import bulkhead, runtime, runtime.sdk as sdk\n"
        "from bulkhead import ChatBot, Limits, ServiceHost, tool\n"
        "print(bulkhead.__version__ == runtime.__version__, dir(bulkhead).count('Limits'))\n"
        "print([name for name in bulkhead.__all__ if getattr(bulkhead, name) is not getattr(sdk, name)])\n"
        "print(hasattr(bulkhead, 'NoSuchName'))\n"
    )
    assert run(program, paths=(TOP,)).splitlines() == ["True 1", "[]", "False"]


@pytest.mark.unit
def test_it_imports_only_what_is_asked_for() -> None:
    program = "import sys, bulkhead; print('runtime.sdk.chat.chatbot' in sys.modules); bulkhead.ChatBot; "
    program += "print('runtime.sdk.chat.chatbot' in sys.modules)"
    assert run(program, paths=(TOP,)).split() == ["False", "True"]


@pytest.mark.unit
def test_where_no_path_leads_to_it_a_bundle_finds_it_all_the_same() -> None:
    program = "try:\n    import bulkhead\nexcept ModuleNotFoundError:\n    print('missing')\n"
    program += "from runtime.compat import finder; finder.install(); finder.install()\n"
    program += "from bulkhead import Limits; print(Limits.__module__)\n"
    program += "finder.uninstall(); print(any('PublicName' in type(f).__name__ for f in sys.meta_path))"
    assert run(program).split() == ["missing", "runtime.session.spec", "False"]


@pytest.mark.unit
def test_an_author_s_own_module_of_that_name_is_theirs(tmp_path: Path) -> None:
    (tmp_path / f"{PUBLIC_NAME}.py").write_text("MINE = 1\n")
    program = "from runtime.compat import finder; finder.install()\nimport bulkhead; print(bulkhead.MINE)"
    assert run(program, paths=(tmp_path, TOP)) == "1"


@pytest.mark.unit
def test_an_author_s_own_runtime_is_theirs_beside_it(tmp_path: Path) -> None:
    (tmp_path / "runtime.py").write_text("MINE = 1\n")
    (tmp_path / "main.py").write_text(
        "import runtime\nfrom bulkhead import Limits\nprint(runtime.MINE, Limits(pids=3).pids)\n"
    )
    told = subprocess.run(
        [sys.executable, "main.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout == "1 3\n", told.stderr


@pytest.mark.unit
def test_the_stubs_say_what_the_table_says() -> None:
    on_disk = {
        str(file.relative_to(FOLDER)): file.read_text() for file in FOLDER.rglob("*") if file.is_file()
    }
    assert on_disk == dict(stubs()), "write them anew: python -m runtime.compat.stubs"
    # A module with modules below it is a package in the stubs too, or these would not be found.
    for module in NAMES:
        inner = module.split(".")[1:]
        parents = ["/".join([*inner[:depth], "__init__.pyi"]) for depth in range(len(inner))]
        assert [parent for parent in parents if parent not in on_disk] == []


@pytest.mark.process
@pytest.mark.timeout(240)
def test_a_type_checker_resolves_the_hello_world_in_an_empty_environment(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "empty")], check=True)
    python = tmp_path / "empty" / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    )
    wheel = own_wheel.write(tmp_path)
    assert wheel is not None
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site.stdout.strip())
    for name, text in {"hello": HELLO, "public": PUBLIC, "wrong": WRONG}.items():
        (tmp_path / f"{name}.py").write_text(text)

    def check(*names: str) -> str:
        told = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python), *names],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        return told.stdout + told.stderr

    assert check("hello.py", "public.py") == "Success: no issues found in 2 source files\n"
    wrong = check("wrong.py")
    assert 'Module "bulkhead" has no attribute "NoSuchName"' in wrong
    assert 'Module "meshagent.api" has no attribute "NoSuchName"' in wrong
    assert '"memory" to "Limits" has incompatible type' in wrong
    assert len(public) > 30
