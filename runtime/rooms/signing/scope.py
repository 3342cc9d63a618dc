"""What may be handed on of a token: never more than its participant may do itself.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from runtime.rooms.token import AGENT_DEFAULT, Claims, Scope

OF_NAMES: Final = frozenset({"secrets"})
"""Families in which somebody is known by name: they go to nobody else's."""
_WHOSE: Final = ("name", "database", "table")
_IF_SAID: Final = frozenset({"write", "alter", "drop"})
"""What an entry allows only where it says so."""


def narrowed(claims: Claims, wanted: Mapping[str, Any] | None, *, name: str) -> Scope:
    """The scope of somebody who is called in.

    Args:
        wanted: What it is to have; None is what agents have.
        name: Whose token it will be.
    """
    scope: dict[str, Any] = {}
    for family, limits in (AGENT_DEFAULT if wanted is None else wanted).items():
        own = claims.family(family)
        if own is None or limits is None or (family in OF_NAMES and name != claims.name):
            continue
        scope[family] = _both(own, limits, is_prefix=family == "storage")
    return scope


def _both(own: Any, wanted: Any, *, is_prefix: bool) -> Any:
    """The limits that allow what both of these do."""
    if own is None or wanted is None:
        return wanted if own is None else own
    match own, wanted:
        case Mapping(), Mapping():
            return {
                key: _both(own.get(key), wanted.get(key), is_prefix=is_prefix) for key in {**own, **wanted}
            }
        case list(), list():
            # By pairs and in their order: of limits of paths the first that fits decides.
            pairs = (_pair(one, other, is_prefix) for one in own for other in wanted)
            found: list[Any] = []
            for pair in pairs:
                if pair is not None and pair not in found:
                    found.append(pair)
            return found
        case bool(), bool():
            return own and wanted
    return own if own == wanted else _nothing(own)


def _nothing(own: Any) -> Any:
    """Of two limits that are of different kinds, or of none that is known."""
    return [] if isinstance(own, list) else own if isinstance(own, bool) and not own else False


def _pair(own: Any, wanted: Any, is_prefix: bool) -> Any:
    """What two entries of lists allow together, or None."""
    if isinstance(own, str) and isinstance(wanted, str):
        return _narrower(own, wanted, is_prefix=False)
    if not isinstance(own, Mapping) or not isinstance(wanted, Mapping):
        return None
    if isinstance(own.get("path"), str) and isinstance(wanted.get("path"), str):
        paths = (str(one["path"]).lstrip("/") for one in (own, wanted))
        path = _narrower(*paths, is_prefix=is_prefix)
        read_only = bool(own.get("read_only") or wanted.get("read_only"))
        return None if path is None else {"path": path, "read_only": read_only}
    if any(own.get(key) != wanted.get(key) for key in _WHOSE):
        return None
    spaces = [one["namespace"] for one in (own, wanted) if one.get("namespace") is not None]
    if len(spaces) == 2 and spaces[0] != spaces[1]:
        return None
    both = {key: _both(own.get(key), wanted.get(key), is_prefix=False) for key in {**own, **wanted}}
    for verb in _IF_SAID & both.keys():
        both[verb] = own.get(verb) is True and wanted.get(verb) is True
    return both


def _narrower(one: str, other: str, *, is_prefix: bool) -> str | None:
    """Of two patterns the one that the other covers: a name, or with ``*`` what begins so."""
    for narrow, wide in ((one, other), (other, one)):
        is_open = is_prefix or wide.endswith("*")
        if narrow == wide or (is_open and narrow.removesuffix("*").startswith(wide.removesuffix("*"))):
            return narrow
    return None
