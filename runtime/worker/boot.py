"""Start the worker's program in any interpreter: ``python boot.py --source …``.

It is started by its path, so the interpreter is as it would be for ``python main.py``: no switch of ours, and
a bundle's own ``runtime.py`` or an environment without this package are no matter (`runtime.compat.lending`).
Imports the standard library alone; what was there before it did is written down first.
"""

import sys

BARE = (frozenset(sys.modules), frozenset(vars()) - {"sys"})
if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # this file's folder: nothing in it is to be found by a name without dots

import gc  # noqa: E402
import importlib  # noqa: E402
import importlib.util  # noqa: E402
import os  # noqa: E402


def lend_package(first: str = "") -> str:
    """Make our package importable; see `runtime.compat.lending.lend`."""
    folder = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    file = os.path.join(folder, "compat", "lending.py")
    spec = importlib.util.spec_from_file_location("bulkhead_lending", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.lend(first))


def _own_folder(arguments: list[str]) -> str:
    """The folder that the bundle's program will find its modules in; empty when it will not look in one."""
    if "--source" not in arguments[:-1] or "--flat" in arguments:
        return ""
    source = arguments[arguments.index("--source") + 1]
    return source if os.path.isdir(source) else os.path.dirname(os.path.realpath(source))


if __name__ == "__main__":
    package = lend_package(_own_folder(sys.argv[1:]))
    gc.disable()  # what is imported stays
    program = importlib.import_module(f"{package}.worker.__main__")
    gc.freeze()  # all of it grows old at once: to collect would be to look through it, and find nothing
    gc.enable()
    gc.unfreeze()
    program.start(BARE)
