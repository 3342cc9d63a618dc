"""What the decorators of bundles ask for: known once a program has run, and kept for the next start."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import structlog

from runtime.confinement.confine import Confine
from runtime.errors import BundleError, ConfigError
from runtime.files import kept_file, plain_file
from runtime.wire.control import EndpointDecl

log = structlog.get_logger("supervisor")

FILE: Final = "declared.json"
_MAX_BYTES: Final = 1 << 20
_MAX_BUNDLES: Final = 1000

Declared = Mapping[str, Mapping[str, Any]]
"""By path, what its decorator says: `Confine.plain`."""


def declared_by(endpoints: Iterable[EndpointDecl]) -> dict[str, dict[str, Any]]:
    """What the endpoints of a bundle declare, by their path."""
    return {endpoint.path: endpoint.confinement for endpoint in endpoints}


def confine_of(path: str, said: Mapping[str, Any]) -> Confine:
    """What one endpoint declares.

    Raises:
        BundleError: It cannot be used.
    """
    try:
        return Confine.of(said)
    except ConfigError as error:  # our own SDK would have said so; this came over a pipe
        raise BundleError(f"{path}: {error.message}", cure=error.cure) from None


class DeclaredBefore:
    """What each bundle declared when it was loaded last, also by a server before this one.

    It is a guess with which a program is run the first time, and judged anew each time; so a file that is
    damaged, or gone, costs a second run and nothing else.  Runs in: any thread.

    Args:
        folder: The state folder.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._of: dict[str, dict[str, dict[str, Any]]] | None = None
        self._lock = threading.Lock()

    def last(self, source: str) -> Declared:
        """Of the bundle that lies there; empty when nothing is known.  Blocks."""
        with self._lock:
            return self._known().get(source, {})

    def note(self, source: str, declared: Declared) -> None:
        """A bundle has declared this.  Blocks."""
        with self._lock:
            self._note(source, declared)

    def _note(self, source: str, declared: Declared) -> None:
        known = self._known()
        said = {path: dict(one) for path, one in declared.items()} if any(declared.values()) else {}
        if known.get(source, {}) == said:
            return
        known.pop(source, None)
        if said:
            known[source] = said
        kept = {path: one for path, one in known.items() if os.path.lexists(path)}
        self._of = dict(list(kept.items())[-_MAX_BUNDLES:])
        try:
            kept_file.write(self._file, json.dumps(self._of))
        except OSError as error:  # the program is run twice at the next start
            log.warning("confinement.not_kept", file=str(self._file), error=error.strerror or str(error))

    def _known(self) -> dict[str, dict[str, dict[str, Any]]]:
        if self._of is None:
            self._of = _read(self._file)
        return self._of


def _read(file: Path) -> dict[str, dict[str, dict[str, Any]]]:
    try:
        found = json.loads(plain_file.read(file, most_bytes=_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {source: endpoints for source, endpoints in found.items() if _is_declared(endpoints)}


def _is_declared(endpoints: object) -> bool:
    return isinstance(endpoints, dict) and all(isinstance(said, dict) for said in endpoints.values())
