"""The local project: an id, an API key and a default room, in one file that only its owner can read."""

from __future__ import annotations

import json
import os
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from runtime.cli.failure import CommandFailed
from runtime.files import kept_file
from runtime.rooms.token import ApiKey


@dataclass(frozen=True, slots=True)
class Project:
    """What ``project.json`` holds."""

    project_id: str
    api_key: str = field(repr=False)
    room: str


def path() -> Path:
    """``$XDG_CONFIG_HOME/bulkhead/project.json``, usually below ``~/.config``."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "bulkhead" / "project.json"


def load() -> Project | None:
    """The project of this user, or None before ``bulkhead setup``.

    Raises:
        CommandFailed: The file is there and cannot be used.
    """
    file = path()
    try:
        held = json.loads(file.read_text())
        return Project(str(held["project_id"]), str(held["api_key"]), str(held["room"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        cure = "Mend it, or move it away and run `bulkhead setup`."
        raise CommandFailed(f"{file} cannot be used: {error}", cure=cure) from error


def create(room: str) -> Project:
    """Make and store a project.  Two at once: the first one's file stays and is returned to both."""
    project_id = str(uuid.uuid4())
    key = ApiKey(str(uuid.uuid4()), project_id, secrets.token_urlsafe(32))
    made = Project(project_id, key.format(), room)
    file = path()
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept_file.make(file, json.dumps(asdict(made), indent=2) + "\n")
    except FileExistsError:
        return load() or made
    except OSError as error:
        cure = "Make the folder writable, or set XDG_CONFIG_HOME."
        raise CommandFailed(f"cannot write {file}: {error.strerror}", cure=cure) from error
    return made


def with_key(env: Mapping[str, str]) -> dict[str, str]:
    """The environment for a server: with the project's key, unless another one is set or there is no project.

    In the environment, because the arguments of a process are there for everybody to read.
    """
    names = [f"{name}{more}" for name in ("BULKHEAD_API_KEY", "MESHAGENT_API_KEY") for more in ("", "_FILE")]
    found = None if any(env.get(name) for name in names) else load()
    return {**env, "MESHAGENT_API_KEY": found.api_key} if found is not None else dict(env)


def masked(secret: str) -> str:
    """Enough of a secret to recognise it."""
    return f"{secret[:3]}…{secret[-4:]}" if len(secret) > 12 else "•••"
