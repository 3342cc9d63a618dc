"""What a token allows with the databases of a room.  Pure."""

from __future__ import annotations

from typing import Any, Final, Literal

from runtime.errors import PermissionDenied
from runtime.rooms.built_in.tables.catalog import TableName
from runtime.rooms.token import Claims

Verb = Literal["create_table", "drop", "inspect", "list_tables", "execute"]
TableVerb = Literal["read", "write", "alter"]
_IF_SAID: Final = frozenset({"drop", "write", "alter"})


def need(claims: Claims, database: TableName, verb: Verb) -> None:
    """Raises PermissionDenied where something may not be done with a database."""
    if not _allows(_entry(claims, database), verb):
        raise PermissionDenied(
            f"the token does not allow to {verb.replace('_', ' ')} database {str(database)!r}"
        )


def need_room(claims: Claims, verb: Literal["create_database", "list_databases"]) -> None:
    """Raises PermissionDenied where databases may not be made, or listed."""
    family = claims.family("sqlite")
    if family is None or family.get(verb, True) is False:
        doing = "making" if verb == "create_database" else "listing"
        raise PermissionDenied(f"the token does not allow {doing} databases")


def is_listed(claims: Claims, database: TableName) -> bool:
    """Whether a database is one of those that the token is about."""
    return _entry(claims, database) is not None


def is_whole(claims: Claims, database: TableName) -> bool:
    """Whether all tables of a database may be used in every way."""
    entry = _entry(claims, database)
    return entry is not None and entry.get("tables") is None


def allows_table(claims: Claims, database: TableName, table: str, verb: TableVerb) -> bool:
    """Whether a table may be read, its rows be changed, or the table itself."""
    entry = _entry(claims, database)
    if entry is None:
        return False
    tables = entry.get("tables")
    if tables is None:
        return True
    for one in tables if isinstance(tables, list) else []:
        if isinstance(one, dict) and table.lower() == str(one.get("table", one.get("name"))).lower():
            return _allows(one, verb)
    return False


def _entry(claims: Claims, database: TableName) -> dict[str, Any] | None:
    family = claims.family("sqlite")
    if family is None:
        return None
    entries = family.get("databases")
    if entries is None:
        return {"drop": True}
    for one in entries if isinstance(entries, list) else []:
        if isinstance(one, dict) and one.get("name") == database.name:
            spaces = one.get("namespace")
            if spaces is None or tuple(spaces) == database.namespace:
                return one
    return None


def _allows(entry: dict[str, Any] | None, verb: str) -> bool:
    if entry is None:
        return False
    said = entry.get(verb)
    return verb not in _IF_SAID if said is None else said is True
