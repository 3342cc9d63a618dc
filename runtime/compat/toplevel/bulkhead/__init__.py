"""What agent authors import: ``from bulkhead import ServiceHost, ChatBot, Limits, tool``.

The names of `runtime.sdk`, each imported when it is first used.  This folder is a package of its own: in a
wheel it stands beside ``runtime``, and where it is on no path, as in the environment that a bundle has of its
own, `runtime.compat.finder` finds it last of all, so that an author's own ``bulkhead.py`` stays theirs.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime import __version__ as __version__
    from runtime import sdk
    from runtime.sdk import *  # noqa: F403 - its __all__ is ours

    __all__ = sdk.__all__
else:

    def _package() -> str:
        """The name of our package here: a program may have a ``runtime.py`` of its own."""
        if "bulkhead_runtime" in sys.modules:
            return "bulkhead_runtime"
        above = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
        # In a wheel beside us, in a checkout above us.
        places = (os.path.join(above, "runtime", "compat"), os.path.dirname(above))
        file = next(path for place in places if os.path.isfile(path := os.path.join(place, "lending.py")))
        spec = importlib.util.spec_from_file_location("bulkhead_lending", file)
        lending = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(lending)
        return lending.lend()

    _home = _package()
    sdk = importlib.import_module(f"{_home}.sdk")
    __version__ = sys.modules[_home].__version__
    __all__ = sdk.__all__

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module 'bulkhead' has no attribute {name!r}")
        value = globals()[name] = getattr(sdk, name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
