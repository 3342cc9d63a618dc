"""Environments are made with the tools that are there, and failures say what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.errors import BundleError
from runtime.process.confine import landlock
from runtime.process.confine.hold import Errand
from runtime.supervisor.bundles.environment import (
    SDK_REQUIREMENTS,
    WORKER_REQUIREMENTS,
    Environment,
    cache_of,
    environment_of,
)
from runtime.supervisor.bundles.installation import _to_ask, install
from runtime.supervisor.bundles.interpreter import ask

pytestmark = pytest.mark.process

# Stands in for uv: it notes what it is asked, and makes an "environment" around this test's interpreter,
# which has the worker's packages.
UV = """#!/bin/sh
echo "$@" >> {log}
case "$1" in
  venv)
    for last; do :; done; mkdir -p "$last/bin"
    printf '#!/bin/sh\\nexec {python} "$@"\\n' > "$last/bin/python"
    chmod +x "$last/bin/python" ;;
  pip) {pip} ;;
esac
"""
OWN = ".".join(map(str, sys.version_info[:3]))


class Site:
    """A bundle, and the commands that its installation finds."""

    def __init__(self, folder: Path) -> None:
        self.bundle = folder / "agents" / "chat"
        self.bundle.mkdir(parents=True)
        self.log = folder / "log"
        self.lines: list[str] = []
        self._folder = folder

    def uv(self, pip: str = "echo Installed 3 packages") -> dict[str, str]:
        """Put a uv on the path; returns the environment with that path."""
        path = self._folder / "bin" / "uv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(UV.format(log=self.log, python=sys.executable, pip=pip))
        path.chmod(0o755)
        return {**os.environ, "PATH": f"{path.parent}:/usr/bin:/bin", "HOME": str(self._folder)}

    def environment(self) -> Environment:
        found = environment_of("chat", self.bundle, self._folder / "environments")
        assert found is not None
        return found

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_uv_makes_it_where_there_is_one(site: Site) -> None:
    (site.bundle / "requirements.txt").write_text("aiohttp\n")
    environment = site.environment()
    stamp = install(environment, site.uv(), site.lines.append)
    assert (stamp.python, stamp.sdk) == (OWN, "")
    assert environment.state() == "ready"
    venv, first, second = site.asked()
    assert venv.startswith("venv ")
    # One resolution for what the bundle asks for and what the worker needs.
    assert first.split()[5:] == ["-r", str(site.bundle / "requirements.txt"), *WORKER_REQUIREMENTS]
    # uv leaves that out unless it is asked, and those who run it may not write.
    assert all("--compile-bytecode" in one.split() for one in (first, second))
    # Without an SDK in it, agents use our classes.
    assert second.split()[5:] == list(SDK_REQUIREMENTS)
    assert "Installed 3 packages" in site.lines


def test_a_second_installation_keeps_the_environment(site: Site) -> None:
    (site.bundle / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["aiohttp"]\n')
    install(site.environment(), site.uv(), site.lines.append)
    (site.bundle / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["quart"]\n')
    assert site.environment().state() == "stale"
    install(site.environment(), site.uv(), site.lines.append)
    assert site.environment().state() == "ready"
    assert [line.split()[0] for line in site.asked()].count("venv") == 1
    assert "quart" in site.asked()[-2]


def test_packages_that_cannot_be_had_are_told_with_the_tools_words(site: Site) -> None:
    (site.bundle / "requirements.txt").write_text("no-such-thing\n")
    with pytest.raises(BundleError, match=r"Mend requirements\.txt, then: bulkhead bundle install") as raised:
        install(site.environment(), site.uv("echo no such package; exit 1"), site.lines.append)
    assert "no such package" in getattr(raised.value, "detail", "")
    assert site.environment().state() == "broken"


def test_packages_that_want_another_python_get_it_or_say_so(site: Site) -> None:
    (site.bundle / "requirements.txt").write_text("x\n")
    env = site.uv("echo 'x requires a different Python'; exit 1")
    with pytest.raises(BundleError, match=r'python = "3\.13"'):
        install(site.environment(), env, site.lines.append)


def test_complaints_are_told_short_and_once_it_is_known_that_they_stay(site: Site) -> None:
    (site.bundle / "requirements.txt").write_text("x\n")
    said = f"ERROR: Ignored, Requires-Python >=3.13{'; 1.2.3 Requires-Python >=3.13' * 200}"
    env = site.uv(f"echo 'Looking in indexes'; echo '{said}'; exit 1")
    with pytest.raises(BundleError) as raised:
        install(site.environment(), env, site.lines.append)
    assert "Looking in indexes" in site.lines
    assert not [line for line in site.lines if "Ignored" in line]
    detail = getattr(raised.value, "detail", "")
    assert "ERROR: Ignored, Requires-Python >=3.13; 1.2.3" in detail
    assert len(detail) < 400


def test_no_suitable_interpreter_names_those_there_are(site: Site) -> None:
    (site.bundle / "bulkhead.toml").write_text('python = ">=3.99"\n')
    with pytest.raises(BundleError, match=f"chat wants Python >=3.99; there is .*{OWN}"):
        install(site.environment(), site.uv(), site.lines.append)
    (site.bundle / "bulkhead.toml").write_text('python = "./no/python"\n')
    with pytest.raises(BundleError, match=r"no Python 3\.11 or newer"):
        install(site.environment(), site.uv(), site.lines.append)


def test_a_named_interpreter_is_the_one(site: Site) -> None:
    (site.bundle / "bulkhead.toml").write_text(f'python = "{sys.executable}"\n')
    install(site.environment(), site.uv(), site.lines.append)
    assert f"--python {sys.executable}" in site.asked()[0]


def test_an_environment_whose_worker_does_not_start_is_not_called_ready(site: Site) -> None:
    (site.bundle / "requirements.txt").write_text("x\n")
    env = site.uv(f"ln -sf /bin/false {site.environment().folder}/bin/python")
    with pytest.raises(BundleError):
        install(site.environment(), env, site.lines.append)
    assert site.environment().state() == "broken"


@pytest.mark.skipif(landlock.abi() < 6, reason="signals need Linux 6.12")
def test_what_held_tools_run_of_others_writes_nothing_but_what_is_theirs(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    mine = tmp_path / "environments" / "chat"
    tool = """#!/bin/sh
