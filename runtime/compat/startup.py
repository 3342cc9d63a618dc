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


class _LastResort:
    """Becomes the real finder the first time somebody asks for ``meshagent`` and nobody else had it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "meshagent":
            return None
        from runtime.compat import finder

        sys.meta_path.remove(self)
        finder.install()
        return sys.meta_path[0].find_spec(fullname, path, target)


sys.meta_path.append(_LastResort())
