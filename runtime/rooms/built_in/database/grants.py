"""What a token allows with the tables of a room.  Pure.

The family is called ``database`` up to 0.35 and ``dataset`` later.  It may name tables, each with whether it
is read, written and altered; without, all of it is allowed.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from runtime.errors import PermissionDenied
from runtime.rooms.built_in.tables.catalog import TableName
from runtime.rooms.token import Claims

Verb = Literal["read", "write", "alter"]
VERBS: Final[tuple[Verb, ...]] = ("read", "write", "alter")
_FAMILIES: Final = ("dataset", "database", "datasets")
_UNLESS_SAID: Final = {"read": True, "write": False, "alter": False}
_DOING: Final = {"read": "reading", "write": "writing", "alter": "altering"}


def allows(claims: Claims, name: TableName, verb: Verb) -> bool:
    """Whether a table may be read, its rows written, or the table itself made, altered or dropped."""
    family = _family(claims)
    if family is None:
        return False
    entries = family.get("tables")
    if entries is None:
        return True
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("name") == name.name:
            spaces = entry.get("namespace")
            if spaces is None or tuple(spaces) == name.namespace:
                said = entry.get(verb)
                return _UNLESS_SAID[verb] if said is None else bool(said)
    return False


def need(claims: Claims, name: TableName, verb: Verb) -> None:
    """Raises PermissionDenied where `allows` is False."""
    if not allows(claims, name, verb):
        raise PermissionDenied(f"the token does not allow {_DOING[verb]} table {str(name)!r}")


def need_listing(claims: Claims) -> None:
    """Raises PermissionDenied where the tables may not be listed."""
    family = _family(claims)
    if family is None or family.get("list_tables", True) is False:
        raise PermissionDenied("the token does not allow listing tables")


def _family(claims: Claims) -> Any:
    found = (claims.family(name) for name in _FAMILIES)
    return next((family for family in found if family is not None), None)
