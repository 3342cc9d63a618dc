"""``agents.env``: variables that agents see and the server does not.

One ``NAME=value`` a line, with ``export`` before it or not; blank lines and those that begin with ``#`` are
skipped.  Without quotes a value ends at a ``#`` that follows a blank.  Between quotes it may go on over
several lines: between single ones it is taken as it is, between double ones a backslash escapes.  Nothing is
expanded: a ``$`` is a ``$``.  What cannot be read is an error with its line, never a value half right.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from runtime.errors import ConfigError
from runtime.files import plain_file
from runtime.logs import get_logger

NAME: Final = "agents.env"
MAX_BYTES: Final = 256 << 10
MAX_VARIABLES: Final = 1000
FOR_AGENTS: Final = "BULKHEAD_OFFLINE_"
"""How names of ours begin that an agent may see."""

_ASSIGNMENT: Final = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*")
_ENDINGS: Final = {
    "'": re.compile(r"'([^']*)'[ \t]*(?:#[^\n]*)?(?:\n|\Z)"),
    '"': re.compile(r'"((?:[^"\\]|\\.)*)"[ \t]*(?:#[^\n]*)?(?:\n|\Z)', re.DOTALL),
}
_PLAIN: Final = re.compile(r"([^\n]*?)(?:[ \t]+#[^\n]*)?[ \t]*(?:\n|\Z)")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}


def find(named: str, sources: Sequence[Path]) -> Path | None:
    """The file in force: the one named, else ``agents.env`` of this folder, else beside the agents.

    Args:
        named: The setting; empty when nothing is set.
        sources: Files and folders of agents.
    """
    if named:
        return Path(named)
    beside = [source if source.is_dir() else source.parent for source in sources]
    return next((path for folder in (Path(), *beside) if (path := folder / NAME).is_file()), None)


def in_force(named: str, sources: Sequence[Path], *, is_told: bool = False) -> dict[str, str]:
    """The variables of the file in force, as `find` has it; none where there is no file.

    Args:
        is_told: Log which file it is, and the names in it.

    Raises:
        ConfigError: As `read` does.
    """
    path = find(named, sources)
    if path is None:
        return {}
    variables = read(path)
    if is_told:
        get_logger("server").info("server.agents_env_read", file=str(path), variables=sorted(variables))
    return variables


def read(path: Path, *, is_shared: bool = False, judge: plain_file.Judge | None = None) -> dict[str, str]:
    """The variables in a file.

    Args:
        is_shared: As `parse` has it.
        judge: Of a shared one: what there may be against where it really lies.

    Raises:
        ConfigError: It cannot be read, or a line of it is none; says which.
    """
    try:
        if is_shared:  # a bundle's own, whose sessions may have put something else there
            raw = plain_file.read(path, most_bytes=MAX_BYTES, judge=judge)
        else:
            with path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        cure = f"It must be a file that user {os.geteuid()} can read"
        cure += ", or not be there." if is_shared else "; server.agents_env names another."
        raise ConfigError(f"cannot read {path}: {error.strerror}", cure=cure) from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_BYTES >> 10} KiB", cure="Put files beside it instead.")
    try:
        return parse(raw.decode("utf-8-sig"), str(path), is_shared=is_shared)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 (byte {error.start})", cure="Save it as UTF-8.") from error


def parse(text: str, name: str = NAME, *, is_shared: bool = False) -> dict[str, str]:
    """The variables in a text.

    Args:
        name: What errors call it.
        is_shared: Others read it as well, as they do ``.env``.  Settings of the server may stand in it, too,
            and what others would replace (``${NAME}``) is refused: it would be one thing here, another there.
    """
    text = text.replace("\r\n", "\n")
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        line = text[at : len(text) if end < 0 else end]
        if not line.strip() or line.lstrip().startswith("#"):
            at += len(line) + 1
            continue
        where = f"{name}, line {text.count(chr(10), 0, at) + 1}"
        assignment = _ASSIGNMENT.match(text, at)
        if assignment is None:
            # The line itself is not told: it may be a piece of a secret.
            raise ConfigError(f"{where} is no variable", cure="Write NAME=value, or begin it with #.")
        variable = assignment[1]
        if variable.startswith("BULKHEAD_") and not variable.startswith(FOR_AGENTS) and not is_shared:
            cure = "Set it in the server's environment or bulkhead.toml; agents never see it."
            raise ConfigError(f"{where}: {variable} is a setting of the server", cure=cure)
        if variable in found:
            raise ConfigError(f"{where} sets {variable} again", cure="Keep one of the two.")
        if len(found) >= MAX_VARIABLES:
            raise ConfigError(f"{where}: more than {MAX_VARIABLES} variables", cure="Keep fewer.")
        found[variable], at = _value(text, assignment.end(), where, is_shared)
    return found


def _value(text: str, at: int, where: str, is_shared: bool) -> tuple[str, int]:
    quote = text[at : at + 1]
    match = _ENDINGS[quote].match(text, at) if quote in _ENDINGS else _PLAIN.match(text, at)
    if match is None:
        raise ConfigError(
            f"{where}: the value's {quote} is not closed, or something stands behind it",
            cure=f"End it with {quote}, or leave both out.",
        )
    value = match[1]
    if is_shared and "${" in value and quote != "'":
        raise ConfigError(
            f"{where}: ${{…}} is not replaced here",
            cure="Write out what it stands for, or put the value between single quotes to keep it as it is.",
        )
    if quote == '"':
        value = re.sub(r"\\(.)", lambda escaped: _unescaped(escaped[1], where), value, flags=re.DOTALL)
    if "\0" in value:
        raise ConfigError(f"{where}: the value has a NUL in it", cure="No variable can hold that.")
    return value, match.end()


def _unescaped(letter: str, where: str) -> str:
    if letter not in _ESCAPES:
        raise ConfigError(
            f"{where}: \\{letter} means nothing between double quotes",
            cure="Write \\\\ for a backslash, or put the value between single quotes.",
        )
    return _ESCAPES[letter]
