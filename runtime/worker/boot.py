"""Start the worker's program where this package is not installed: ``python boot.py --source …``.

A bundle with an environment of its own has neither this package nor the front's site-packages on its path,
and must not get them: they hold other versions of what it pins.  So nothing is put on the path.  This file
makes the one package ``runtime`` importable from where it lies, and its few dependencies come from the
bundle's environment (`runtime.supervisor.bundles.environment` says which).  It imports the standard
library alone.
"""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path


def lend_package() -> None:
    """Make ``runtime`` importable in this process; nothing beside it becomes so."""
    folder = Path(__file__).resolve().parent.parent
    spec = importlib.util.spec_from_file_location(
        "runtime", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["runtime"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    lend_package()
    runpy.run_module("runtime.worker", run_name="__main__", alter_sys=True)
