"""Environments with the real MeshAgent SDK, made when a test first needs one and kept in ``.venv-interop``.

They need a Python 3.13 and the package index; where one is missing the tests are skipped, and say so.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

import pytest

from runtime.errors import BundleError
from runtime.supervisor.environment import Environment, environment_of, wants_of
from runtime.supervisor.installation import install
from runtime.supervisor.interpreter import choose, interpreters

VERSIONS: Final = ("0.7.1", "0.55.1")
"""The release nearest to the seed's day among those that install, and the newest."""

MAKE_S: Final = 300
"""Give tests that may be the first to need an environment this long."""

_KEPT: Final = Path(__file__).resolve().parents[2] / ".venv-interop"
_PACKAGES: Final = ("api", "agents", "tools", "openai")


def requirements(version: str) -> str:
    """A bundle's ``requirements.txt`` for one release of the SDK."""
    lines = [f"meshagent-{package}=={version}" for package in _PACKAGES]
    # Imported by releases up to 0.24, which do not say so.
    return "\n".join([*lines, "aiofiles"]) + "\n"


def write_bundle(folder: Path, version: str, program: str) -> Path:
    """A bundle that asks for a release of the SDK."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "requirements.txt").write_text(requirements(version))
    (folder / "bulkhead.toml").write_text('python = ">=3.13,<3.14"\n')
    (folder / "main.py").write_text(program)
    return folder


def provide(bundle: Path, key: str, environments: Path) -> Environment:
    """Let a bundle find its environment, which all bundles that ask for the same share.

    Skips the test where there is no Python 3.13, or the packages cannot be had.

    Args:
        key: Names what is asked for, such as a release of the SDK.
    """
    if choose(">=3.13,<3.14", interpreters(os.environ)) is None:
        pytest.skip(
            "there is no Python 3.13: neither other interpreters nor the real MeshAgent SDK are tried"
        )
    wants = wants_of(bundle)
    assert wants is not None
    shared = Environment(key, wants, _KEPT / f"bundle-{key}")
    _KEPT.mkdir(exist_ok=True)
    with (_KEPT / f"bundle-{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other processes of the same run want it, too
        if shared.state() != "ready":
            try:
                install(shared, os.environ, lambda _: None)
            except BundleError as error:
                pytest.skip(f"the environment {key} cannot be made here: {error}")
    own = environment_of(bundle.name, bundle, environments)
    assert own is not None
    own.folder.parent.mkdir(parents=True, exist_ok=True)
    own.folder.symlink_to(shared.folder)
    return own
