"""Environments with the real MeshAgent SDK, made when a test first needs one and kept in ``.venv-interop``.

One of each release serves all tests: as the clients, services and command line of others, and as the
environment that a bundle of ours brings.  They need a Python 3.13 and the package index; where one is
missing, the tests are skipped and say so.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import pytest

from runtime.errors import BundleError
from runtime.supervisor.bundles.environment import (
    WORKER_REQUIREMENTS,
    Environment,
    Stamp,
    environment_of,
    wants_of,
)
from runtime.supervisor.bundles.installation import install as install_bundle
from runtime.supervisor.bundles.interpreter import Interpreter, ask, choose, interpreters

VERSIONS: Final = tuple((os.environ.get("INTEROP_VERSIONS") or "0.7.1 0.56.0").split())
"""The release nearest to the seed's day among those that install, and the newest; or those that are named."""

TRIED: Final = VERSIONS if os.environ.get("INTEROP_VERSIONS") else VERSIONS[-1:]
"""All is tried with those that are named; else with the newest, and a part with the other."""

UV: Final = "uv==0.13.9"
PYTHON: Final = ">=3.13,<3.14"
INSTALL_S: Final = 100
RESOLVE_S: Final = 290
MAKE_S: Final = 300
"""Give tests that may be the first to need an environment this long."""

_HERE: Final = Path(__file__).resolve().parent
_KEPT: Final = _HERE.parents[1] / ".venv-interop"
_PACKAGES: Final = ("api", "agents", "tools", "openai", "cli", "otel")
_IMPORTS: Final = "".join(
    f"try: import meshagent.{name}\nexcept ImportError: pass\n"  # not every release has each
    for name in ("agents.chat", "api.services", "openai", "otel", "tools")
)
_FORGET_FAILURE_S: Final = 600
_NO_NETWORK: Final = ("Failed to fetch", "error sending request", "dns error", "timed out")


class NotHere(Exception):
    """No environment can be made on this machine; says why."""


@dataclass(frozen=True)
class Sdk:
    """One release of the SDK, installed."""

    version: str
    folder: Path

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    @property
    def cli(self) -> str:
        return str(self.folder / "bin" / "meshagent")

    @cached_property
    def number(self) -> tuple[int, ...]:
        """Its version, to be compared with one at which a test has to speak another way."""
        return tuple(int(part) for part in self.version.split("."))


def find_python() -> Interpreter:
    """A Python 3.13: named by INTEROP_PYTHON, or of this machine.  Raises NotHere."""
    named = os.environ.get("INTEROP_PYTHON")
    found = ask(named) if named else choose(PYTHON, interpreters(os.environ))
    if found is None:
        raise NotHere("no Python 3.13 was found (INTEROP_PYTHON may name one)")
    return found


def installed(version: str) -> Sdk:
    """The environment of one release, made if it is not there yet; skips the test where it cannot be made."""
    try:
        return release(version)
    except NotHere as reason:
        pytest.skip(f"INTEROP NOT TESTED: {reason}")


def release(version: str) -> Sdk:
    """The environment of one release, made if it is not there yet.  Raises NotHere.

    Releases with a file of pinned requirements beside this one are installed from it, others as the
    index resolves them today.
    """
    pins = _HERE / f"requirements-{version}.txt"
    if pins.exists():
        asked, patience_s = ["--no-deps", "-r", str(pins)], INSTALL_S
        mark = hashlib.sha256(pins.read_bytes()).hexdigest()
    else:
        # Releases up to 0.24 import aiofiles, and 0.24.6 the adapter for Anthropic, which they do not say.
        more = (
            ["aiofiles", f"meshagent-anthropic=={version}"] if version.startswith("0.24.") else ["aiofiles"]
        )
        asked = [*(f"meshagent-{package}=={version}" for package in _PACKAGES), *more, *WORKER_REQUIREMENTS]
        mark, patience_s = " ".join(asked), RESOLVE_S
    return Sdk(version, _made(version, mark, asked, patience_s, _IMPORTS))


def find_uv() -> Path:
    """A folder with uv in it.  Skips the test where there is none."""
    try:
        return _uv()
    except NotHere as reason:
        pytest.skip(f"UV NOT TESTED: {reason}")


def _uv() -> Path:
    """A folder with uv in it: this machine's, or one of our own.  Raises NotHere."""
    found = shutil.which("uv")
    return Path(found).parent if found else _made("uv", UV, [UV], INSTALL_S) / "bin"


