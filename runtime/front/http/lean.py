"""Importing a library as if packages were missing that it takes only when they are there.

quart-schema knows several families of classes and imports each that is installed.  With the extra for OpenAI
pydantic is: half a second and nine megabytes of a front that describes itself by msgspec alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

NOT_USED: Final = ("attrs", "pydantic", "pydantic_core")


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Let imports of these packages fail meanwhile; what was imported before is there again afterwards."""
    before = {name: sys.modules.get(name) for name in packages}
    missing: dict[str, None] = dict.fromkeys(packages)
    sys.modules.update(missing)  # type: ignore[arg-type]  # None is how one says that there is no such module
    try:
        yield
    finally:
        for name, module in before.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module
