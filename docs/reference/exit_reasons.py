"""The page of all reasons for which a session ends."""

from __future__ import annotations

from docs.reference.table import stacked
from runtime.session.exit_reasons import ExitReason
from runtime.session.quarantine import is_death
from runtime.session.record import Exit
from runtime.session.restart import RestartPolicy, wants


def page() -> str:
    """Every reason with what it means and what to do."""
    heads = ("Reason", "What happened, and what to do", "Clean", "Started again by", "Counts")
    return stacked(heads, (_row(reason) for reason in ExitReason), also="reasons")


def _row(reason: ExitReason) -> tuple[str, ...]:
    end = Exit(reason=reason, message="", code=1 if reason is ExitReason.EXIT else None)
    again = [f"`{policy}`" for policy in RestartPolicy if wants(policy, end)]
    clean, counts = ("yes" if one else "" for one in (reason.is_clean, is_death(end)))
    told = f"{reason.row.sentence}<br>{reason.row.cure}"
    return f'<a id="{reason}"></a>`{reason}`', told, clean, ", ".join(again) or "–", counts
