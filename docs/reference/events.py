"""The page of all events."""

from __future__ import annotations

from docs.reference.table import sentence, stacked
from runtime.session.event_kinds import FAMILIES, KINDS


def page() -> str:
    """Every kind of event with what it carries."""
    parts = []
    for family, fields in FAMILIES.items():
        kinds = [kind for kind in KINDS if _family(kind) == family]
        title = f"{family}.*" if family else "Others"
        parts.append(f"## {title}\n\nAll have {', '.join(f'`{name}`' for name in fields)}.\n")
        rows = [
            (
                f"`{kind}`",
                sentence(KINDS[kind].when),
                ", ".join(f"`{name}`" for name in KINDS[kind].fields) or "–",
            )
            for kind in kinds
        ]
        parts.append(stacked(("Event", "When", "and"), rows))
    return "\n".join(parts)


def _family(kind: str) -> str:
    name = kind.partition(".")[0]
    return name if name in FAMILIES else ""
