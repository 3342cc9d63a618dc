"""Bundles that were sent here: each revision is a bundle of its own, and the newest serves.

One is loaded beside the one that serves, and takes its place only when it is up; sessions of the older one
live on, as they do when a bundle is loaded again.  Nothing of them is looked for or watched on the disk.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from runtime.errors import BundleError, BundleImportFailed, BundleNotFound, RuntimeServiceError
from runtime.logs import get_logger
from runtime.process.worker_process import WorkerProcess
from runtime.session.calls.deployed import own_path, path_of, service_of
from runtime.session.info import BundleInfo, EndpointInfo
from runtime.supervisor.bundles.bundle import Bundle
from runtime.supervisor.bundles.environment import environment_of
from runtime.supervisor.bundles.installation import install
from runtime.tasks import Tasks

Make = Callable[[str, Path, Mapping[str, str]], Bundle]
Rows = Callable[[Bundle], list[EndpointInfo]]
_log = get_logger("supervisor")
_CURES: Final = (
    (re.compile(r", and run: bulkhead bundle install\b.*"), ", and deploy it again."),
    (re.compile(r"Run: bulkhead bundle install\b.*"), "Deploy it again."),
    (re.compile(r"Mend that line\b.*"), "Mend that line, and deploy it again."),
)
"""What is said to whoever has the files beside the server, and what instead to who sent them."""


class Deployed:
    """Runs in: the front's event loop.  A service's id says whose bundle one is.

    Args:
        make: A bundle that is not loaded yet, with variables beside those of all.
        rows: Its endpoints.
        environments: The folder with the environments that bundles have of their own.
        is_held: Installations are held as bundles are.
        changed: Called when one came or went.
    """

    def __init__(
        self,
        make: Make,
        rows: Rows,
        *,
        environments: Path,
        is_held: bool,
        changed: Callable[[], None],
    ) -> None:
        self._make, self._rows = make, rows
        self._environments, self._is_held, self._changed = environments, is_held, changed
        self._serving: dict[str, Bundle] = {}
        self._expected: set[str] = set()
        self._used: Counter[Path] = Counter()
        self._closing = Tasks(_log, "bundle.task_failed")

    # ---- coming and going

    async def prepare(self, name: str, folder: Path, say: Callable[[str], None]) -> None:
        """Make the environment that a bundle asks for, unless there is one.

        Args:
            say: Called in a thread, for each line of progress.

        Raises:
            BundleError: It cannot be made.
        """
        await asyncio.to_thread(self._prepare, name, folder, say)

    async def load(
        self, name: str, folder: Path, env: Mapping[str, str], recorded: Mapping[str, Any] | None = None
    ) -> Bundle:
        """Run a bundle's program, beside what serves; see `serve`.

        Args:
            env: Its variables beside those of all bundles.
            recorded: Not needed: what a bundle declares is read here.

        Raises:
            RuntimeServiceError: What is in the way, with the traceback of its import if it was that.
        """
        bundle = self._make(name, folder, env)
        try:
            await bundle.load_soon()
            if bundle.error is not None:
                raise told_to_sender(bundle.error, name.partition("@")[0], folder)
        except BaseException:
            await bundle.close()
            raise
        return bundle

    def serve(self, service: str, bundle: Bundle) -> None:
        """From here on new sessions of a service are of this bundle, which `load` gave."""
        old, self._serving[service] = self._serving.get(service), bundle
        self._expected.discard(service)
        if old is not None:
            self._closing.spawn(old.close(), f"bundle:{old.name}:close")
        self._changed()

    def expect(self, service: str) -> None:
        """It will serve soon: calls of its paths wait for it."""
        if service not in self._serving:
            self._expected.add(service)

    def drop(self, service: str) -> None:
        """Serve it no more, and expect it no more; its sessions live on."""
        self._expected.discard(service)
        bundle = self._serving.pop(service, None)
        if bundle is not None:
            self._closing.spawn(bundle.close(), f"bundle:{bundle.name}:close")
            self._changed()

    async def discard(self, bundle: Bundle) -> None:
        """End a bundle that is not to serve after all."""
        await bundle.close()

    async def close(self) -> None:
        """End every zygote and what is parked; sessions live on."""
        await asyncio.gather(*(bundle.close() for bundle in self._serving.values()))
        await self._closing.settle()

    # ---- what there is

    @property
    def folders_in_use(self) -> set[Path]:
        """Those of bundles that serve, or of which sessions live."""
        return {bundle.source for bundle in self._serving.values()} | set(+self._used)

    def infos(self) -> list[BundleInfo]:
        return [bundle.info() for bundle in self._serving.values()]

    def endpoints(self) -> list[EndpointInfo]:
        """Every endpoint, at its path of the server."""
        return [
            replace(row, path=path_of(service, row.path))
            for service, bundle in self._serving.items()
            for row in self.rows_of(bundle)
        ]

    def rows_of(self, bundle: Bundle) -> list[EndpointInfo]:
        """The endpoints of a bundle that `load` gave, as it declares them."""
        return [row for row in self._rows(bundle) if row.path]

    def bundle_at(self, path: str) -> Bundle | None:
        """The bundle that serves a path of the server."""
        bundle = self._serving.get(service_of(path) or "")
        if bundle is None:
            return None
        own = own_path(path)
        return bundle if any(one.path == own for one in bundle.endpoints) else None

    def awaits(self, path: str) -> bool:
        """Whether nobody serves a path, but a bundle that is expected may come to."""
        return (service_of(path) or "") in self._expected

    async def take(self, path: str) -> tuple[WorkerProcess, bool]:
        """A worker of what serves a path now; see `Bundle.take`."""
        while True:
            bundle = self.bundle_at(path)
            if bundle is None:
                raise BundleNotFound(f"nothing serves {path} any more", cure="Deploy it again.")
            try:
                return await bundle.take(own_path(path))
            except RuntimeServiceError:
                if self.bundle_at(path) is bundle:
                    raise  # else a newer one took its place meanwhile

    @contextmanager
    def used(self, bundle: Bundle) -> Iterator[None]:
        """While a session of it lives, which may import more of its code."""
        self._used[bundle.source] += 1
        try:
            yield
        finally:
            self._used[bundle.source] -= 1

    # ---- within

    def _prepare(self, name: str, folder: Path, say: Callable[[str], None]) -> None:
        environment = environment_of(name, folder, self._environments)
        if environment is None:
            return
        if environment.state() == "ready":
            if (stamp := environment.stamp()) is not None:
                with suppress(OSError):  # it is kept as long as the folder that it names
                    replace(stamp, bundle=str(folder.resolve())).write(environment.folder)
            say("its environment is there already")
            return
        try:
            install(environment, os.environ, say, is_held=self._is_held)
        except BundleError as error:
            raise told_to_sender(error, name, folder) from None


def told_to_sender(error: RuntimeServiceError, name: str, folder: Path) -> RuntimeServiceError:
    """The same for who sent it: files by its name, not by where they are kept, and a cure of theirs."""
    error.message = error.message.replace(f"{folder}/", f"{name}/")
    error.cure = error.cure.replace(f"{folder}/", f"{name}/")
    for said, instead in _CURES:
        error.cure = said.sub(instead, error.cure)
    if isinstance(error, BundleImportFailed):
        error.detail = error.detail.replace(f"{folder}/", f"{name}/")
    return error
