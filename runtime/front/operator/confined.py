"""What a session may reach, as the API shows it."""

from __future__ import annotations

from msgspec import UNSET

from runtime.front.openapi.shapes.sessions import ConfinedFiles, Confinement, Enforced
from runtime.session.record import SessionRecord


def confinement_of(record: SessionRecord) -> Confinement | None:
    """What holds its process, and what that refused; None where nothing is held back."""
    held = record.confinement
    if not held:
        return None
    try:
        return Confinement(
            level=held["level"],
            files=ConfinedFiles(**held["files"]),
            network=held["network"],
            shm=held["shm"],
            gpu=held["gpu"],
            rules=Enforced(**held["rules"]) if "rules" in held else UNSET,
            missing=held.get("missing", UNSET),
            refused=dict(record.refused),
        )
    except (KeyError, TypeError):  # the record is of another version's session
        return None
