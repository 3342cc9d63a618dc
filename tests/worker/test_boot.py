"""The worker's program in an interpreter that has neither this package nor the front's dependencies."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.supervisor.bundles.environment import SDK_REQUIREMENTS, WORKER_REQUIREMENTS

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]
BOOT = ROOT / "runtime" / "worker" / "boot.py"
WORKER = {"msgspec", "multiprocess", "dill", "setproctitle", "structlog"}
SDK = {"jsonschema", "pycrdt", "jwt", "websockets"}

# Run without site, so that nothing is on the path but what this puts there: one finder that knows the
# allowed packages' places, and refuses every other package of the front's.
ONLY = """
import importlib.machinery, sys
class Only:
    def find_spec(self, name, path=None, target=None):
        if path is None and name in {allowed!r}:
            return importlib.machinery.PathFinder.find_spec(name, [{packages!r}])
sys.meta_path.append(Only())
sys.argv = [{boot!r}, "--help"]
{before}
exec(compile(open({boot!r}).read(), {boot!r}, "exec"), {{"__name__": "{name}", "__file__": {boot!r}}})
{after}
"""


def run(allowed: set[str], *, name: str = "__main__", before: str = "", after: str = "") -> str:
    packages = next(entry for entry in sys.path if entry.endswith("site-packages"))
    program = ONLY.format(
        allowed=allowed, packages=packages, boot=str(BOOT), before=before, after=after, name=name
    )
    argv = [sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_worker_starts_with_the_packages_that_an_installation_brings() -> None:
    assert "--source" in run(WORKER)


@pytest.mark.parametrize("missing", sorted(WORKER - {"dill"}))
def test_and_with_none_less(missing: str) -> None:
    with pytest.raises(AssertionError, match=missing):
        run(WORKER - {missing})


def test_our_agents_classes_need_their_few_more() -> None:
    # typing_extensions comes with some of them; the rest of jsonschema's is its own.
    more = {"attr", "attrs", "rpds", "referencing", "jsonschema_specifications", "anyio", "typing_extensions"}
    after = "lend_package()\nfrom runtime.compat import finder; finder.install()\n"
    after += "from meshagent.agents.chat import ChatBot\nfrom meshagent.agents import TaskRunner\n"
    after += "from meshagent.tools import Toolkit\nfrom meshagent.api import ParticipantToken, RoomClient\n"
    after += "import runtime.sdk.room.sync, runtime.sdk.room.document\n"
    after += "import websockets.asyncio.client\nprint('imported')"
    after = after.replace("lend_package()", "boot['lend_package']()")
    before = f"boot = {{'__name__': 'boot', '__file__': {str(BOOT)!r}}}\n"
    before += f"exec(compile(open({str(BOOT)!r}).read(), 'boot', 'exec'), boot)"
    assert run(WORKER | SDK | more, name="boot", before=before, after=after).strip() == "imported"


def test_nothing_but_the_package_becomes_importable() -> None:
    after = "boot['lend_package']()\nimport runtime.errors\n"
    after += "try:\n    import tests\nexcept ModuleNotFoundError:\n    print(sys.path)"
    before = f"boot = {{'__name__': 'boot', '__file__': {str(BOOT)!r}}}\n"
    before += f"exec(compile(open({str(BOOT)!r}).read(), 'boot', 'exec'), boot)"
    assert str(ROOT) not in run(set(), name="boot", before=before, after=after)


def test_the_bounds_are_those_of_the_package_itself() -> None:
    declared = re.findall(r'^  "([A-Za-z-]+>=[0-9.]+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert set(WORKER_REQUIREMENTS) | set(SDK_REQUIREMENTS) <= set(declared)
