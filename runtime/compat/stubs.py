"""The stubs of the ``meshagent`` names, for type checkers and editors: written from the table in `names`.

``python -m runtime.compat.stubs`` writes them anew.  They say where each name is at home here; the types are
those of our own modules.  They are partial: what they do not name is looked for in an installed SDK.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from runtime.compat.names import NAMES

FOLDER = Path(__file__).parent / "toplevel" / "meshagent-stubs"


def stubs() -> Mapping[str, str]:
    """Path below the folder of stubs → text."""
    files = {"py.typed": "partial\n"}
    for module, names in NAMES.items():
        is_package = any(other.startswith(f"{module}.") for other in NAMES)
        inner = "/".join([*module.split(".")[1:], *(["__init__"] if is_package else [])])
        files[f"{inner}.pyi"] = _text(names)
    return files


def write() -> None:
    """Make the folder say what the table says."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    for path, text in stubs().items():
        file = FOLDER / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def _text(names: Mapping[str, str]) -> str:
    lines = ["# Written by `python -m runtime.compat.stubs`."]
    for name, home in sorted(names.items(), key=lambda pair: (pair[1].partition(":")[0], pair[0])):
        module, _, attribute = home.partition(":")
        # Said twice, because only that passes a name on.
        lines.append(f"from runtime.{module} import {attribute} as {name}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write()
