"""Which bundle serves which path, when several want the same.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from runtime.errors import EndpointConflict
from runtime.session.calls.deployed import BASE
from runtime.wire.manifest.own import RESERVED, reserved_by


class Claim(msgspec.Struct, frozen=True):
    """What a bundle wants to serve."""

    bundle: str
    source: str
    paths: tuple[str, ...]


def settle(claims: Iterable[Claim]) -> tuple[Mapping[str, str], Mapping[str, EndpointConflict]]:
    """Give each path to one bundle.

    Claims are heard in the order given; a bundle that claims a path which is taken, or which the server
    keeps for itself, gets none of its paths.

    Returns:
        path -> bundle, and bundle -> why it may not serve.
    """
    owners: dict[str, Claim] = {}
    refused: dict[str, EndpointConflict] = {}
    for claim in claims:
        error = _fault(claim, owners)
        if error is not None:
            refused[claim.bundle] = error
        else:
            owners.update(dict.fromkeys(claim.paths, claim))
    return {path: claim.bundle for path, claim in owners.items()}, refused


def _fault(claim: Claim, owners: Mapping[str, Claim]) -> EndpointConflict | None:
    for path in claim.paths:
        if path in owners:
            return EndpointConflict(
                f"{path} is claimed by both {owners[path].source} and {claim.source}",
                cure="Give one of them another path.",
            )
        if path == BASE or path.startswith(f"{BASE}/"):
            return EndpointConflict(
                f"{claim.source} claims {path}, but the server keeps {BASE} for bundles that are sent to it",
                cure="Give the endpoint another path.",
            )
        if (kept := reserved_by(path)) is not None:
            return EndpointConflict(
                f"{claim.source} claims {path}, but the server keeps {kept} for {RESERVED[kept]}",
                cure="Give the endpoint another path.",
            )
    return None
