"""A node's side of bundles that were sent to a front: fetched, installed, loaded, served.

A front tells all that it wants at once, and what is here becomes that: what is new is loaded, what serves
changes, what nobody wants any more goes.  What fails is tried again, and told to the front with its reason.
Runs in: the node's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from runtime.errors import BundleError, NotFound, RuntimeServiceError
from runtime.logs import get_logger
from runtime.placement.cluster import messages as say
from runtime.placement.cluster.engine.connection import Engine
from runtime.placement.cluster.engine.subjects import Subjects
from runtime.services.deployed.kept_folders import KeptFolders
from runtime.services.deployed.programs import Programs
from runtime.session.calls.deployed import bundle_name, service_of
from runtime.session.info import EndpointInfo
from runtime.tasks import Tasks

MAX_BUNDLES: Final = 500
"""Of each front."""
KEPT_UNWANTED: Final = 5
"""Folders that nobody wants any more stay, the latest ones: for who goes back to one."""
MAX_ARCHIVE_BYTES: Final = 96 << 20
PIECE_S: Final = 20.0
AT_ONCE: Final = 2
"""Bundles that are fetched, installed and loaded at the same time."""
FIRST_RETRY_S: Final = 2.0
MOST_RETRY_S: Final = 60.0
_log = get_logger("node")


class Loads(Programs, Protocol):
    """What runs the programs here (`runtime.supervisor.bundles.served.deployed`)."""

    def rows_of(self, bundle: Any) -> list[EndpointInfo]: ...


class _Installed(msgspec.Struct, eq=False):
    front: str
    wanted: say.Wanted
    state: str = "waiting"
    bundle: Any = None
    error: RuntimeServiceError | None = None
    serves: str = ""
    loading: asyncio.Task[None] | None = None

    def is_like(self, other: say.Wanted) -> bool:
        mine = self.wanted
        return (mine.name, mine.digest, mine.env) == (other.name, other.digest, other.env)


class InstalledBundles:
    """Those of this node.

    Args:
        programs: What runs them.
        folders: Where they are kept.
    """

    def __init__(
        self, programs: Loads, folders: KeptFolders, engine: Engine, *, cluster: str, node: str
    ) -> None:
        self._programs, self._folders, self._engine = programs, folders, engine
        self._subjects, self._node = Subjects(cluster), node
        self._all: dict[str, _Installed] = {}
        self._serving: dict[str, _Installed] = {}
        self._turns: dict[str, tuple[str, int]] = {}
        self.marks: dict[str, str] = {}
        self._disk, self._slots = asyncio.Lock(), asyncio.Semaphore(AT_ONCE)
        self._tasks = Tasks(_log, "node.bundle_task_failed")

    def want(self, ask: say.Want) -> say.Answer:
        """From here on a front wants these, and no others."""
        boot, turn = self._turns.get(ask.front, ("", 0))
        if ask.boot == boot and ask.turn < turn:
            return say.Answer()  # a later one was faster
        self._turns[ask.front] = ask.boot, ask.turn
        if len(ask.bundles) > MAX_BUNDLES:
            return say.Answer(code="too_many", message=f"more than {MAX_BUNDLES} bundles")
        wanted = {one.id for one in ask.bundles}
        others = [one for one in self._of(ask.front) if one.wanted.id not in wanted]
        for wish in ask.bundles:
            one = self._all.get(wish.id)
            if one is None:  # the same of an earlier life of the front has another id
                one = next((other for other in others if other.is_like(wish)), None)
                if one is not None:
                    others.remove(one)
                    del self._all[one.wanted.id]
                else:
                    one = _Installed(ask.front, wish)
                    name = bundle_name(wish.name, wish.digest)
                    one.loading = self._tasks.spawn(self._load(one), f"load {name}")
                self._all[wish.id] = one
            one.wanted = wish
            self._serve(one)
        for one in others:
            if one.serves not in ask.expected:
                self._drop(one)
        self.marks[ask.front] = ask.mark
        return say.Answer()

    def takes(self, path: str, bundle: str) -> bool:
        """Whether a session of a path can be started here, of a bundle of that id; it serves from then on."""
        one = self._all.get(bundle)
        if one is None or one.bundle is None:
            return False
        service = service_of(path) or ""
        if one.wanted.service != service:  # what makes it serve is on its way
            one.wanted = msgspec.structs.replace(one.wanted, service=service)
            self._serve(one)
        return True

    def have(self) -> list[say.Have]:
        """What became of all that is wanted."""
        return [self._have(one) for one in self._all.values()]

    def forget(self, front: str) -> None:
        """A front is gone for good."""
        for one in self._of(front):
            self._drop(one)
        self.marks.pop(front, None)
        self._turns.pop(front, None)

    async def aclose(self) -> None:
        """Load nothing more.  What serves is ended by whoever ends this node's sessions."""
        await self._tasks.aclose()
        idle = [one.bundle for one in self._all.values() if one.bundle is not None and not one.serves]
        await asyncio.gather(*map(self._programs.discard, idle))

    # ---- within

    def _of(self, front: str) -> list[_Installed]:
        return [one for one in self._all.values() if one.front == front]

    def _serve(self, one: _Installed) -> None:
        service = one.wanted.service
        if not service or one.bundle is None or self._serving.get(service) is one:
            return
        if (old := self._serving.get(service)) is not None:
            old.bundle, old.serves = None, ""  # it is closed by who takes its place
        self._serving[service], one.serves = one, service
        self._programs.serve(service, one.bundle)

    def _drop(self, one: _Installed) -> None:
        del self._all[one.wanted.id]
        if one.loading is not None:
            one.loading.cancel()
        if one.serves and self._serving.get(one.serves) is one:
            del self._serving[one.serves]
            self._programs.drop(one.serves)
        elif one.bundle is not None:
            self._tasks.spawn(self._programs.discard(one.bundle), "discard")
        self._tasks.spawn(self._prune(), "prune")

    async def _load(self, one: _Installed) -> None:
        wait_s = FIRST_RETRY_S
        while True:
            try:
                async with self._slots:
                    await self._loaded(one)
            except RuntimeServiceError as error:
                one.state, one.error = "failed", error
                _log.warning("node.bundle_failed", bundle=one.wanted.name, error=str(error)[:500])
            except Exception as error:  # noqa: BLE001 - the front has to hear of it
                one.state, one.error = "failed", BundleError(f"{type(error).__name__}: {error}")
                _log.exception("node.bundle_failed", bundle=one.wanted.name)
            else:
                return
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, MOST_RETRY_S)

    async def _loaded(self, one: _Installed) -> None:
        wanted = one.wanted
        folder = await self._folder(one)
        one.state = "installing"
        await self._programs.prepare(wanted.name, folder, lambda _: None)
        one.state = "loading"
        one.bundle = await self._programs.load(bundle_name(wanted.name, wanted.digest), folder, wanted.env)
        one.state, one.error = "ready", None
        self._serve(one)
        _log.info("node.bundle_loaded", bundle=wanted.name, digest=wanted.digest)
        self._tasks.spawn(self._prune(), "prune")

    async def _folder(self, one: _Installed) -> Path:
        digest = one.wanted.digest
        try:
            return await asyncio.to_thread(self._folders.path, digest)
        except NotFound:
            one.state = "fetching"
        archive = await self._fetched(one.front, digest)
        async with self._disk:
            await asyncio.to_thread(self._folders.keep, archive, expected=digest)
        return await asyncio.to_thread(self._folders.path, digest)

    async def _fetched(self, front: str, digest: str) -> bytes:
        archive = bytearray()
        while True:
            ask = say.encoded(say.Fetch(digest=digest, at=len(archive)))
            data = await self._engine.ask(self._subjects.fetch(front, self._node), ask, PIECE_S)
            answer: say.Answer = say.decoded(say.Answer, data)
            if answer.code:
                raise BundleError(f"it cannot be fetched: {answer.message}", cure=answer.cure)
            piece: say.Piece = say.decoded(say.Piece, answer.body)
            archive += piece.data
            if piece.size > MAX_ARCHIVE_BYTES or (not piece.data and len(archive) < piece.size):
                raise BundleError("it cannot be fetched: what comes is no bundle", cure="Deploy it again.")
            if len(archive) >= piece.size:
                return bytes(archive)

    async def _prune(self) -> None:
        async with self._disk:
            wanted = {one.wanted.digest for one in self._all.values()}
            gone = await asyncio.to_thread(
                self._folders.prune, wanted, self._programs.folders_in_use, latest=KEPT_UNWANTED
            )
        if gone:
            _log.info("node.bundles_pruned", count=len(gone))

    def _have(self, one: _Installed) -> say.Have:
        rows: Iterable[EndpointInfo] = () if one.bundle is None else self._programs.rows_of(one.bundle)
        error = one.error
        return say.Have(
            id=one.wanted.id,
            name=one.wanted.name,
            digest=one.wanted.digest,
            service=one.wanted.service,
            state=one.state,
            endpoints=list(rows),
            code="" if error is None else error.code,
            message="" if error is None else error.message[:2000],
            cure="" if error is None else error.cure[:2000],
            detail="" if error is None else str(getattr(error, "detail", ""))[:20_000],
        )
