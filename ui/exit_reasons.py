"""Writes what Studio knows of exit reasons, out of the one table: run by ``make ui``.

python ui/exit_reasons.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILE = HERE / "src" / "core" / "exit_reasons.js"


def text() -> str:
    """The file as it has to be."""
    from runtime.session.exit_reasons import EXIT_REASONS

    lines = [
        "/** What follows from an exit reason.  Written by ui/exit_reasons.py, from the one table. */",
        "export const EXIT_REASONS = {",
    ]
    for reason, row in EXIT_REASONS.items():
        told = {
            "whose": row.whose,
            "isClean": row.is_clean,
            "word": row.word,
            "tone": row.tone,
            "aftermath": row.aftermath,
        }
        pairs = ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in told.items())
        lines.append(f"  {reason}: {{ {pairs} }},")
    return "\n".join([*lines, "};", ""])


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    FILE.write_text(text(), encoding="utf-8")
