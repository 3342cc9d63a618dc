"""A front's side of bundles that were sent to it: which ones its nodes are to have.  Runs in: its event loop.

What is wanted is one list, told whole; a node that says in its beat that it knows another one is told again.
So a node that joins late, or begins another life, gets all of it, and nothing that is lost needs to be known.
A bundle that is new is wanted beside what serves, and serves once every node has it that can: it is a
service's from then on, and a call of that goes only to nodes that said that they loaded that very bundle.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from runtime.errors import BundleError, BundleImportFailed, EndpointNotFound
from runtime.logs import get_logger
from runtime.placement.cluster import messages as say
from runtime.placement.cluster.engine.connection import NoAnswer, NobodyThere
from runtime.placement.cluster.engine.rates import FETCHES
from runtime.placement.cluster.follower import ASK_AGAIN_S, Follower
from runtime.placement.cluster.nodes import Node
from runtime.placement.cluster.sent.packed import Archives
from runtime.placement.cluster.sent.sent_bundle import SentBundle
from runtime.services.deployed.programs import Recorded
from runtime.session.calls.deployed import path_of, service_of
from runtime.session.info import EndpointInfo

JOIN_S: Final = 120.0
"""How long is waited for a node that could load a bundle."""
LOAD_S: Final = 900.0
"""And for all of them to install and load it: those that have not by then get it later."""
_OTHERWISE: Final = {
    "message": "it declares other endpoints, identities or permissions than were deployed",
    "cure": "It runs other code, or what it declares depends on its machine: nothing of it is started there.",
}
_log = get_logger("cluster")


class SentBundles:
    """A `runtime.services.deployed.programs.Programs` whose sessions run on nodes.

    Args:
        changed: Called when what is served may have changed.
    """

    def __init__(self, follower: Follower, changed: Callable[[], None]) -> None:
        self._follower, self._changed = follower, changed
        self._all: dict[str, SentBundle] = {}
        self._serving: dict[str, SentBundle] = {}
        self._expected: set[str] = set()
        self._says: dict[Path, Callable[[str], None]] = {}
        self._mark = ""
        self._telling: set[str] = set()
        self._news = asyncio.Event()
        self._archives = Archives(lambda: {one.digest: one.folder for one in self._all.values()})
        follower.beaten.append(self._beaten)
        follower.wanted = self._all

    async def start(self) -> None:
        """Have nodes fetch what is wanted."""
        subject = partial(self._follower.subjects.fetch, self._follower.front)
        await self._follower.hearing.listen(subject, self._archives.asked, FETCHES, in_order=False)

    # ---- what deployments ask

    @property
    def folders_in_use(self) -> set[Path]:
        return {one.folder for one in self._all.values()}

    async def prepare(self, name: str, folder: Path, say: Callable[[str], None]) -> None:
        """Wait for a node that could load it.

        Raises:
            BundleError: There is none.
        """
        is_told = False
        try:
            async with asyncio.timeout(JOIN_S):
                while not (there := self._takers()):
                    if not is_told:
                        say("no machine is there that could load it: it waits for one")
                        is_told = True
                    await self._look()
        except TimeoutError:
            raise BundleError(
                f"no machine is there that could load {name}",
                cure="Let one join (bulkhead nodes token); containers.deploy must be true there.",
            ) from None
        say(f"it is for {', '.join(sorted(there)[:20])}")
        self._says[folder] = say

    async def load(
        self, name: str, folder: Path, env: Mapping[str, str], recorded: Recorded | None = None
    ) -> SentBundle:
        """Have every node load it, beside what serves; see `serve`.

        Args:
            recorded: What was written down of its endpoints; None where nothing is yet.

        Raises:
            RuntimeServiceError: What is in the way, where no node could, or where they do not agree.
        """
        one = SentBundle(secrets.token_hex(8), name.partition("@")[0], folder, dict(env), recorded or None)
        self._all[one.id] = one
        self._tell()
        try:
            await self._everywhere(one, self._says.pop(folder, lambda _: None))
        except BaseException:
            await self.discard(one)
            raise
        one.is_loaded = True
        return one

    def serve(self, service: str, bundle: SentBundle) -> None:
        """From here on new sessions of a service are of this bundle."""
        old, self._serving[service] = self._serving.get(service), bundle
        self._expected.discard(service)
        bundle.service = service
        if old is not None and old is not bundle:
            self._all.pop(old.id, None)
        self._tell()
        self._changed()

    def expect(self, service: str) -> None:
        """It will serve soon: calls of its paths wait, and nodes that have it from before keep it."""
        if service not in self._serving:
            self._expected.add(service)
            self._tell()

    def drop(self, service: str) -> None:
        """Serve it no more; its sessions live on."""
        self._expected.discard(service)
        if (bundle := self._serving.pop(service, None)) is not None:
            self._all.pop(bundle.id, None)
            self._changed()
        self._tell()

    async def discard(self, bundle: SentBundle) -> None:
        """Nobody wants it after all."""
        if self._all.pop(bundle.id, None) is not None:
            self._tell()

    # ---- what the placement asks

    def endpoints(self) -> list[EndpointInfo]:
        """Every endpoint, at its path of the server."""
        found = []
        for service, one in self._serving.items():
            state = "ready" if self._is_there(one) else "loading"
            found += [replace(row, path=path_of(service, row.path), state=state) for row in one.endpoints]
        return found

    def serves(self, path: str) -> bool:
        """Whether a path of the server is one of a bundle that is served."""
        one = self._serving.get(service_of(path) or "")
        return one is not None and any(path_of(one.service, row.path) == path for row in one.endpoints)

    def awaits(self, path: str) -> bool:
        """Whether no node has what serves a path, but one will."""
        service = service_of(path) or ""
        one = self._serving.get(service)
        return service in self._expected if one is None else self.serves(path) and not self._is_there(one)

    def at(self, path: str) -> str:
        """The id of the bundle that a session of a path has to be of; empty for other bundles than these.

        Raises:
            EndpointNotFound: None serves it any more.
        """
        if (service := service_of(path)) is None:
            return ""
        if not self.serves(path):
            raise EndpointNotFound(f"nothing serves {path} any more", cure="Deploy it again.")
        return self._serving[service].id

    # ---- what nodes are told, and say

    def looked(self) -> None:
        """Nodes came, went, or said what they serve."""
        self._news.set()

    def _tell(self) -> None:
        self._mark = secrets.token_hex(8)
        for name, node in self._follower.nodes.items():
            if node.beat.wants is not None:  # their variables are for those alone that could load them
                self._follower.spawn(self._told(name), f"bundles of {name}")

    def _beaten(self, name: str, node: Node) -> None:
        wants = node.beat.wants
        knows = wants is None or wants.get(self._follower.front) == self._mark
        if self._mark and not knows and name not in self._telling:
            self._follower.spawn(self._told(name), f"bundles of {name}")
        if node.judged is not node.served:
            for one in self._all.values():
                self._has(node, one)
            node.judged = node.served
        self._news.set()

    async def _told(self, name: str) -> None:
        wanted = [
            say.Wanted(id=one.id, name=one.name, digest=one.digest, service=one.service, env=dict(one.env))
            for one in self._all.values()
        ]
        ask = say.Want(
            front=self._follower.front,
            turn=self._follower.next_turn(),
            mark=self._mark,
            bundles=wanted,
            expected=sorted(self._expected),
            boot=self._follower.boot,
        )
        self._telling.add(name)
        try:
            answer = await self._follower.ask(name, ask)
            if answer.code:
                _log.warning("node.wants_no_bundles", node_id=name, error=answer.message)
        except (NobodyThere, NoAnswer) as error:
            _log.info("node.bundles_not_told", node_id=name, error=error.message)  # beats ask again
        finally:  # its beats may say as often as they like that it knows another list
            asyncio.get_running_loop().call_later(ASK_AGAIN_S, self._telling.discard, name)

    # ---- loading

    async def _everywhere(self, one: SentBundle, tell: Callable[[str], None]) -> None:
        """Return once no node that could load it is left that has not tried, and one has it."""
        told: dict[str, str] = {}
        try:
            async with asyncio.timeout(LOAD_S):
                while True:
                    said = {name: node.has(one.id) for name, node in self._takers().items()}
                    one.take({name: have for name, have in said.items() if have and have.state == "ready"})
                    found = dict(self._found(one))
                    for name, have in found.items():
                        state = "waiting" if have is None else have.state
                        if told.get(name) != state and state != "waiting":
                            told[name] = state
                            tell(f"{name}: {state}{_why(have)}")
                    ready = [have for have in found.values() if have is not None and have.state == "ready"]
                    failed = [have for have in found.values() if have is not None and have.code]
                    if ready and len(ready) + len(failed) == len(found):
                        return
                    if failed and len(failed) == len(found):
                        raise _error_of(failed[0])
                    await self._look()
        except TimeoutError:
            if not one.endpoints:
                raise BundleError(
                    f"no machine has loaded {one.name} within {LOAD_S:g} s", cure="Look at their logs."
                ) from None

    def _found(self, one: SentBundle) -> Iterator[tuple[str, say.Have | None]]:
        for name, node in self._takers().items():
            yield name, self._has(node, one)

    def is_on(self, node: Node, bundle: str) -> bool:
        """Whether sessions of a bundle can be started on a node."""
        one = self._all.get(bundle)
        return one is not None and self._is_on(node, one)

    def _is_on(self, node: Node, one: SentBundle) -> bool:
        return (have := self._has(node, one)) is not None and have.state == "ready"

    def _has(self, node: Node, one: SentBundle) -> say.Have | None:
        have, before = node.has(one.id), one.declared
        if have is not None and have.state == "ready" and not one.believes(node.beat.node, have):
            have = replace(have, state="failed", code="declares_otherwise", **_OTHERWISE)
            node.refuses(have)
        if one.declared is not before:  # those that were believed before it are looked at again
            for other in self._follower.there():
                self._has(other, one)
        return have

    def _is_there(self, one: SentBundle) -> bool:
        return any(self._is_on(node, one) for node in self._follower.there())

    def _takers(self) -> dict[str, Node]:
        """The nodes that could load something, also those that are not heard for a moment."""
        drained = self._follower.memory.drained
        there = [one for one in self._follower.there() if not one.beat.draining]
        return {
            one.beat.node: one for one in there if one.beat.wants is not None and one.beat.node not in drained
        }

    async def _look(self) -> None:
        self._news.clear()
        await self._news.wait()


def _why(have: say.Have | None) -> str:
    return f" ({have.message})" if have is not None and have.message else ""


def _error_of(have: say.Have) -> BundleError:
    if have.code != BundleImportFailed.code:
        return BundleError(have.message, cure=have.cure)
    more: dict[str, Any] = {"detail": have.detail}
    return BundleImportFailed(have.message, cure=have.cure, **more)
