"""Services that are bundles: sent here, kept by their digests, loaded beside what serves, and switched to.

Nothing is switched before it is known to load.  A service's sessions are this server's own, each a process of
its own; those of an older revision go on with it, and only new ones are of the newest.  What is to serve is
what the store says is in force, so that a server that is started again serves the same.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import msgspec

from runtime.errors import Conflict, NotFound, RuntimeServiceError, StoreFull
from runtime.logs import get_logger
from runtime.services.deployed.deployment import Deployment
from runtime.services.deployed.given import manifest, recorded, variables
from runtime.services.deployed.kept_folders import KeptFolders
from runtime.services.deployed.programs import Programs, Recorded, Sessions
from runtime.services.deployed.revisions_run import RevisionsRun
from runtime.services.service import Revision, Service, Spec
from runtime.services.store import Store
from runtime.session.calls.deployed import bundle_name, digest_of, path_of
from runtime.tasks import Tasks

KEPT_REVISIONS: Final = 10
"""Of each service: the bundles of so many of its latest revisions are kept."""
MAX_REMEMBERED: Final = 20
MAX_UNDER_WAY: Final = 4
_log = get_logger("deployments")


class Candidate(msgspec.Struct, frozen=True):
    """A bundle that is loaded, and serves nobody yet."""

    bundle: Any
    digest: str
    env: Mapping[str, str]


class _Served(msgspec.Struct, frozen=True):
    revision: int
    digest: str
    env: Mapping[str, str]


class Deployments:
    """Runs in: the front's event loop.

    Attributes:
        sessions: Those of its services; set before `start`, as the others.
        base_url: Where this server reaches itself.
        revisions: Which one a session runs.
        changed: Called when services of a room, or of the project (an empty text), changed.
        anew: Called to have a service's sessions end where rooms are open, and be called anew.
    """

    def __init__(self, programs: Programs, folders: KeptFolders, store: Store) -> None:
        self._programs, self._folders, self._store = programs, folders, store
        self.sessions: Sessions | None = None
        self.base_url = ""
        self.revisions = RevisionsRun()
        self.changed: Callable[[str], None] = lambda _: None
        self.anew: Callable[[Service], Coroutine[Any, Any, None]] | None = None
        self._served: dict[str, _Served] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._deployments: OrderedDict[str, Deployment] = OrderedDict()
        self._disk = asyncio.Lock()
        self._tasks = Tasks(_log, "deployments.task_failed")

    # ---- what serves

    async def start(self) -> None:
        """Begin to load what is in force."""
        services = await self._in_force()
        for service in services:
            self._programs.expect(service.id)
            self._tasks.spawn(self._try(service), "load")
        self._tasks.spawn(self._prune(), "prune")

    def look(self) -> None:
        """Services may have changed: begin to load what came, and serve no more what is gone."""
        self._tasks.spawn(self._look(), "look")

    async def ready(self, service: Service) -> None:
        """Return once the newest revision of a service serves.

        Raises:
            RuntimeServiceError: What is in the way; an older revision may serve on.
        """
        async with self._turn(service.id):
            newest = await self._store.services.get(service.id)
            served = self._served.get(service.id)
            if served is not None and served.revision == newest.revision:
                return
            digest = _digest(newest.spec)
            versions = await self._store.services.secret_versions(newest.id, newest.revision)
            env = await variables(newest.spec, self._store, versions)
            if served is not None and (served.digest, served.env) == (digest, env):
                self._served[service.id] = _Served(newest.revision, digest, env)
                await self._learn(service.id)
                return
            candidate = await self._candidate(newest.name, digest, env, known=recorded(newest.spec))
            await self._switch(newest, candidate)

    async def tried(self, service: Service, revision: Revision) -> Candidate:
        """An earlier revision of a service, loaded beside what serves; see `rolled_back`.

        Raises:
            RuntimeServiceError: It does not load any more.
        """
        env = await variables(revision.spec, self._store, revision.secret_versions)
        known = recorded(revision.spec)
        return await self._candidate(service.name, _digest(revision.spec), env, known=known)

    async def rolled_back(
        self, candidate: Candidate, change: Callable[[], Coroutine[Any, Any, Service]]
    ) -> Service:
        """Make a change of the store by which a candidate is in force, and have it serve."""
        try:
            service = await change()
        except BaseException:
            await self._programs.discard(candidate.bundle)
            raise
        async with self._turn(service.id):
            await self._switch(service, candidate)
        return service

    def url(self, service: str, path: str) -> str:
        """Where this server reaches an endpoint of a service."""
        return self.base_url + path_of(service, path)

    # ---- their sessions

    def runs(self, service: Service, path: str, room: str) -> bool:
        """Whether a session of an endpoint is in a room, or about to be."""
        where = path_of(service.id, path)
        return self.sessions is not None and self.sessions.count(service.id, room, where) > 0

    def going_on(self, service: Service) -> int:
        """How many sessions of a service run other code than it has now, in all rooms."""
        own = bundle_name(service.name, _digest(service.spec))
        return 0 if self.sessions is None else self.sessions.count(service.id, besides=own)

    async def end(self, service: Service, room: str) -> None:
        """End the sessions of a service in a room; return once they have."""
        if self.sessions is not None:
            await self.sessions.end(service.id, room)

    async def log(self, service: Service, room: str, *, previous: bool) -> list[str]:
        """What those in a room wrote; with `previous`, what those did that have ended."""
        return [] if self.sessions is None else await self.sessions.log(service.id, room, previous=previous)

    # ---- deployments

    def open(
        self, name: str, room: str, environment: list[dict[str, Any]] | None, *, now: bool, by: str
    ) -> Deployment:
        """Expect a bundle; see `begin`.

        Raises:
            StoreFull: There are `MAX_UNDER_WAY` already.
        """
        if sum(not one.is_over for one in self._deployments.values()) >= MAX_UNDER_WAY:
            waiting = next((one for one in self._deployments.values() if one.state == "waiting"), None)
            if waiting is None:
                raise StoreFull(f"{MAX_UNDER_WAY} deployments are under way", cure="Try again in a moment.")
            del self._deployments[waiting.id]
        one = Deployment(secrets.token_hex(8), name, room, environment, now, by)
        self._deployments[one.id] = one
        while len(self._deployments) > MAX_REMEMBERED:
            del self._deployments[next(found.id for found in self._deployments.values() if found.is_over)]
        return one

    def begin(self, one: Deployment, archive: bytes) -> None:
        """Take what was sent for a deployment; how it goes is told by itself.

        Raises:
            Conflict: It was sent already, or another of the same service is under way.
        """
        if one.state != "waiting":
            raise Conflict("this deployment has its bundle already", cure="Begin another.")
        for other in self._deployments.values():
            is_same = (other.name, other.room) == (one.name, one.room)
            if other is not one and is_same and not other.is_over and other.state != "waiting":
                raise Conflict(
                    f"another deployment of {one.name} is under way", cure="Wait for its end, and try again."
                )
        one.becomes("checking")
        self._tasks.spawn(self._deploy(one, archive), "deploy")

    def get(self, deployment: str) -> Deployment:
        """Raises NotFound for one that is not remembered."""
        found = self._deployments.get(deployment)
        if found is None:
            raise NotFound("there is no such deployment", cure="The services tell what is in force.")
        return found

    def listed(self) -> list[Deployment]:
        """The newest first."""
        return list(reversed(self._deployments.values()))

    async def aclose(self) -> None:
        await self._tasks.aclose()

    # ---- within

    async def _deploy(self, one: Deployment, archive: bytes) -> None:
        try:
            await self._deployed(one, archive)
        except RuntimeServiceError as error:
            one.fails(error)
            _log.warning("deployment.refused", service=one.name, room=one.room, error=str(error)[:500])
        except Exception as error:  # noqa: BLE001 - whoever waits for it has to hear of it
            _log.exception("deployment.failed", service=one.name, room=one.room)
            one.fails(error)
        finally:
            self._tasks.spawn(self._prune(), "prune")

    async def _deployed(self, one: Deployment, archive: bytes) -> None:
        async with self._disk:
            one.digest = await asyncio.to_thread(self._folders.keep, archive)
        one.say(f"kept as sha256:{one.digest[:12]}")
        before = await self._existing(one.name, one.room)
        if before is not None and digest_of(before.spec.get("container", {}).get("image", "")) is None:
            raise Conflict(
                f"there is a service {one.name!r} of another kind", cure="Deploy it under another: --name."
            )
        environment = one.environment
        if environment is None:
            environment = [] if before is None else before.spec["container"].get("environment", [])
        old = before.spec if before is not None else None
        env = await variables(manifest(one.name, one.digest, (), environment, old), self._store, {})
        candidate = await self._candidate(one.name, one.digest, env, one)
        try:
            spec = manifest(one.name, one.digest, candidate.bundle.endpoints, environment, old)
            store = self._store.services
            if before is None:
                service = await store.create(spec, by=one.by, room=one.room)
            else:
                service = await store.update(
                    before.id, spec, by=one.by, what="deployed", expected=before.revision
                )
        except BaseException:
            await self._programs.discard(candidate.bundle)
            raise
        async with self._turn(service.id):
            older = 0 if self.sessions is None else self.sessions.count(service.id)
            await self._switch(service, candidate)
        one.service = service
        if one.now and older and self.anew is not None:
            await self.anew(service)
        else:
            one.going_on = older
        self.changed(one.room)
        one.becomes("ready")
        _log.info(
            "deployment.ready", service=one.name, room=one.room, revision=service.revision, digest=one.digest
        )

    async def _candidate(
        self,
        name: str,
        digest: str,
        env: Mapping[str, str],
        one: Deployment | None = None,
        *,
        known: Recorded | None = None,
    ) -> Candidate:
        loop = asyncio.get_running_loop()

        def say(line: str) -> None:
            if one is not None:
                loop.call_soon_threadsafe(one.say, line)

        folder = await asyncio.to_thread(self._folders.path, digest)
        if one is not None:
            one.becomes("installing")
        await self._programs.prepare(name, folder, say)
        if one is not None:
            one.becomes("loading")
        bundle = await self._programs.load(bundle_name(name, digest), folder, env, known)
        return Candidate(bundle, digest, env)

    async def _switch(self, service: Service, candidate: Candidate) -> None:
        """Have a candidate serve, unless a later revision came in between.  In the service's turn."""
        served = self._served.get(service.id)
        if served is not None and served.revision > service.revision:
            await self._programs.discard(candidate.bundle)
            return
        self._programs.serve(service.id, candidate.bundle)
        self._served[service.id] = _Served(service.revision, candidate.digest, candidate.env)
        await self._learn(service.id, newest_since=None if served is None else time.time())
        if not service.is_enabled:
            self._drop(service.id)

    async def _learn(self, service: str, *, newest_since: float | None = None) -> None:
        try:
            history = await self._store.services.history(service)
        except NotFound:  # it was deleted meanwhile
            return
        self.revisions.learn(service, history, newest_since=newest_since)

    def _drop(self, service: str) -> None:
        self._programs.drop(service)
        self._served.pop(service, None)

    async def _try(self, service: Service) -> None:
        try:
            await self.ready(service)
        except RuntimeServiceError as error:  # rooms that start it say so, and try again
            if service.id not in self._served:
                self._programs.drop(service.id)
            _log.error("deployment.not_served", service=service.name, error=str(error)[:500])

    async def _look(self) -> None:
        services = {service.id: service for service in await self._in_force()}
        for gone in self._served.keys() - services.keys():
            self._drop(gone)
            self.revisions.forget(gone)
            self._turns.pop(gone, None)
        for service in services.values():
            served = self._served.get(service.id)
            if served is None or served.revision != service.revision:
                self._tasks.spawn(self._try(service), "load")

    async def _in_force(self) -> list[Service]:
        listed = await self._store.services.listed(room=None)
        return [service for service in listed if service.is_enabled and is_bundle(service.spec)]

    async def _existing(self, name: str, room: str) -> Service | None:
        try:
            return await self._store.services.named(name, room=room)
        except NotFound:
            return None

    async def _prune(self) -> None:
        """Forget the bundles that no kept revision has, but for those that run."""
        async with self._disk:
            wanted = {one.digest for one in self._deployments.values() if not one.is_over}
            for service in await self._store.services.listed(room=None):
                if is_bundle(service.spec):
                    latest = (await self._store.services.history(service.id))[:KEPT_REVISIONS]
                    specs = [service.spec, *(one.spec for one in latest)]
                    wanted |= {_digest(spec) for spec in specs if is_bundle(spec)}
            gone = await asyncio.to_thread(self._folders.prune, wanted, self._programs.folders_in_use)
        if gone:
            _log.info("deployments.pruned", count=len(gone))

    def _turn(self, service: str) -> asyncio.Lock:
        return self._turns.setdefault(service, asyncio.Lock())


def is_bundle(spec: Spec) -> bool:
    """Whether a service is a bundle that was sent here."""
    return digest_of((spec.get("container") or {}).get("image", "")) is not None


def _digest(spec: Spec) -> str:
    found = digest_of(spec["container"]["image"])
    assert found is not None
    return found
