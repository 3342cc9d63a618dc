"""A manifest mended: edits of its text where a problem brings one along, today's form for a flat one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from runtime.errors import ManifestInvalid
from runtime.wire.manifest.manifest import Manifest, read
from runtime.wire.manifest.problem import Problem
from runtime.wire.manifest.template import is_template, modern, read_template
from runtime.wire.manifest.written import as_yaml

_ROUNDS: Final = 10


class Looked(msgspec.Struct, frozen=True):
    """What a manifest came to.

    Attributes:
        manifest: None when it cannot be used.
        problems: All there is to say of it, in its order.
    """

    manifest: Manifest | None
    problems: tuple[Problem, ...]


def looked_at(text: str, *, creating: bool = False) -> Looked:
    """Read a service or a template without raising."""
    try:
        manifest = read_template(text).manifest if is_template(text) else read(text, creating=creating)
    except ManifestInvalid as error:
        return Looked(None, error.problems)
    return Looked(manifest, manifest.problems)


def mended(text: str) -> tuple[str, bool]:
    """The text with all changes that are sure, if there are any, and whether it was written anew.

    Single values and names are changed in place, with everything around them left as it is.  A flat manifest
    that has no errors (any more) is written anew in the structured form, and loses its comments.
    """
    for _ in range(_ROUNDS):
        looked = looked_at(text)
        edited = _edited(text, looked.problems)
        if edited == text:
            break
        text = edited
    if looked.manifest is None or not looked.manifest.is_flat:
        return text, False
    spec = modern(read_template(text)) if is_template(text) else looked.manifest.spec
    return (text, False) if spec is None else (as_yaml(spec), True)


def _edited(text: str, problems: Iterable[Problem]) -> str:
    lines = text.split("\n")
    # From the end, so that places before a change stay what they are.
    for one in sorted(problems, key=lambda one: (one.line, one.column), reverse=True):
        edit, at = one.edit, one.column - 1
        if edit is not None and one.line <= len(lines):
            line = lines[one.line - 1]
            found = edit.old if line.startswith(edit.old, at) else f'"{edit.old}"'
            if line.startswith(found, at):
                lines[one.line - 1] = line[:at] + edit.new + line[at + len(found) :]
    return "\n".join(lines)
