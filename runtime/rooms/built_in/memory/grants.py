"""What a token says of memories: which, and what may be done with each.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def allows_listing(memory: Mapping[str, Any] | None) -> bool:
    """Seeing which memories there are.

    Args:
        memory: The limits of the family; None where the token does not have it.
    """
    return memory is not None and memory.get("list", True) is not False


def allows(memory: Mapping[str, Any] | None, verb: str, name: str, namespace: str) -> bool:
    """Create, drop, inspect, query, upsert, ingest, recall or optimize one memory.

    Args:
        namespace: Its parts, joined by slashes.
    """
    if memory is None:
        return False
    granted = memory.get("memories")
    if granted is None:
        return True
    for one in granted if isinstance(granted, list) else []:
        if not isinstance(one, dict) or one.get("name") != name:
            continue
        within = one.get("namespace")
        if within is not None and within != (namespace.split("/") if namespace else []):
            continue
        permissions = one.get("permissions")
        if not isinstance(permissions, dict) or permissions.get(verb, True) is not False:
            return True
    return False
