"""The page of the `meshagent.*` names."""

from __future__ import annotations

from docs.reference.table import table
from runtime.compat.names import NAMES


def page() -> str:
    """Every module with its names."""
    rows = [
        (f"`{module}`", ", ".join(f"`{name}`" for name in sorted(names)))
        for module, names in NAMES.items()
        if names
    ]
    return f"{table(('Module', 'Names'), rows)}"
