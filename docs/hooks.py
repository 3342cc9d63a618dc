"""What MkDocs is told beside its configuration: the pages that are made of the code and of the checkout.

A page of the reference exists as a function alone, so it cannot say what the code does not.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from mkdocs.structure.files import File, Files  # noqa: E402  # the checkout must be importable first

from docs.reference import (  # noqa: E402
    commands,
    events,
    exit_reasons,
    manifests,
    metrics,
    names,
    rooms,
    routes,
    sdk,
    settings,
    telemetry,
)

GENERATED = {
    "reference/settings.md": settings.page,
    "reference/commands.md": commands.page,
    "reference/http.md": routes.page,
    "reference/events.md": events.page,
    "reference/metrics.md": metrics.page,
    "reference/telemetry.md": telemetry.page,
    "reference/exit-reasons.md": exit_reasons.page,
    "reference/sdk.md": sdk.authors_page,
    "reference/room.md": sdk.room_page,
    "reference/rooms.md": rooms.page,
    "reference/manifests.md": manifests.page,
    "reference/meshagent-names.md": names.page,
}
"""Path of a page below pages/ → what writes the part of it that is made of the code."""

WRITTEN = {"manifest.schema.json": manifests.json_schema}
"""Path of a file of the site → what writes it."""

MARK = "<!-- generated -->"
COPIED = {"reference/changelog.md": "CHANGELOG.md", "explanation/architecture.md": "ARCHITECTURE.md"}
"""Path of a page → the file of the checkout that it shows."""

_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#|mailto:)[^)\s]+\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are files of the checkout."""
    for path, source in COPIED.items():
        files.append(File.generated(config, path, content=copied((ROOT / source).read_text())))
    for path, write in WRITTEN.items():
        files.append(File.generated(config, path, content=write()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put what is made of the code where the page says."""
    write = GENERATED.get(page.file.src_uri)
    if write is None:
        return markdown
    if markdown.count(MARK) != 1:
        raise ValueError(f"{page.file.src_uri} must have one line {MARK}")
    return markdown.replace(MARK, write())


def copied(text: str) -> str:
    """A file of the checkout as a page: links to files that the site does not have become their words."""
    return _LINK.sub(r"\1", text)
