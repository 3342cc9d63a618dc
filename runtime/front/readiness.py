"""Whether calls should be sent here now, and which bundles are broken or still being loaded.

A server is ready when what can be served is served: one bundle that is broken, or takes long, is named and
holds up nobody; a server that serves nothing is not ready, so that a deployment of it fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from runtime.clock import Clock
from runtime.errors import RuntimeServiceError
from runtime.front.http.refusal import Refusal
from runtime.logs import get_logger
from runtime.placement.contract import BundleInfo, Placement
from runtime.session.admission import JOIN_ONE, NO_MACHINE
from runtime.session.info import not_served, served

TOGETHER_S: Final = 5.0
"""How long bundles that are quick to load wait for each other, so that being ready means all of them."""

WAIT_S: Final = 5.0
"""How long a call may wait for the bundle that may come to serve its path."""

RETRY_S: Final = 2
_AGAIN: Final = "Call again in a moment."
_log = get_logger("server")


class Readiness:
    """Runs in: the front's event loop.

    Args:
        sources: Where agents are looked for; empty for a server that is to have none.
    """

    def __init__(self, placement: Placement, sources: Sequence[Path], clock: Clock) -> None:
        self._placement, self._sources, self._clock = placement, tuple(sources), clock
        self._began = clock.now()
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Bundles or their endpoints changed; give as a listener of the placement's changes."""
        self._changed.set()
        self._changed = asyncio.Event()

    def broken(self) -> list[BundleInfo]:
        """Bundles that do not serve, or not the code that is on the disk; each has an error."""
        return [bundle for bundle in self._placement.bundles() if bundle.error]

    def loading(self) -> list[BundleInfo]:
        """Bundles that are being loaded and do not serve yet."""
        return [bundle for bundle in self._placement.bundles() if bundle.state == "loading"]

    def reasons(self, *, details: bool) -> list[str]:
        """Why nothing, or not yet everything, is served; empty when calls may come.

        Args:
            details: With what is wrong, which names files: for operators.
        """
        if self._no_machine():
            return [f"{NO_MACHINE}: {JOIN_ONE}" if details else NO_MACHINE]
        loading = self.loading()
        if served(self._placement.endpoints()):
            late = self._clock.now() - self._began >= TOGETHER_S
            return [] if late else [f"{bundle.name} is being loaded" for bundle in loading]
        found = [f"{bundle.name} is being loaded" for bundle in loading]
        for bundle in self.broken():
            found.append(f"{bundle.name} cannot be loaded" + (f": {bundle.error}" if details else ""))
        if not found and self._sources:
            where = ", ".join(map(str, self._sources)) if details else "its folder"
            found.append(f"there is no agent in {where}: put a main.py there")
        return found

    def named(self, *, details: bool) -> dict[str, str]:
        """The bundles that are broken or being loaded: name -> what is the matter."""
        told = {bundle.name: bundle.state for bundle in self.loading()}
        for bundle in self.broken():
            told[bundle.name] = bundle.error if details else "failed"
        return told

    async def known(self, path: str) -> None:
        """Return when a path is served; a moment is waited for a bundle that may come to serve it.

        Raises:
            Refusal: It is not, but bundles are still being loaded, or no machine is there: to be asked again.
            EndpointNotFound: Nobody will serve it, as things stand.
            BundleImportFailed: The bundle of that name cannot be loaded.
        """
        if self._placement.serves(path):
            return
        try:
            async with asyncio.timeout(WAIT_S):
                while self._placement.awaits(path):
                    await self._changed.wait()
        except TimeoutError:
            again = {"Retry-After": str(RETRY_S)}
            if self._no_machine():
                raise Refusal(
                    "no_resources", f"{NO_MACHINE}. {JOIN_ONE}", headers=again, cure=JOIN_ONE
                ) from None
            loading = [bundle.name for bundle in self.loading()] or ["a bundle"]
            more = f" and {len(loading) - 1} more are" if len(loading) > 1 else " is"
            raise Refusal(
                "bundle_loading",
                f"No agent serves {path[:200]} yet; {loading[0]}{more} still being loaded. {_AGAIN}",
                headers=again,
                cure=_AGAIN,
            ) from None
        if not self._placement.serves(path):
            raise self.unserved(path)

    def _no_machine(self) -> bool:
        return not self._placement.capacity().max_sessions

    def unserved(self, path: str) -> RuntimeServiceError:
        """What to tell of a path that nobody serves now."""
        return not_served(path, self._placement.endpoints())

    def tell(self) -> None:
        """Say in the log what came of loading all bundles for the first time."""
        ready = len(served(self._placement.endpoints()))
        failed = [bundle.name for bundle in self.broken()]
        about: dict[str, Any] = {"endpoints": ready, "load_s": round(self._clock.now() - self._began, 3)}
        if ready or not self._sources:
            _log.info("server.loaded", failed=failed, **about)
            return
        about["failed"] = failed
        _log.error("server.serves_nothing", detail="; ".join(self.reasons(details=True)), **about)
