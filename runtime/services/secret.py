"""What is known of a secret without its value, and the few rules about it."""

from __future__ import annotations

import json
import shlex
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from runtime.errors import Conflict, InvalidRequest, NotFound

OWNER: Final = "project"
"""Whose the secrets are that belong to the project as a whole."""
ACCOUNT: Final = "default"
"""The service account that there is."""
MAX_SECRETS: Final = 1_000
MAX_VERSIONS: Final = 20
"""Of a secret; older ones are forgotten, but for those that a revision gives to its service."""
MAX_VALUE_BYTES: Final = 64 << 10
MAX_NAME_CHARS: Final = 200
KEYS: Final = "keys"
DOCKER: Final = "docker"
"""Types whose value is a JSON map of texts: variables, and what opens a registry."""


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret without its value.

    Attributes:
        owner: `OWNER`, or a service account.
        type: ``keys``, ``docker``, or whatever its maker says of one text.
        current: Number of the version in force; 0 for none yet.
        versions: All that are kept, the oldest first.
        about: Notes of its maker: ``metadata``, ``annotations``, ``http_only``.
        names: Of the entries of a map, for `KEYS` and `DOCKER`; not their values.
    """

    id: str
    owner: str
    name: str
    type: str
    current: int
    created_at: float
    updated_at: float
    about: Mapping[str, Any] = msgspec.field(default_factory=dict)
    versions: tuple[Version, ...] = ()
    names: tuple[str, ...] = ()


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One value that a secret had, without it."""

    id: str
    number: int
    digest: str
    by: str
    at: float


def found(db: sqlite3.Connection, key: str, owner: str | None = OWNER) -> str:
    """The id of a secret that is named by its id or its name.

    Raises:
        NotFound: There is none.
    """
    row = db.execute(
        "SELECT id FROM secrets WHERE (id = ? OR name = ?) AND owner = IFNULL(?, owner) ORDER BY id = ? DESC",
        (key, key, owner, key),
    ).fetchone()
    if row is None:
        name = key[:MAX_NAME_CHARS]
        raise NotFound(
            f'there is no secret "{name}"', cure=f"Set it first: bulkhead secret set {shlex.quote(name)}"
        )
    return str(row[0])


def in_force(db: sqlite3.Connection) -> list[tuple[str, dict[str, int]]]:
    """The name of each service, and the versions of secrets that it is given now."""
    query = (
        "SELECT s.name, r.secret_versions FROM services s"
        " JOIN revisions r ON r.service_id = s.id AND r.number = s.revision ORDER BY s.name"
    )
    return [(row[0], json.loads(row[1])) for row in db.execute(query)]


def sealed_as(secret_id: str, number: int) -> str:
    """What a value is sealed as: it is worth nothing as another version, or of another secret."""
    return f"secret {secret_id}, version {number}"


def texts_of(value: bytes, type: str) -> set[str]:
    """What must not be shown of a value: all of it, and the texts in a map."""
    text = value.decode("utf-8", "replace")
    texts = {text}
    if type in (KEYS, DOCKER):
        try:
            held = json.loads(text)
        except ValueError:
            held = None
        if isinstance(held, dict):
            texts |= {one for one in held.values() if isinstance(one, str)}
    return texts


def check_name(name: str) -> None:
    """Raises InvalidRequest for a name that nobody can type."""
    if not name.strip() or len(name) > MAX_NAME_CHARS or not name.isprintable():
        cure = f"Give it 1 to {MAX_NAME_CHARS} characters that can be printed."
        raise InvalidRequest("the secret has no usable name", cure=cure)


def taken(name: str) -> Conflict:
    """The error for a name that another secret has."""
    return Conflict(
        f'there is a secret "{name}" already', cure="Give it a new version, or choose another name."
    )
