"""How bundles that were sent to a server are named: as images, by their digest, and by paths of their own.

A bundle is kept by the digest of what is in it, and is the image ``bulkhead.deployed/NAME@sha256:DIGEST`` of
a service.  What it serves at ``/chat`` the server has at ``/deployed/SERVICE/chat``, so that it is in
nobody's way, and its newest revision is found where the older ones were.
"""

from __future__ import annotations

import re
from typing import Final

BASE: Final = "/deployed"
REGISTRY: Final = "bulkhead.deployed"
_REFERENCE: Final = re.compile(rf"{re.escape(REGISTRY)}/[^@]*@sha256:([0-9a-f]{{64}})")
_PATH: Final = re.compile(rf"{BASE}/([^/]+)(/.*)")


def reference(name: str, digest: str) -> str:
    """The image of a service.

    Args:
        digest: In hexadecimal digits.
    """
    return f"{REGISTRY}/{name}@sha256:{digest}"


def digest_of(image: str) -> str | None:
    """The digest in such an image; None for any other image."""
    found = _REFERENCE.fullmatch(image)
    return None if found is None else found[1]


def path_of(service: str, path: str) -> str:
    """Where the server has what a bundle serves at a path."""
    return f"{BASE}/{service}{path}"


def service_of(path: str) -> str | None:
    """Whose path of the server it is, by the service's id; None for a path of any other bundle."""
    found = _PATH.fullmatch(path)
    return None if found is None else found[1]


def own_path(path: str) -> str:
    """The same path as the bundle declares it; that of any other bundle is its own."""
    found = _PATH.fullmatch(path)
    return path if found is None else found[2]


def bundle_name(service: str, digest: str) -> str:
    """The name of such a bundle as the server and its nodes have it, ``NAME@DIGEST``.

    Args:
        service: The name of its service.
        digest: Of which its first digits are enough there.
    """
    return f"{service}@{digest[:8]}"


def told_path(path: str, bundle: str) -> str:
    """A path as people are told it: of a bundle that was sent, with the name of its service for the id.

    Args:
        bundle: Its `bundle_name`.
    """
    found = _PATH.fullmatch(path)
    return path if found is None else f"{bundle.partition('@')[0]}{found[2]}"