def _made(name: str, mark: str, asked: Sequence[str], patience_s: float, imports: str = "") -> Path:
    """A folder of ``.venv-interop`` with packages; whoever comes first makes it."""
    _KEPT.mkdir(exist_ok=True)
    folder, done, failed = _KEPT / name, _KEPT / name / ".installed", _KEPT / f"{name}.failed"
    with (_KEPT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other processes of the same run want it, too
        if done.exists() and done.read_text() == mark:
            return folder
        if failed.exists() and time.time() - failed.stat().st_mtime < _FORGET_FAILURE_S:
            raise NotHere(failed.read_text())
        python = find_python().path
        shutil.rmtree(folder, ignore_errors=True)
        # What is never imported need not be compiled.  What is compiles itself, but not for a bundle, which
        # may write nothing there: it would compile all of it at each start.
        within = str(folder / "bin" / "python")
        try:
            _run([python, "-I", "-m", "venv", str(folder)], patience_s)
            _install(name, within, asked, patience_s)
            _run([within, "-W", "ignore", "-c", imports], patience_s)
        except (subprocess.SubprocessError, OSError) as error:
            said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
            failed.write_text(f"{name} cannot be installed: {(said.strip() or str(error)).splitlines()[-1]}")
            raise NotHere(failed.read_text()) from None
        done.write_text(mark)
        return folder


def _install(name: str, python: str, asked: Sequence[str], patience_s: float) -> None:
    """Install packages for an interpreter: by uv, in a tenth of pip's time, where there is one that can."""
    if name != "uv":
        with suppress(NotHere, subprocess.SubprocessError, OSError):
            by_uv = [str(_uv() / "uv"), "pip", "install", "--quiet", "--python", python]
            _run([*by_uv, *asked], patience_s)
            return
    _run([python, "-m", "pip", "install", "--quiet", "--no-compile", *asked], patience_s)


def _run(command: Sequence[str], patience_s: float) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=patience_s)


def write_bundle(folder: Path, version: str, program: str) -> Path:
    """A bundle that asks for a release of the SDK."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "requirements.txt").write_text(f"meshagent-agents=={version}\n")
    (folder / "bulkhead.toml").write_text(f'python = "{PYTHON}"\n')
    (folder / "main.py").write_text(program)
    return folder


def provide(bundle: Path, version: str, environments: Path) -> Environment:
    """Let a bundle find an installed release of the SDK as its environment."""
    sdk = installed(version)
    python = ask(sdk.python)
    assert python is not None
    wanted = _wanted(bundle, environments)
    return _linked(wanted, sdk.folder, Stamp(python.text, version, wanted.wants.fingerprint()))


def provide_plain(bundle: Path, environments: Path) -> Environment:
    """Let a bundle that asks for no packages find an environment, made as ``bundle install`` makes it.

    Skips the test where there is no Python 3.13, or the packages cannot be had.
    """
    wanted = _wanted(bundle, environments)
    shared = Environment("plain", wanted.wants, _KEPT / "plain")
    _KEPT.mkdir(exist_ok=True)
    with (_KEPT / "plain.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if shared.state() != "ready":
            try:
                find_python()
                install_bundle(shared, os.environ, lambda _: None)
            except (BundleError, NotHere) as error:
                pytest.skip(f"OWN INTERPRETERS NOT TESTED: {error}")
        stamp = shared.stamp()
    assert stamp is not None
    return _linked(wanted, shared.folder, stamp)


def provide_by_uv(bundle: Path, environments: Path) -> Environment:
    """Have uv make the environment of a bundle as ``bundle install`` does; skips the test without uv."""
    env = {**os.environ, "PATH": os.pathsep.join((str(find_uv()), os.environ["PATH"]))}
    env["UV_CACHE_DIR"] = str(_KEPT / "uv-cache")
    wanted = _wanted(bundle, environments)
    try:
        find_python()
        install_bundle(wanted, env, lambda _: None)
    except NotHere as reason:
        pytest.skip(f"UV NOT TESTED: {reason}")
    except BundleError as error:
        if any(sign in str(getattr(error, "detail", "")) for sign in _NO_NETWORK):
            pytest.skip(f"UV NOT TESTED: {error}")
        raise
    return wanted


def _wanted(bundle: Path, environments: Path) -> Environment:
    wanted = environment_of(bundle.name, bundle, environments)
    assert wanted is not None
    assert wants_of(bundle) == wanted.wants
    return wanted


def _linked(wanted: Environment, shared: Path, stamp: Stamp) -> Environment:
    """A folder of its own with the shared one's contents, and with a stamp for what this bundle asks."""
    wanted.folder.mkdir(parents=True)
    for name in ("bin", "lib", "pyvenv.cfg"):
        (wanted.folder / name).symlink_to(shared / name)
    stamp.write(wanted.folder)
    return wanted
