"""Which program of this machine stands in for an image.

An entry of `containers.images` is ``reference=path``; a reference that ends in ``*`` is for all that begin
so.  What no entry names is looked for among the agents: ``registry.example/greeter:1.4`` is
``agents/greeter``.  A path is a bundle (a folder with a ``main.py``, or a file of Python), another folder, or
a program.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from runtime.containers.contract import Image
from runtime.errors import ConfigError
from runtime.process.program.command import Launch
from runtime.supervisor.bundles.environment import own_launch

_MAX_FILES: Final = 4096


class Program(msgspec.Struct, frozen=True):
    """What runs for an image.

    Attributes:
        argv: What runs when nothing else is said; None for nothing.
        folder: Where it runs; None for the box's own folder.
        path: What stands in for the image; None for this machine.
        bundle: The bundle that it is, as it was named; None for whatever else.
    """

    reference: str
    argv: tuple[str, ...] | None
    folder: Path | None
    path: Path | None
    bundle: Path | None = None

    def launch(self, environments: Path, env: Mapping[str, str]) -> Launch | None:
        """The interpreter of the bundle's own, as for its sessions; None when it asks for none.  Blocks.

        Args:
            environments: The folder with all environments.

        Raises:
            EnvironmentUnusable: It has to be made, or made anew, first.
        """
        if self.bundle is None:
            return None
        return own_launch(self.bundle.name, self.bundle, environments, env)


class Catalogue:
    """Looks at the disk whenever it is asked: for a thread.

    Args:
        entries: As the setting has them.
        base: Where relative paths of entries begin.
        agents: The folder of agents.
        any_command: For an image that nothing stands in for, a command of this machine may be run.

    Raises:
        ConfigError: An entry is none.
    """

    def __init__(self, entries: Sequence[str], *, base: Path, agents: Path, any_command: bool) -> None:
        self._entries: list[tuple[str, Path]] = []
        for entry in entries:
            reference, _, path = entry.partition("=")
            if not reference or not path:
                raise ConfigError(
                    f"containers.images has {entry!r}",
                    cure="Write image=path, such as registry.example/greeter:*=agents/greeter.",
                )
            self._entries.append((reference, base / Path(path).expanduser()))
        # The most exact first.
        self._entries.sort(key=lambda one: (one[0].endswith("*"), -len(one[0])))
        self._agents = agents
        self.any_command = any_command

    def find(self, reference: str, *, bundles: bool = True) -> Program | None:
        """What stands in for an image; None when nothing does.

        Args:
            bundles: An agent may, though no entry names it.
        """
        for wanted, path in self._entries:
            if wanted == reference or (wanted.endswith("*") and reference.startswith(wanted[:-1])):
                return _program(reference, path)
        name = reference.rpartition("/")[2].partition("@")[0].partition(":")[0]
        if bundles and name and not name.startswith((".", "_")):
            for path in (self._agents / name, self._agents / f"{name}.py"):
                if _is_bundle(path):
                    return _program(reference, path)
        return Program(reference, None, None, None) if self.any_command else None

    def image(self, reference: str) -> Image | None:
        """The same as an image."""
        found = self.find(reference)
        return None if found is None else _image(found, reference)

    def images(self) -> list[Image]:
        """Everything that stands in for an image."""
        named = {reference: path for reference, path in self._entries if not reference.endswith("*")}
        try:
            inside = sorted(self._agents.iterdir())
        except OSError:
            inside = []
        for path in inside:
            if not path.name.startswith((".", "_")) and _is_bundle(path):
                named.setdefault(path.name.removesuffix(".py"), path)
        found = []
        for reference, path in named.items():
            if (program := _program(reference, path)) is not None:
                found.append(_image(program, reference))
        return found


def _is_bundle(path: Path) -> bool:
    return path.is_file() if path.suffix == ".py" else (path / "main.py").is_file()


def _program(reference: str, path: Path) -> Program | None:
    real = path.resolve()
    if real.suffix == ".py" and real.is_file():
        return Program(reference, (sys.executable, str(real)), real.parent, real)
    if (real / "main.py").is_file():
        return Program(reference, (sys.executable, str(real / "main.py")), real, real, path)
    if real.is_dir():
        return Program(reference, None, real, real)
    if real.is_file() and os.access(real, os.X_OK):
        return Program(reference, (str(real),), None, real)
    return None


def _image(program: Program, reference: str) -> Image:
    if program.path is None:
        return Image(id="sha256:" + hashlib.sha256(b"this machine").hexdigest(), references=(reference,))
    digest, size, newest = hashlib.sha256(), 0, 0.0
    for name, found in _files(program.path):
        digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
        size, newest = size + found.st_size, max(newest, found.st_mtime)
    return Image(
        id=f"sha256:{digest.hexdigest()}", references=(reference,), size_bytes=size, created_at=newest or None
    )


def _files(path: Path) -> list[tuple[str, os.stat_result]]:
    if path.is_file():
        return [(path.name, path.stat())]
    found: list[tuple[str, os.stat_result]] = []
    for above, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
        for name in sorted(names):
            if len(found) >= _MAX_FILES:
                return found
            file = Path(above, name)
            try:
                found.append((str(file.relative_to(path)), file.lstat()))
            except OSError:
                continue
    return found
