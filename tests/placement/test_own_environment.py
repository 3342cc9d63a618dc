"""Bundles with an interpreter of their own: another Python than the front's, and what is wrong with it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from runtime.session.exit_reasons import ExitReason
from tests.interop.environments import MAKE_S, provide_by_uv, provide_plain

pytestmark = [pytest.mark.process, pytest.mark.asyncio, pytest.mark.timeout(MAKE_S)]

PROGRAM = """
import asyncio, os, subprocess, sys, warnings
from bulkhead import Limits
from meshagent.agents import TaskRunner
from meshagent.api.services import ServiceHost

warnings.simplefilter("error")
service = ServiceHost()

@service.path(path="/version", identity="version")
class Version(TaskRunner):
    def __init__(self):
        super().__init__(name="version", input_schema={"type": "object"}, output_schema={"type": "object"})

    async def start(self, *, room):
        await super().start(room=room)
        program = ["python", "-c", "import sys; print(sys.prefix)"]
        inner = subprocess.run(program, capture_output=True, text=True)
        print("python", *sys.version_info[:2], type(self).__mro__[1].__module__, flush=True)
        print("public", Limits.__module__, flush=True)
        print("same", inner.stdout.strip() == sys.prefix, flush=True)
        print("path", os.pathsep.join(sys.path), flush=True)

    async def ask(self, *, context, arguments):
        return arguments

asyncio.run(service.run())
"""


@pytest.fixture
def bundle(agents_dir: Path) -> Path:
    folder = agents_dir / "version"
    folder.mkdir()
    (folder / "main.py").write_text(PROGRAM)
    (folder / "bulkhead.toml").write_text('python = ">=3.13,<3.14"\n')
    return folder


@pytest_asyncio.fixture
async def node(make_node: Any, tmp_path: Path) -> AsyncIterator[Any]:
    made = make_node(environments=tmp_path / "environments")
    yield made
    await made.close()


async def test_a_bundle_runs_on_another_python_than_the_front(
    node: Any, bundle: Path, tmp_path: Path
) -> None:
    environment = provide_plain(bundle, tmp_path / "environments")
    await node.start()
    (info,) = node.placement.bundles()
    assert (info.state, info.error, info.threads) == ("ready", "", ())
    session_id = await node.ready("/version", identity="version")
    assert await node.printed(session_id, "python") == "python 3 13 runtime.sdk.task_runner"
    assert await node.printed(session_id, "public") == "public runtime.session.spec"
    assert await node.printed(session_id, "same") == "same True"
    # Nothing of the front's is on its path.
    path = (await node.printed(session_id, "path")).removeprefix("path ").split(os.pathsep)
    root = str(Path(__file__).resolve().parents[2])
    assert root not in path
    assert [
        entry for entry in path if "site-packages" in entry and str(environment.folder) not in entry
    ] == []
    await node.placement.stop(session_id, ExitReason.STOPPED)
    assert (await node.exited(session_id)).exit.code == 0


async def test_uv_makes_the_environment_where_it_is_installed(
    node: Any, bundle: Path, tmp_path: Path
) -> None:
    (bundle / "requirements.txt").write_text("PyYAML\n")
    (bundle / "main.py").write_text(f"import yaml\n{PROGRAM}")
    environment = provide_by_uv(bundle, tmp_path / "environments")
    assert "uv = " in (environment.folder / "pyvenv.cfg").read_text()
    assert list(environment.folder.glob("lib/python3*/site-packages/yaml/__pycache__/*.pyc"))
    await node.start()
    session_id = await node.ready("/version", identity="version")
    assert await node.printed(session_id, "python") == "python 3 13 runtime.sdk.task_runner"


async def test_one_that_is_missing_is_a_row_with_its_cure_until_it_is_there(
    node: Any, bundle: Path, tmp_path: Path
) -> None:
    (bundle.parent / "beside.py").write_text(
        "class Beside:\n    async def start(self, *, room): pass\n    async def stop(self): pass\n"
    )
    await node.start()
    infos = {info.name: info for info in node.placement.bundles()}
    assert infos["version"].state == "failed"
    assert infos["version"].error == f"version has no environment yet. Run: bulkhead bundle install {bundle}"
    rows = {row.bundle: row for row in node.placement.endpoints()}
    assert rows["version"].state == "failed"
    await node.ready("/beside", identity="beside")
    await asyncio.to_thread(provide_plain, bundle, tmp_path / "environments")
    await node.bundle_state("version", lambda info: info.state == "ready")
    await node.ready("/version", identity="version")


async def test_a_package_that_it_lacks_is_to_be_added_to_its_requirements(
    node: Any, bundle: Path, tmp_path: Path
) -> None:
    (bundle / "main.py").write_text("import no_such_package_of_ours\n")
    provide_plain(bundle, tmp_path / "environments")
    await node.start()
    (info,) = node.placement.bundles()
    assert "there is no module 'no_such_package_of_ours'" in info.error
    assert f"into requirements.txt of the bundle. Run: bulkhead bundle install {bundle}" in info.error


async def test_one_whose_packages_were_taken_away_says_how_to_mend_it(
    node: Any, bundle: Path, tmp_path: Path
) -> None:
    environment = provide_plain(bundle, tmp_path / "environments")
    interpreter = os.path.realpath(environment.python)
    stamp = environment.stamp()
    assert stamp is not None
    shutil.rmtree(environment.folder)
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to(interpreter)  # the interpreter alone
    stamp.write(environment.folder)
    await node.start()
    (info,) = node.placement.bundles()
    assert info.state == "failed"
    assert "its interpreter ended before the program was imported" in info.error
    assert f"bulkhead bundle install {bundle}" in info.error