for last; do :; done
echo made > {mine}/made
cat {secret} && echo stolen >> {mine}/made
echo x > {secret} && echo written >> {mine}/made
kill -0 {pid} && echo signalled >> {mine}/made
echo x > $TMPDIR/own && echo own >> {mine}/made
"""
    program = tmp_path / "tool"
    program.write_text(tool.format(mine=mine, secret=secret, pid=os.getpid()))
    program.chmod(0o755)
    mine.mkdir(parents=True)
    errand = Errand((str(program),), (str(mine),))
    with errand.held([str(program)], dict(os.environ)) as (argv, fd):
        done = subprocess.run(argv, pass_fds=[fd], env={}, capture_output=True, text=True, check=False)
    assert (mine / "made").read_text().split() == ["made", "own"], done.stderr


@pytest.mark.skipif(landlock.abi() < 1, reason="held by Landlock")
def test_held_tools_have_a_cache_for_each_environment_and_write_no_other(site: Site) -> None:
    (site.bundle / "requirements.txt").write_text("x\n")
    shared = site.bundle.parents[1] / ".cache" / "uv"
    shared.mkdir(parents=True)
    env = site.uv('mkdir -p "$UV_CACHE_DIR"; echo x > "$UV_CACHE_DIR/own"; echo x > "$TOLD/stolen"; true')
    other = {**env, "UV_CACHE_DIR": str(shared), "TOLD": str(shared)}
    folder = site.environment().folder
    script = site.bundle.parents[1] / "bin" / "uv"
    script.write_text(script.read_text().replace(f'echo "$@" >> {site.log}\n', ""))
    install(site.environment(), other, site.lines.append, is_held=True)
    assert (cache_of(folder) / "uv" / "own").exists()
    assert os.listdir(shared) == []


@pytest.mark.skipif(landlock.abi() < 1, reason="held by Landlock")
def test_an_interpreter_that_a_bundle_brings_is_asked_while_it_is_held(site: Site) -> None:
    secret = site.bundle.parents[1] / "secret"
    secret.write_text("x")
    (site.bundle / "bulkhead.toml").write_text('python = "./py"\n')
    py = site.bundle / "py"
    py.write_text(f'#!/bin/sh\necho y > {secret}\ncat {secret} >&2 || exec {sys.executable} "$@"\n')
    py.chmod(0o755)
    env = site.uv()
    wanted = site.environment().wants.python
    assert ask(wanted, _to_ask(site.environment(), env), env) is not None, "it could read the secret"
    with pytest.raises(BundleError, match="no Python"):  # as it does not go on where nothing holds it
        install(site.environment(), env, site.lines.append)
    assert secret.read_text() == "y\n"
    secret.write_text("x")
    (site.bundle.parents[1] / "bin" / "uv").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(BundleError):
        install(site.environment(), env, site.lines.append, is_held=True)
    assert secret.read_text() == "x"
