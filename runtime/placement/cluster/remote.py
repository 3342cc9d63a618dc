"""Placement on other machines: calls become sessions of nodes.  Runs in: the front's event loop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from runtime.clock import Clock
from runtime.errors import EndpointNotFound, RemoteProtocolError
from runtime.logs import get_logger
from runtime.placement.cluster import messages as say
from runtime.placement.cluster import nodes as mirror
from runtime.placement.cluster.choice import Candidate, ordered
from runtime.placement.cluster.engine.connection import Engine, NoAnswer, NobodyThere, TooLarge
from runtime.placement.cluster.follower import ASK_S, Follower
from runtime.placement.cluster.memory import Memory
from runtime.placement.cluster.roster import Roster
from runtime.placement.cluster.sent.wanted import SentBundles
from runtime.placement.contract import Attempt, Lease
from runtime.placement.machines import Machines
from runtime.placement.relays import Relays
from runtime.session.calls.deployed import service_of
from runtime.session.events import Exited, SessionEvent
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import (
    BundleInfo,
    Capacity,
    DebugDoor,
    EndpointInfo,
    Enforcement,
    LogLine,
    MessageSeen,
    ProcessInfo,
    RelayPort,
    RoomDoor,
    Vitals,
)
from runtime.session.spec import SessionId, SessionSpec
from runtime.session.use import Use
from runtime.wire.looking.profile import Profile

READ_S: Final = 10.0
PROFILE_S: Final = 30.0
"""What a profile takes beside the time that is looked at."""
CANDIDATES: Final = 3
AWAY_S: Final = 5.0
"""So long a session waits for a node when all of them are away at once."""
AGAIN_S: Final = 0.1
_log = get_logger("cluster")


class RemotePlacement:
    """A `runtime.placement.contract.Placement` whose sessions run on nodes.

    Args:
        front: The name of this front, which no other has, and which it keeps over its lives.
        lease_s: How long a node runs sessions without being heard.
        memory: Which nodes there were.
        url: Where sessions reach this front.
        admitted: The names of nodes that the engine lets in, as far as that is known here.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        cluster: str,
        front: str,
        lease_s: float,
        clock: Clock,
        memory: Memory,
        url: str = "",
        admitted: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.changed: list[Callable[[], None]] = []
        self._engine, self._clock = engine, clock
        self._follower = Follower(
            engine,
            cluster=cluster,
            front=front,
            lease_s=lease_s,
            clock=clock,
            memory=memory,
            changed=self._tell_changed,
            admitted=admitted,
        )
        self._relays = Relays(url)
        self.machines: Machines | None = Roster(self._follower, clock, self._relays)
        self.programs = SentBundles(self._follower, self._tell_changed)
        self._waiting: dict[SessionId, int] = {}
        self._draining = False
        self._news = asyncio.Event()

    # ---- life

    async def start(self, sources: Sequence[Path], *, watch: bool, door: RoomDoor | None = None) -> None:
        """Listen for nodes.  What they serve is theirs: neither `sources` nor the door is used here."""
        await self._follower.start()
        await self.programs.start()

    async def adopt(self, attempts: Sequence[Attempt]) -> set[SessionId]:
        return await self._follower.adopt(attempts)

    async def loaded(self) -> None:
        """See `Placement.loaded`: of the first node that serves anything."""
        while not self.endpoints() or any(one.state == "loading" for one in self.bundles()):
            self._news.clear()
            await self._news.wait()

    async def reload_changed(self) -> list[str]:
        """Nodes look after their own code."""
        return []

    async def aclose(self) -> None:
        await self.drain(0)
        await self._follower.aclose()

    async def drain(self, grace_s: float) -> None:
        self._draining = True
        mine = {*self._waiting, *(one.session for one in self._follower.held)}
        stops = [self.stop(session, ExitReason.DRAINED, grace_s) for session in mine]
        try:
            async with asyncio.timeout(grace_s + 4 * ASK_S):
                await asyncio.gather(*stops)
        except TimeoutError:
            _log.warning("cluster.not_drained", sessions=len(self._follower.held))

    # ---- sessions

    async def place(self, spec: SessionSpec, generation: int, relay: RelayPort | None = None) -> Lease:
        """See `Placement.place`.  When no node takes it, the attempt is over, and another one follows.

        Raises:
            TooLarge: It never will be, by any.
        """
        follower, session = self._follower, spec.session_id
        held = follower.held.get(session)
        if held is not None and held.generation == generation:
            return Lease(session, generation, held.node)
        self.programs.at(spec.endpoint)
        if not self.serves(spec.endpoint) and self.endpoints():
            raise EndpointNotFound(f"no agent at {spec.endpoint}", cure="GET /workers lists the endpoints.")
        if relay is not None:  # it is dialled like a room, and the packets are the same
            room_url, token = self._relays.offer(session, relay)
            spec = replace(spec, relay=False, room_url=room_url, token=token)
        until = self._clock.now() + AWAY_S
        self._waiting[session] = generation
        try:
            while True:
                node, why = await self._placed(spec, generation)
                if self._waiting.get(session) != generation:  # it was stopped meanwhile
                    return Lease(session, generation, node)
                if node or not self._are_away() or self._clock.now() >= until:
                    break
                await asyncio.sleep(AGAIN_S)
                if self._waiting.get(session) != generation:
                    return Lease(session, generation, "")
        finally:
            if self._waiting.get(session) == generation:
                del self._waiting[session]
        if not node:
            follower.ends.ended(session, ExitReason.NOT_STARTED, f"It could not be started: {why}")
        return Lease(session, generation, node)

    def _are_away(self) -> bool:
        """Whether nobody can be asked now, and that may pass: the engine is started again, say."""
        return bool(self._there()) and not (self._follower.ready() and self._engine.is_connected)

    async def _placed(self, spec: SessionSpec, generation: int) -> tuple[str, str]:
        """The node that has it, or may have it; else why none has."""
        follower, session = self._follower, spec.session_id
        sent, now = self.programs.at(spec.endpoint), self._clock.now()

        def look(one: mirror.Node) -> Candidate | None:
            is_there = self.programs.is_on(one, sent) if sent else one.serves(spec.endpoint)
            return one.candidate(follower.held, now) if is_there else None

        order = ordered(follower.ready(), look, random.random, CANDIDATES)
        why = "no machine is there that serves it"
        if not order and any(map(look, follower.ready())):
            why = "no machine has room for it"
        for node in order:
            holding = follower.give(session, generation, node)
            ask = say.Place(
                front=follower.front,
                boot=follower.boot,
                turn=holding.turn,
                spec=spec,
                generation=generation,
                bundle=sent,
            )
            try:
                answer = await follower.ask(node, ask)
            except TooLarge:
                follower.ends.let_go(holding)
                raise  # no other node would take it, nor this one later
            except NobodyThere as error:
                why = f"{node} is not there ({error.message})"
            except NoAnswer:
                _log.warning("node.silent", node_id=node, session_id=session)
                follower.sync(node)  # whether it has it, only that node knows
                return node, ""
            else:
                if not answer.code:
                    holding.is_taken = True
                    return node, ""
                why = f"{node}: {answer.message}"
                _log.info("node.refused", node_id=node, session_id=session, code=answer.code)
            if (asked := follower.ends.let_go(holding)) is not None:
                self._never_started(session, asked)
                break
        return "", why

    def _never_started(self, session: SessionId, reason: ExitReason) -> None:
        self._waiting.pop(session, None)
        self._follower.ends.ended(session, reason, "It was not started yet")

    async def stop(
        self,
        session_id: SessionId,
        reason: ExitReason,
        grace_s: float | None = None,
        *,
        finish_s: float | None = None,
    ) -> None:
        held = self._follower.held.get(session_id)
        if held is None and session_id in self._waiting:
            self._never_started(session_id, reason)
        if held is not None:
            stop = say.Stop(
                session=session_id,
                generation=held.generation,
                reason=reason.value,
                grace_s=grace_s,
                finish_s=finish_s,
            )
            await self._follower.ends.stop(held, stop)

    async def events(self) -> AsyncIterator[SessionEvent]:
        while True:
            event = await self._follower.events.get()
            if isinstance(event, Exited) and (carried := self._relays.withdraw(event.session_id)):
                event = msgspec.structs.replace(event, relay_bytes=carried)
            yield event

    # ---- what is known here

    def capacity(self) -> Capacity:
        held = self._follower.held
        return mirror.capacity(self._there(), len(held), held.starting(), draining=self._draining)

    def enforcement(self) -> Enforcement:
        return mirror.enforcement(self._there())

    def bundles(self) -> list[BundleInfo]:
        return mirror.bundles(self._there())

    def endpoints(self) -> list[EndpointInfo]:
        return [*mirror.endpoints(self._there()), *self.programs.endpoints()]

    def serves(self, path: str) -> bool:
        if service_of(path) is not None:
            return self.programs.serves(path)
        return any(one.path == path for node in self._there() if node.served for one in node.served.endpoints)

    def awaits(self, path: str) -> bool:
        if service_of(path) is not None:
            return self.programs.awaits(path)
        there = self._there()
        if not there or any(node.served is None for node in there):
            return True
        return not self.serves(path) and any(one.state == "loading" for one in self.bundles())

    def glance(self, session_id: SessionId) -> Vitals | None:
        self._follower.looked_at = self._clock.now()
        held = self._follower.held.get(session_id)
        node = None if held is None else self._follower.nodes.get(held.node)
        return None if node is None else node.glances.get(session_id)

    def measured(self, after: int) -> tuple[int, list[SessionId]]:
        self._follower.looked_at = self._clock.now()
        return self._follower.held.measured.after(after)

    # ---- what a node is asked

    async def vitals(self, session_id: SessionId) -> Vitals | None:
        found: Vitals | None = await self._read("vitals", session_id)
        return found

    async def use(self, session_id: SessionId) -> Use | None:
        found: Use | None = await self._read("use", session_id)
        return found

    async def log_lines(self, session_id: SessionId, *, after: int = 0) -> list[LogLine]:
        return await self._read("log_lines", session_id, after=after) or []

    async def processes(self, session_id: SessionId) -> list[ProcessInfo]:
        return await self._read("processes", session_id) or []

    async def messages(self, session_id: SessionId) -> list[MessageSeen]:
        return await self._read("messages", session_id) or []

    async def stacks(self, session_id: SessionId) -> str | None:
        found: str | None = await self._read("stacks", session_id)
        return found

    async def freeze(self, session_id: SessionId, frozen: bool) -> bool:
        return bool(await self._read("freeze", session_id, frozen=frozen))

    async def debug(self, session_id: SessionId, port: int | None) -> DebugDoor | None:
        found: DebugDoor | None = await self._read("debug", session_id, within_s=PROFILE_S, port=port)
        return found

    async def profile(self, session_id: SessionId, *, seconds: float, rate: int, by: str) -> Profile | None:
        found: Profile | None = await self._read(
            "profile", session_id, within_s=seconds + PROFILE_S, seconds=seconds, rate=rate, by=by
        )
        return found

    async def ping(self, session_id: SessionId, timeout_s: float) -> float | None:
        found: float | None = await self._read("ping", session_id, timeout_s=timeout_s)
        return found

    async def inject(self, session_id: SessionId, fault: str, at: dict[str, Any] | None = None) -> bool:
        return bool(await self._read("inject", session_id, fault=fault, at=at))

    async def _read(
        self, what: str, session: SessionId, *, within_s: float = READ_S, **arguments: Any
    ) -> Any:
        if not (node := self._follower.was_on(session)):
            return None
        ask = say.encoded(say.Read(what=what, session=session, arguments=arguments))
        try:
            data = await self._engine.ask(self._follower.subjects.read(node), ask, within_s)
            answer: say.Answer = say.decoded(say.Answer, data)
            return None if answer.code else say.decoded(say.READS[what], answer.body)
        except (NobodyThere, NoAnswer, RemoteProtocolError) as error:
            _log.warning("node.did_not_answer", node_id=node, session_id=session, error=error.message)
            return None

    def _there(self) -> list[mirror.Node]:
        return self._follower.there()

    def _tell_changed(self) -> None:
        self._news.set()
        self.programs.looked()
        for listener in self.changed:
            listener()
