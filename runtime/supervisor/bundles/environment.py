"""Environments of bundles: which a bundle asks for, where it is, and whether it can be used.

A bundle is a folder; with a ``requirements.txt``, a ``pyproject.toml`` that has a ``[project]`` table, or a
``bulkhead.toml`` that names a ``python``, it gets an interpreter and packages of its own, beside the front's.
They are kept in the state folder, not in the bundle's: that may be mounted read-only, or shared between a
machine and its containers, where one's interpreter does not exist in the other.

`runtime.supervisor.bundles.installation` makes an environment; this module only reads.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import asdict

from runtime.errors import BundleError, EnvironmentUnusable
from runtime.files import kept_file
from runtime.process.program.command import Launch

WORKER_REQUIREMENTS: Final = (
    "msgspec>=0.19",
    "multiprocess>=0.70.17",
    "setproctitle>=1.3",
    "structlog>=24.1",
)
"""What the worker's program imports.  Lower bounds only: what else there is may pin them."""

SDK_REQUIREMENTS: Final = ("jsonschema>=4.21", "pycrdt>=0.12", "PyJWT>=2.9", "websockets>=13.1")
"""What our own agents' classes import: for bundles that bring no MeshAgent SDK."""

UNUSED_S: Final = 7 * 86400.0
DEPLOYED: Final = "deployed"
"""Beside the folder of environments: the bundles that were sent to the server, by their digests."""
_STAMP: Final = "bulkhead-environment.json"
_GONE: Final = "bulkhead-gone"
_MAX_FILE_BYTES: Final = 1 << 20

State = Literal["ready", "missing", "stale", "broken"]


class Wants(msgspec.Struct, frozen=True):
    """What a bundle asks for.

    Attributes:
        python: A version, a ``requires-python``, or a path; empty when it does not say.
        requirements: The ``dependencies`` of its ``pyproject.toml``.
        file: Its ``requirements.txt``; None when it has none.
        says: The file to edit, by name.
    """

    folder: Path
    python: str
    requirements: tuple[str, ...]
    file: Path | None
    says: str

    def fingerprint(self) -> str:
        """Changes when what it asks for changes."""
        listed = "" if self.file is None else _text(self.file)
        told = json.dumps([self.python, self.requirements, listed])
        return hashlib.sha256(told.encode()).hexdigest()

    def is_local(self) -> bool:
        """Whether what it asks for may lie in its folder."""
        lines = [*self.requirements, *([] if self.file is None else _text(self.file).splitlines())]
        return any(
            line.lstrip().startswith(("-", ".", "/", "file:")) or "@ file:" in line or "@file:" in line
            for line in lines
        )


class Stamp(msgspec.Struct, frozen=True):
    """What an installation left in the environment, when it was complete.

    Attributes:
        python: Version of its interpreter.
        sdk: Version of the MeshAgent SDK in it; empty when there is none.
        fingerprint: Of what was asked for then.
        bundle: The bundle's folder; empty in one that an older version made.
    """

    python: str
    sdk: str
    fingerprint: str
    bundle: str = ""

    def write(self, folder: Path) -> None:
        kept_file.write(folder / _STAMP, json.dumps(asdict(self)), mode=0o644)

    @classmethod
    def read(cls, folder: Path) -> Stamp:
        """What `write` left; raises OSError, ValueError, KeyError or TypeError where that is none."""
        told = json.loads((folder / _STAMP).read_text())
        return cls(
            str(told["python"]), str(told["sdk"]), str(told["fingerprint"]), str(told.get("bundle", ""))
        )


