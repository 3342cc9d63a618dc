"""Serve the ``meshagent`` modules out of the table in `names`, where no MeshAgent SDK is installed.

The modules exist only in processes that run a bundle: `install` puts a finder on the import path there.
Where an SDK is installed its own modules are used, and `overlay` exchanges what must be ours.

`bulkhead`, the public name of `runtime.sdk`, is found in the same processes where no path leads to it.

Each name is imported when it is first asked for, so that a bundle that hosts a tool does not load what
only chatbots need.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from runtime.compat import overlay
from runtime.compat.names import NAMES
from runtime.session.cures.missing_module import SDK_IN_PLACE

_PACKAGE = __name__.partition(".")[0]
"""Ours, by the name it has in this process; see `lending`."""

PUBLIC_NAME = "bulkhead"


def install() -> None:
    """Make the names importable in this process; a second call does nothing.

    All are ours or, but for the host, all are the installed SDK's: agents, rooms and tools must know
    each other's classes.
    """
    if not any(isinstance(finder, _PublicName) for finder in sys.meta_path):
        sys.meta_path.append(_PublicName())  # last: an author's own bulkhead.py is theirs
    if overlay.is_sdk_installed():
        overlay.install()
        return
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        # First, because other distributions may own parts of the same namespace package.
        sys.meta_path.insert(0, _Finder())


def uninstall() -> None:
    """Take the finder and its modules away again; modules that imported names keep them."""
    overlay.uninstall()
    ours = (_Finder, _PublicName)
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, ours)]
    for name in [name for name, module in sys.modules.items() if isinstance(module, _Module)]:
        del sys.modules[name]


class _Module(ModuleType):
    """A module whose names are imported from elsewhere on first use."""

    def __getattr__(self, name: str) -> Any:
        home = NAMES[self.__name__].get(name)
        if home is None:
            if name.startswith("__") or f"{self.__name__}.{name}" in NAMES:
                # Python asks for these by itself and expects the plain answer.
                raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
            raise ImportError(
                f"cannot import name {name!r} from {self.__name__!r}, which {SDK_IN_PLACE}. "
                f"{_known(self.__name__)}",
                name=self.__name__,
            )
        module, _, attribute = home.partition(":")
        value = getattr(importlib.import_module(f"{_PACKAGE}.{module}"), attribute)
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # An imported submodule is set on its package, and would hide the name that is spelled like it:
        # `tool` in meshagent.tools, `participant_token` in meshagent.api.
        if not (isinstance(value, ModuleType) and name in NAMES[self.__name__]):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *NAMES[self.__name__]})


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in NAMES:
            is_package = any(name.startswith(f"{fullname}.") for name in NAMES)
            return ModuleSpec(fullname, self, origin="bulkhead", is_package=is_package)
        if fullname.startswith("meshagent."):
            served = ", ".join(sorted(NAMES)[1:])
            raise ModuleNotFoundError(
                f"No module named {fullname!r} among those that {SDK_IN_PLACE}: {served}.",
                name=fullname,
            )
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__all__"] = sorted(NAMES[module.__name__])
        module.__dict__["__doc__"] = f"{module.__name__}, served by Bulkhead."


class _PublicName(MetaPathFinder):
    """Finds the package where it lies: in a checkout here, in an installation beside ``runtime``."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != PUBLIC_NAME:
            return None
        here = Path(__file__).resolve().parent
        homes = [folder / PUBLIC_NAME for folder in (here / "toplevel", here.parents[1])]
        home = next((folder for folder in homes if (folder / "__init__.py").is_file()), None)
        if home is None:
            return None
        return spec_from_file_location(fullname, home / "__init__.py", submodule_search_locations=[str(home)])


def _known(module: str) -> str:
    names = ", ".join(sorted(NAMES[module]))
    return f"It has: {names}." if names else "It has submodules only."
