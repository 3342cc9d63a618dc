"""One open room: its services put together, and the life of each connection in it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from runtime.clock import Clock
from runtime.containers.contract import Boxes, Home
from runtime.errors import RemoteProtocolError
from runtime.rooms.agents import Agents, Caller, Mint
from runtime.rooms.built_in.containers.family import Containers
from runtime.rooms.built_in.database.database import Database
from runtime.rooms.built_in.database.dataset import Dataset
from runtime.rooms.built_in.memory.requests import Memory
from runtime.rooms.built_in.memory.store import MemoryStore
from runtime.rooms.built_in.schemas import BUILT_IN_FILES
from runtime.rooms.built_in.secrets.requests import Secrets
from runtime.rooms.built_in.secrets.vault import Vault
from runtime.rooms.built_in.services import Services as KeptServices
from runtime.rooms.built_in.sqlite.files import Databases
from runtime.rooms.built_in.sqlite.toolkit import Sqlite
from runtime.rooms.built_in.storage_toolkit import StorageToolkit, listing
from runtime.rooms.built_in.tables.file import FOLDER, TableFile
from runtime.rooms.connection import Connection, Peer
from runtime.rooms.developer.journal import Journal
from runtime.rooms.developer.log import DeveloperLog
from runtime.rooms.developer.runs import Runs
from runtime.rooms.dispatcher import Dispatcher, Served, Services
from runtime.rooms.documents import Documents
from runtime.rooms.files import FILES, STAGING, Files, on_disk
from runtime.rooms.holdings import Contents, Holdings
from runtime.rooms.limits import RoomLimits
from runtime.rooms.live import LiveRoom, ParticipantInfo, RoomEvent, RoomInfo
from runtime.rooms.messaging import Messaging
from runtime.rooms.queues import Queues
from runtime.rooms.room import ParticipantId
from runtime.rooms.storage import Storage
from runtime.rooms.token import Claims
from runtime.rooms.tools import Tools
from runtime.services.in_room import ServicesOfRooms
from runtime.session.redaction import Hidden
from runtime.wire.room import Assembler, Message, Unread
from runtime.wire.sealed import Seal

log = structlog.get_logger(__name__)

NORMAL, GOING_AWAY, PROTOCOL_ERROR, TOO_SLOW = 1000, 1001, 1002, 1008
_PACKETS_PER_TURN = 16
_READ_AT_ONCE_BYTES = 256 * 1024
"""JSON of a message that is read in the loop; more is read beside it."""


class HostedRoom:
    """A room that is open.

    Args:
        folder: Where its files are.
        mint: Makes participant tokens of this room.
        link: Makes the address of a file, from the room's address and the file's path.
        holdings: What the connections of all rooms hold.
        contents: What this room keeps in memory.
        seal: What seals its secrets; None keeps none.
        boxes: Runs containers; None where nothing does.
        hidden: Learns its secrets.
        services: Runs services; None where nothing does.
    """

    def __init__(
        self,
        name: str,
        *,
        limits: RoomLimits,
        folder: Path,
        clock: Clock,
        mint: Mint,
        link: Callable[[str, str], str],
        caller: Caller | None,
        listener: Callable[[RoomEvent], None] | None,
        holdings: Holdings,
        contents: Contents,
        seal: Callable[[], Seal] | None = None,
        boxes: Boxes | None = None,
        hidden: Hidden | None = None,
        services: ServicesOfRooms | None = None,
    ) -> None:
        self._limits = limits
        self._live = LiveRoom(
            name, limits=limits, clock=clock, listener=listener, holdings=holdings, contents=contents
        )
        self._files = Files(
            folder / FILES,
            folder / STAGING,
            max_bytes=limits.max_storage_bytes,
            built_in=BUILT_IN_FILES,
        )
        documents = Documents(limits, self._files, contents)
        built_in = listing()
        database = Database(TableFile(folder / FOLDER, limits.tables))
        storage = Storage(self._live, self._files, documents, link=link)
        self._journal = Journal(folder, clock=clock)
        developer = DeveloperLog(self._journal)
        runs = Runs(developer)
        self._services = Services(
            messaging=Messaging(self._live),
            tools=Tools(self._live, runs, built_in=built_in),
            agents=Agents(
                self._live,
                runs,
                developer,
                mint=mint,
                has_schema=documents.has_schema,
                built_in_toolkits=built_in,
                caller=caller,
            ),
            documents=documents,
            storage=storage,
            storage_toolkit=StorageToolkit(storage, documents),
            database=database,
            dataset=Dataset(database, max_bytes=limits.max_message_bytes),
            sqlite=Sqlite(Databases(folder / FOLDER, limits.tables), max_bytes=limits.max_message_bytes),
            queues=Queues(limits, contents),
            secrets=Secrets(self._live, Vault(name, folder, seal), hidden or Hidden()),
            memory=Memory(MemoryStore(folder / FOLDER), clock),
            developer=developer,
            containers=Containers(self._live, boxes, services, files=folder / FILES, mint=mint),
            services=KeptServices(name, services),
        )
        self._dispatcher = Dispatcher(self._live, self._services)
        self._starting = asyncio.Lock()
        self._flushers: list[asyncio.Task[None]] = []
        self._home = Home(name, folder / FILES)
        self._connections: dict[asyncio.Task[object], Claims] = {}
        self._closing = False

    @property
    def name(self) -> str:
        """The room's name."""
        return self._live.name

    def served(self) -> Served:
        """What it answers, which is the same in every room."""
        return self._dispatcher.served()

    @property
    def is_full(self) -> bool:
        """No further participant fits."""
        return self._live.members.is_full

    @property
    def is_empty(self) -> bool:
        """Nobody is in it, or about to be, but who is there for a service of it."""
        there = [*self._connections.values(), *(member.claims for member in self._live.members)]
        return all(claims.service for claims in there)

    def _has_somebody_for(self, service_id: str) -> bool:
        return any(member.claims.service == service_id for member in self._live.members)

    def info(self) -> RoomInfo:
        """What an operator sees."""
        registry = self._live.registry
        participants = []
        for member in self._live.members:
            toolkits, agents = registry.of(member.id)
            participants.append(
                ParticipantInfo(
                    id=member.id,
                    name=member.name,
                    role=member.role,
                    visible=member.visible,
                    attributes=dict(member.attributes),
                    toolkits=tuple(toolkits),
                    agents=tuple(agents),
                )
            )
        return RoomInfo(
            name=self.name,
            session_id=self._live.members.session_id,
            opened_at=self._live.opened_at,
            participants=tuple(participants),
            documents=tuple(self._services.documents.paths()),
            queues=self._services.queues.sizes(),
        )

    def dismiss(self, name: str) -> int:
        """Ask everybody of that name to leave; return how many there are."""
        self._live.deliver(self._live.members.dismiss(name))
        return len(self._live.members.named(name))

    def note(self, kind: str, data: dict[str, Any]) -> None:
        """Write an entry of the server's into the developer log."""
        self._services.developer.announce(kind, data)

    def waits(self, queue: str) -> bool:
        """Whether somebody waits for a message of this queue."""
        return self._services.queues.waits(queue)

    def hand_over(self, queue: str, message: Any) -> bool:
        """Give a message to who waits for one of this queue; False where nobody does."""
        return self._services.queues.hand_over(queue, message)

    async def serve(self, claims: Claims, connection: Connection, *, room_url: str) -> None:
        """Be one participant's room until its connection ends, for whatever reason.

        Raises:
            RoomFull: Somebody else took the last place since admission.
        """
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = claims
        try:
            await self._start()
            if self._closing:  # since it was admitted; `close` knew only those who had a seat
                await connection.close(GOING_AWAY)
                return
            await self._serve(claims, connection, room_url)
        finally:
            del self._connections[task]

    async def close(self) -> None:
        """Send everybody away and write what is not on disk yet."""
        self._closing = True
        for peer in list(self._live.peers.values()):
            peer.outbox.close()
        if self._connections:
            await asyncio.wait(set(self._connections), timeout=2 * self._limits.close_timeout_s)
        for flusher in self._flushers:
            flusher.cancel()
        await asyncio.gather(*self._flushers, return_exceptions=True)
        await self._services.services.close()
        await self._services.containers.close()
        await self._services.documents.flush()
        await self._services.database.file.close()
        await self._services.sqlite.close()
        await self._services.memory.close()
        await self._journal.flush()
        self._live.contents.close()
        self._live.emit("room_closed")

    async def _start(self) -> None:
        async with self._starting:
            if not self._flushers:
                await on_disk(self._files.prepare)
                for flushing in (
                    self._services.documents.keep_flushed(),
                    self._journal.keep_flushed(self._limits.flush_s),
                ):
                    self._flushers.append(asyncio.create_task(flushing))
                self._live.emit("room_opened")
                self._services.services.opened(
                    self._home, self._live.members.session_id, self._has_somebody_for
                )

    async def _serve(self, claims: Claims, connection: Connection, room_url: str) -> None:
        participant_id = ParticipantId(str(uuid.uuid4()))
        greeting = self._live.members.join(participant_id, claims, room_url=room_url)
        member = self._live.members.get(participant_id)
        assert member is not None
        peer = self._live.peers[participant_id] = Peer(
            member, self._limits, room_url=room_url, holdings=self._live.holdings
        )
        self._live.deliver(greeting)
        self._live.emit("participant_joined", peer)
        reading = asyncio.create_task(self._read(peer, connection))
        others = (
            asyncio.create_task(peer.outbox.run(connection)),
            asyncio.create_task(peer.outbox.wait_closed()),
        )
        try:
            await asyncio.wait((reading, *others), return_when=asyncio.FIRST_COMPLETED)
        finally:
            code = self._close_code(peer, reading)
            for task in (reading, *others):
                task.cancel()
            await self._leave(peer)
            await asyncio.gather(reading, *others, return_exceptions=True)
            await self._hang_up(connection, code)

    async def _read(self, peer: Peer, connection: Connection) -> int:
        """Feed the participant's messages to the dispatcher; return the code to close with."""
        assembler = Assembler(max_message_bytes=self._limits.max_message_bytes)
        packets = before = 0
        while (packet := await connection.receive()) is not None:
            try:
                message = await _read(assembler.take(packet))
            except RemoteProtocolError as error:
                log.info("room.packet_refused", room=self.name, participant=peer.id, reason=error.message)
                return PROTOCOL_ERROR
            if message is not None:
                peer.held.grow(-before)
                peer.arriving_bytes, before = before + len(packet), 0
                self._dispatcher.receive(peer, message)
            elif assembler.pending_bytes != before:
                peer.held.grow(assembler.pending_bytes - before)
                before = assembler.pending_bytes
            if peer.is_cut_off:
                break
            packets += 1
            if packets % _PACKETS_PER_TURN == 0:
                await asyncio.sleep(0)  # one that floods must not keep the loop to itself
        return NORMAL

    def _close_code(self, peer: Peer, reading: asyncio.Task[int]) -> int:
        if peer.outbox.overflowed:
            log.warning("room.participant_too_slow", room=self.name, participant=peer.id)
            return TOO_SLOW
        if peer.is_cut_off:
            log.warning(
                "room.participant_cut_off",
                room=self.name,
                participant=peer.id,
                detail="all rooms together held too much in memory, and this participant most",
                cure="Raise rooms.max_held_bytes, if that was no abuse.",
            )
            return TOO_SLOW
        if self._closing:
            return GOING_AWAY
        if reading.done() and not reading.cancelled() and reading.exception() is None:
            return reading.result()
        return NORMAL

    async def _leave(self, peer: Peer) -> None:
        """Drop everything the participant owned.  What others notice happens before the first await."""
        peer.outbox.close()
        peer.held.close()
        self._live.peers.pop(peer.id, None)
        gone = self._live.members.leave(peer.id)
        self._live.registry.drop(peer.id)
        services = self._services
        services.tools.leave(peer)
        services.agents.leave(peer)
        services.queues.leave(peer)
        services.dataset.leave(peer)
        services.sqlite.leave(peer)
        services.secrets.leave(peer)
        services.developer.leave(peer)
        services.containers.leave(peer)
        self._live.deliver(gone)
        self._live.emit("participant_left", peer)
        tasks = list(peer.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        services.storage.leave(peer)
        await services.documents.leave(peer)

    async def _hang_up(self, connection: Connection, code: int) -> None:
        try:
            async with asyncio.timeout(self._limits.close_timeout_s):
                await connection.close(code)
        except Exception as error:  # noqa: BLE001 - the connection is somebody else's; it is over either way
            log.debug("room.close_failed", room=self.name, error=str(error))


async def _read(unread: Unread | None) -> Message | None:
    """What came; a large header is read in a thread, and the sender's next messages wait for it."""
    if unread is None:
        return None
    is_large = len(unread.header) > _READ_AT_ONCE_BYTES
    return await asyncio.to_thread(unread.read) if is_large else unread.read()