class Environment(msgspec.Struct, frozen=True):
    """The environment of one bundle that asks for one.

    Attributes:
        name: The bundle's.
        folder: Where the environment is, or is to be.
    """

    name: str
    wants: Wants
    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def cure(self) -> str:
        """The command that makes or mends it."""
        return "Run: " + shlex.join(["bulkhead", "bundle", "install", str(self.wants.folder)])

    def stamp(self) -> Stamp | None:
        """What the last complete installation left; None when there was none."""
        try:
            return Stamp.read(self.folder)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def state(self) -> State:
        """Whether it can be used as it is; a stale one was made before the requirements changed."""
        stamp = self.stamp()
        if stamp is None:
            return "broken" if self.folder.is_dir() else "missing"
        if not os.access(self.python, os.X_OK):
            return "broken"
        return "ready" if stamp.fingerprint == self.wants.fingerprint() else "stale"

    def launch(self, env: Mapping[str, str]) -> Launch:
        """How to start the bundle's programs, in an environment made from `env`.

        Raises:
            EnvironmentUnusable: It has to be made, or made anew, first.
        """
        match self.state():
            case "missing":
                raise EnvironmentUnusable(f"{self.name} has no environment yet", cure=self.cure)
            case "broken":
                raise EnvironmentUnusable(f"the environment of {self.name} is incomplete", cure=self.cure)
            case "stale":
                says = self.wants.says
                raise EnvironmentUnusable(
                    f"{says} of {self.name} was changed since its installation", cure=self.cure
                )
        # What leads an interpreter to somebody else's packages must not reach this one.
        seen = {name: value for name, value in env.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        seen["VIRTUAL_ENV"] = str(self.folder)
        seen["PATH"] = os.pathsep.join(filter(None, (str(self.folder / "bin"), env.get("PATH", ""))))
        return Launch(str(self.python), seen, self.cure)


def cache_of(folder: Path) -> Path:
    """Where the tools keep what they fetched for the environment in `folder`: for it alone."""
    return folder.parent / ".cache" / folder.name


def environment_of(name: str, source: Path, environments: Path) -> Environment | None:
    """The environment that a bundle asks for; None when it runs in the front's.

    Args:
        source: The bundle's file or folder; a file alone asks for none.
        environments: The folder with all environments.

    Raises:
        BundleError: What it asks with cannot be read.
    """
    wants = wants_of(source)
    if wants is None:
        return None
    environments = environments.resolve()
    if wants.folder.parent == environments.parent / DEPLOYED and not wants.is_local():
        # Of each revision there is a folder; most of them want the same.
        return Environment(name, wants, environments / f"deployed-{wants.fingerprint()[:16]}")
    # Bundles of one name in two folders of agents are two bundles.
    mark = hashlib.sha256(str(wants.folder).encode()).hexdigest()[:8]
    return Environment(name, wants, environments / f"{source.name}-{mark}")


def remove_unused(environments: Path, used: Collection[Path], now: float) -> list[str]:
    """Remove the environments of bundles that have been gone for `UNUSED_S`; their names.

    Since when is noted in the environment itself, so that a folder that is away for a while, with a branch or
    a volume, costs nothing.

    Args:
        used: Folders of environments that bundles of this server ask for, whatever is on the disk now.
        now: Seconds since the epoch.
    """
    removed = []
    for folder in sorted(environments.iterdir()) if environments.is_dir() else ():
        gone = folder / _GONE
        if folder.is_symlink() or not (folder / "pyvenv.cfg").is_file():
            continue  # made by nobody we know, or being made
        try:
            bundle = Stamp.read(folder).bundle
        except (OSError, ValueError, KeyError, TypeError):
            bundle = ""
        try:
            if folder in used or (bundle and Path(bundle).is_dir()):
                gone.unlink(missing_ok=True)
            elif not gone.exists():
                gone.write_text(f"{now:.0f}\n")
            elif now - float(gone.read_text()) >= UNUSED_S:
                shutil.rmtree(folder, ignore_errors=True)
                shutil.rmtree(cache_of(folder), ignore_errors=True)
                removed.append(folder.name)
        except (OSError, ValueError):
            continue
    return removed


def own_launch(name: str, source: Path, environments: Path, env: Mapping[str, str]) -> Launch | None:
    """How to start the programs of a bundle; None when they run in the front's interpreter.

    Raises:
        EnvironmentUnusable: The bundle asks for an environment that cannot be used.
    """
    try:
        environment = environment_of(name, source, environments)
    except BundleError as error:
        raise EnvironmentUnusable(error.message, cure=error.cure) from None
    return None if environment is None else environment.launch(env)


def wants_of(source: Path) -> Wants | None:
    """What the files of a bundle's folder ask for; None when they ask for nothing."""
    if not source.is_dir():
        return None
    folder = source.resolve()
    project = _table(folder / "pyproject.toml").get("project")
    python = _table(folder / "bulkhead.toml").get("python", "")
    listed = folder / "requirements.txt"
    if not isinstance(python, str):
        raise BundleError(
            f"{folder.name}/bulkhead.toml: python is no text", cure='Write python = "3.13", or a path.'
        )
    if "/" in python:
        python = str((folder / Path(python).expanduser()).absolute())
    file = listed if _asks(listed) else None
    if not isinstance(project, dict):
        if not python and file is None:
            return None
        says = listed.name if file is not None else "bulkhead.toml"
        return Wants(folder, python, (), file, says)
    dependencies = project.get("dependencies", [])
    if not isinstance(dependencies, list) or not all(isinstance(one, str) for one in dependencies):
        raise BundleError(
            f"{folder.name}/pyproject.toml: dependencies is no list of requirements",
            cure='Write dependencies = ["meshagent-agents"].',
        )
    version = python or str(project.get("requires-python", ""))
    # Both files: requirements.txt then is what pins the project's dependencies.
    return Wants(folder, version, tuple(dependencies), file, listed.name if file else "pyproject.toml")


def _asks(requirements: Path) -> bool:
    """Whether there is a requirement in the file; comments ask for nothing."""
    return requirements.is_file() and any(
        line.strip() and not line.lstrip().startswith("#") for line in _text(requirements).splitlines()
    )


def _table(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        where = f"{path.parent.name}/{path.name}"
        raise BundleError(f"{where} is no TOML: {error}", cure="Mend that line.") from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from None
