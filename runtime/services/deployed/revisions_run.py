"""Which revision of a service a session runs: told by its bundle, and by when it began.

A session goes on with the revision that it began with, whatever is in force.  Two revisions may be of one
bundle, with other variables; then the one that was in force when the session began is its own.  Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from runtime.services.service import Revision
from runtime.session.calls.deployed import bundle_name, digest_of, service_of


class _Since(msgspec.Struct, frozen=True):
    number: int
    bundle: str
    at: float


class RevisionsRun:
    """Those of the services that are bundles, as far as their history is kept."""

    def __init__(self) -> None:
        self._known: dict[str, list[_Since]] = {}

    def learn(self, service: str, history: Sequence[Revision], *, newest_since: float | None = None) -> None:
        """A service has these revisions.

        Args:
            service: Its id.
            newest_since: When the newest one began to serve, in seconds since the epoch; when it was made, if
                that is not said.
        """
        newest = max((one.number for one in history), default=0)
        self._known[service] = [
            _Since(one.number, bundle_name(str(one.spec["metadata"]["name"]), digest), at)
            for one in sorted(history, key=lambda one: one.number, reverse=True)
            if (digest := digest_of((one.spec.get("container") or {}).get("image", ""))) is not None
            for at in [newest_since if newest_since is not None and one.number == newest else one.at]
        ]

    def forget(self, service: str) -> None:
        """It is no more."""
        self._known.pop(service, None)

    def of(self, endpoint: str, bundle: str, began: float | None) -> int:
        """The number of the revision; 0 for a session that is of none, or of one that nobody knows any more.

        Args:
            endpoint: Its path of the server.
            bundle: The name of its bundle.
            began: When its process did, in seconds since the epoch.
        """
        service = service_of(endpoint)
        if service is None or began is None:
            return 0
        same = [one for one in self._known.get(service, ()) if one.bundle == bundle]
        return next((one.number for one in same if one.at <= began), same[-1].number if same else 0)
