"""Tell which bundles changed on disk, were added or removed, soon after it happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from watchfiles import awatch

_IGNORED = frozenset({"__pycache__", ".git", ".venv", "node_modules", ".bulkhead"})


async def changes(sources: Sequence[Path], *, stop: asyncio.Event) -> AsyncIterator[set[Path]]:
    """Yield the changed paths, a set for each burst of changes, until `stop` is set.

    Watching begins with the first step of the iteration, before it first waits.

    Args:
        sources: As given to `bundles_in`; for a file, its folder is watched without what is below.
    """
    folders = sorted({source if source.is_dir() else source.parent for source in sources})
    watched = awatch(
        *folders,
        watch_filter=lambda _, path: _matters(Path(path), folders),
        debounce=150,
        step=50,
        stop_event=stop,
        recursive=any(source.is_dir() for source in sources),
        ignore_permission_denied=True,
    )
    async for burst in watched:
        yield {Path(path) for _, path in burst}


def touched(changed: set[Path], bundle: Path) -> bool:
    """Whether a change concerns a bundle: its own files, or a module beside it that it may import."""
    bundle = bundle.resolve()
    folder = bundle if bundle.is_dir() else bundle.parent
    for path in changed:
        path = path.resolve()
        if path == bundle or (bundle.is_dir() and path.is_relative_to(bundle)):
            return True
        beside = path.parent == folder and path.suffix == ".py"
        if beside and not bundle.is_dir() and path.name.startswith("_"):
            return True
    return False


def _matters(path: Path, folders: Sequence[Path]) -> bool:
    """Whether a change may concern a program: not caches, nor what editors leave beside a file."""
    below = next((path.relative_to(folder) for folder in folders if path.is_relative_to(folder)), path)
    if _IGNORED.intersection(below.parts):
        return False
    return not path.name.startswith(".") and not path.name.endswith(("~", ".swp", ".pyc", ".tmp"))
