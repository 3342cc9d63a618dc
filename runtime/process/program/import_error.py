"""What to tell of a program that could not be imported, from what its process said of it."""

from __future__ import annotations

from typing import Final

from runtime.errors import BundleImportFailed
from runtime.session.missing_module import (
    SDK_IN_PLACE,
    cure_by_sdk,
    cure_for_missing,
    sentence_for_missing,
)
from runtime.wire import control

MEND: Final = "Mend that line and save; it is loaded again."


def import_error(said: control.ImportFailed, own_cure: str) -> BundleImportFailed:
    """The error of a load.

    Args:
        own_cure: How to mend the bundle's own interpreter; empty when it has none.
    """
    at = f" ({said.where})" if said.where else ""
    if said.missing:
        served = SDK_IN_PLACE in said.message  # then it says what there is
        return BundleImportFailed(
            f"{said.message.rstrip('.') if served else sentence_for_missing(said.missing)}{at}",
            cure=cure_for_missing(said.missing, near=said.near, install=own_cure),
            detail=said.traceback,
            kind=said.kind,
        )
    if SDK_IN_PLACE in said.message:
        return BundleImportFailed(
            f"{said.message.rstrip('.')}{at}",
            cure=cure_by_sdk(own_cure),
            detail=said.traceback,
            kind=said.kind,
        )
    if said.kind in ("BundleError", "EndpointConflict", "SystemExit"):
        return BundleImportFailed(said.message, detail=said.traceback, kind=said.kind)
    if said.kind == "ConfigError":
        return BundleImportFailed(f"{said.message.rstrip('.')}{at}", detail=said.traceback, kind=said.kind)
    return BundleImportFailed(
        f"{said.kind}: {said.message}{at}", cure=MEND, detail=said.traceback, kind=said.kind
    )
