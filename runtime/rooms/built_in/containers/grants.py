"""What a token lets its participant do with containers, and what it may hand on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.containers.contract import Box
from runtime.errors import PermissionDenied
from runtime.rooms.token import Claims

_FAMILY = "containers"


def check(claims: Claims) -> Mapping[str, Any]:
    """The limits of the family; raises PermissionDenied where the token does not have it."""
    limits = claims.family(_FAMILY)
    if limits is None or limits.get("use_containers", True) is False:
        raise PermissionDenied("the token does not allow containers")
    return limits


def check_starts(claims: Claims) -> None:
    """Raise PermissionDenied where nothing may be fetched, started or run, as it would have a network."""
    check(claims)
    if claims.is_inward:
        raise PermissionDenied(
            "a session without a network, or with a list of hosts, runs no containers, which have one",
            cure="Let somebody else in the room do it, or give the session network='all'.",
        )


def allows_bundles(claims: Claims, reference: str) -> bool:
    """Whether an image that no setting names may be an agent of this server: to run it is to read it."""
    granted = check(claims).get("run")
    return claims.is_admin or (isinstance(granted, list) and allows_image(claims, "run", reference))


def allows_image(claims: Claims, verb: str, reference: str) -> bool:
    """Whether an image may be pulled, or run: by its whole name, or by a beginning that ends in ``*``."""
    granted = check(claims).get(verb)
    if granted is None:
        return True
    return isinstance(granted, list) and any(
        one == reference or (one.endswith("*") and reference.startswith(one[:-1]))
        for one in granted
        if isinstance(one, str)
    )


def check_image(claims: Claims, verb: str, reference: str) -> None:
    """Raise PermissionDenied unless the image may be pulled, or run."""
    if not allows_image(claims, verb, reference):
        raise PermissionDenied(f"the token does not allow to {verb} {reference!r}")


def check_logs(claims: Claims) -> None:
    """Raise PermissionDenied unless logs may be read."""
    if check(claims).get("logs", True) is False:
        raise PermissionDenied("the token does not allow reading logs of containers")


def check_box(claims: Claims, box: Box) -> None:
    """A private container is its starter's: raise PermissionDenied for others but administrators."""
    check(claims)
    if box.private and box.starter.name != claims.name and not claims.is_admin:
        raise PermissionDenied(f"container {box.name!r} is private to {box.starter.name!r}")


def role_of(claims: Claims, wanted: str) -> str:
    """The role of a token for a container; people may dismiss others, so only they hand that on."""
    if wanted == "user" and claims.role != "user" and not claims.is_admin:
        raise PermissionDenied(f"a participant of role {claims.role} hands out no token of role user")
    return wanted


def check_mount(claims: Claims, path: str, *, write: bool) -> None:
    """Raise PermissionDenied unless all of a folder of the room's files may be read, or written."""
    storage = claims.family("storage") or {}
    paths = storage.get("paths")
    inside = [
        one
        for one in (paths if isinstance(paths, list) else [])
        if isinstance(one, dict) and str(one.get("path", "")).strip("/").startswith(path.strip("/"))
    ]
    if not claims.allows_file(path, write=write) or (write and any(one.get("read_only") for one in inside)):
        raise PermissionDenied(
            f"the token does not allow to {'write' if write else 'read'} {path or 'all'!r} of the room",
            cure="Mount a folder that it allows, or read only.",
        )
