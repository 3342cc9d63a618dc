"""What to tell of a program that could not be imported, from what its process said of it."""

from __future__ import annotations

import signal
from typing import Final

from runtime.confinement.level import Level
from runtime.confinement.refusal import Refusal, explain
from runtime.errors import BundleImportFailed
from runtime.process.program.command import Command
from runtime.session.cures.missing_module import (
    SDK_IN_PLACE,
    cure_by_sdk,
    cure_for_missing,
    sentence_for_missing,
)
from runtime.wire import control

MEND: Final = "Mend that line and save; it is loaded again."
_SIGNAL_NAMES: Final = {one.value: one.name for one in signal.Signals}


def import_error(said: control.ImportFailed, own_cure: str, refused: str = "") -> BundleImportFailed:
    """The error of a load.

    Args:
        own_cure: How to mend the bundle's own interpreter; empty when it has none.
        refused: What its confinement refused, and what would allow it; empty when that was not the reason.
    """
    at = f" ({said.where})" if said.where else ""
    if said.missing and refused:
        return BundleImportFailed(
            f"there is no module '{said.missing}' that may be read{at}",
            cure=refused,
            detail=said.traceback,
            kind=said.kind,
        )
    if said.missing:
        served = SDK_IN_PLACE in said.message  # then it says what there is
        return BundleImportFailed(
            f"{said.message.rstrip('.') if served else sentence_for_missing(said.missing)}{at}",
            cure=cure_for_missing(said.missing, near=said.near, install=own_cure, shared=said.shared),
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
        f"{said.kind}: {said.message}{at}", cure=refused or MEND, detail=said.traceback, kind=said.kind
    )


def died_early(status: int, own_cure: str) -> BundleImportFailed:
    """The error of a load whose process ended before it said how the import went.

    Args:
        status: Its exit code; below zero, the signal that ended it.
        own_cure: As in `import_error`.
    """
    how, cure = f"with exit code {status}", "Do not end the process while the program is imported."
    if status < 0:
        how = f"by signal {-status} ({_SIGNAL_NAMES.get(-status, 'unknown')})"
        cure = "A native package that it imports is broken, or built for another machine."
    if status == -signal.SIGKILL:
        cure = "If nobody killed it, the kernel ran out of memory."
    return BundleImportFailed(
        f"its interpreter ended before the program was imported, {how}",
        cure=f"{own_cure or cure} See what it printed, in the log above.",
    )


def cure_of_refusal(said: control.ImportFailed, command: Command) -> str:
    """What its confinement refused, and what would allow it; empty when that was not the reason.

    What its decorators ask for is known after its import, so only its file can allow more of that.
    """
    if said.refused is None or command.ground is None or command.policy.level is Level.OFF:
        return ""
    rule, what = said.refused
    file = "bulkhead.toml" if command.source.is_dir() else command.source.with_suffix(".toml").name
    explained = explain(
        Refusal(rule, what),
        "a program that is imported",
        command.policy,
        command.ground,
        place=f"the table [confinement] of {file}",
    )
    return f"{explained.sentence} ({rule}); to allow more: {explained.cure}."
