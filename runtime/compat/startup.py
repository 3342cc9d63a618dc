"""Let ``python main.py`` find the ``meshagent`` names, as a bundle's zygote does.

One line of a ``.pth`` file imports this module whenever the environment's interpreter starts.  It asks last,
after every other finder, and only for the top-level name: where a MeshAgent SDK is installed it is never
asked, and a program that does not import ``meshagent`` pays for the import of this file alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_OURS = ("runtime", "runtime.compat", "runtime.compat.startup")


class _LastResort:
    """Becomes the real finder the first time somebody asks for ``meshagent`` and nobody else had it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "meshagent":
            return None
        import importlib

        sys.meta_path.remove(self)
        finder = importlib.import_module(f"{_lent()}.compat.finder")
        finder.install()
        spec: ModuleSpec | None = sys.meta_path[0].find_spec(fullname, path, target)
        return spec


def _lent() -> str:
    """The name of our package here: a program may have a ``runtime.py`` of its own."""
    import importlib.util

    file = __file__.replace("startup.py", "lending.py")
    spec = importlib.util.spec_from_file_location("bulkhead_lending", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.lend())


def give_name_back() -> None:
    """Leave the name ``runtime`` to whoever has a module of that name: a program has its own first."""
    for name in _OURS:
        sys.modules.pop(name, None)


sys.meta_path.append(_LastResort())
