"""One server: makes the parts, wires them, starts them in order and ends them in the opposite one."""

from __future__ import annotations

import asyncio
import secrets
from collections import ChainMap
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Final

import runtime
from runtime.clock import Clock, SystemClock
from runtime.containers.opening import open_boxes
from runtime.dispatch.dispatcher import Dispatcher
from runtime.dispatch.fate import Callers
from runtime.dispatch.session_registry import SessionRegistry
from runtime.errors import BundleNotFound
from runtime.front.access.browser_sessions import BrowserSessions
from runtime.front.access.caller import RoomCaller
from runtime.front.access.calling_out import ServiceCaller
from runtime.front.access.deliverer import Deliverer
from runtime.front.access.destinations import Destinations
from runtime.front.access.open_doors import say_open_doors
from runtime.front.access.origin import Origins
from runtime.front.access.rules import Access, project_of, signing_keys
from runtime.front.app import create_app
from runtime.front.autocall import AutoCall, called_anew, still_wanted
from runtime.front.fast_path import FastPath
from runtime.front.home import contents, deploying, keeping, server_file, state_folder
from runtime.front.http.bridge import Bridge
from runtime.front.http.listener import Listener, host_of, reachable, room_url
from runtime.front.model import tool_offers
from runtime.front.model.by_pipe.door import Door
from runtime.front.model.desk import ModelDesk
from runtime.front.operator.announcements import tell_changes, tell_room, tell_webhooks
from runtime.front.operator.events import Readers
from runtime.front.operator.gauges import gauges
from runtime.front.readiness import Readiness
from runtime.front.state import Front
from runtime.front.studio.live import Live
from runtime.front.studio.overview import Overview
from runtime.logs import get_logger, hide_by
from runtime.metrics import Metrics
from runtime.placement.contract import Placement
from runtime.placement.local import LocalPlacement
from runtime.process.environment import mail_door
from runtime.rooms.built_in.mail import opening as post_office
from runtime.rooms.elsewhere.server import Elsewhere
from runtime.rooms.hub import RoomHub
from runtime.rooms.limits import RoomLimits
from runtime.rooms.live import RoomEvent
from runtime.services.life.household import Household
from runtime.services.life.means import Means
from runtime.session.feed import Feed
from runtime.session.ledger import Ledger
from runtime.session.redaction import Hidden
from runtime.settings import Settings
from runtime.tasks import cancelled
from runtime.telemetry import opening as telemetry
from runtime.telemetry.history.recorder import Recorder

SETTLE_S: Final = 1.0
_log = get_logger("server")


class Server:
    """Everything behind one port.

    Args:
        sources: Folders of agents, or single files and bundle folders.
        name: The service's name in its specification.
        owns_process: The process is for this server alone: it may set what holds for all of it.
        placement: Whatever runs sessions; None makes the local one.  (Tests give their own.)
        last_end: How the server before this one ended; its init knows, where there is one.
        resumes: Sessions of earlier runs may come back.
        calls_into: The room into which a command calls everything, as it did in its earlier runs.
    """

    def __init__(
        self,
        settings: Settings,
        sources: Sequence[Path],
        *,
        name: str = "",
        owns_process: bool = True,
        placement: Placement | None = None,
        clock: Clock | None = None,
        last_end: str = "",
        resumes: bool = True,
        calls_into: str = "",
    ) -> None:
        self.settings = settings
        self._last_end, self._resumes, self._calls_into = last_end, resumes, calls_into
        self._sources, self._name, self._owns_process = list(sources), name, owns_process
        self._given = placement
        self._clock = clock or SystemClock()
        self._parts = AsyncExitStack()
        self._hidden = Hidden()
        self._front: Front | None = None
        self._listener: Listener | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._forced = asyncio.Event()
        self.url = ""
        """Where this machine reaches it, once started."""

    @property
    def front(self) -> Front:
        """Its parts, once started."""
        assert self._front is not None
        return self._front

    # ---- start

    async def start(self) -> None:
        """Listen, begin to load the bundles, take over the journal.  Whatever fails undoes what was done.

        Raises:
            ConfigError: The address cannot be listened on; the state folder, a secret or the agents'
                variables cannot be used.
            JournalUnusable: The journal cannot be opened.
            BundleNotFound: A source does not exist.
        """
        try:
            await self._start()
        except BaseException:
            await self._parts.aclose()
            raise

    async def _start(self) -> None:
        began = self._clock.now()
        hide_by(self._hidden.plain)
        self._parts.callback(hide_by, None)
        for source in self._sources:
            if not source.exists():
                raise BundleNotFound(
                    f"there is no {source}", cure="Give a folder of agents or a Python file."
                )
        self.settings = state_folder.claimed(self.settings)
        server = self.settings.server
        key = secrets.token_urlsafe(32)
        access = Access(
            server,
            browser_sessions=BrowserSessions(self._clock, file=server.state_dir / contents.BROWSER_SESSIONS),
            key=key,
        )
        listener = self._listener = Listener.bind(server.host, server.port)
        self._parts.push_async_callback(listener.aclose)
        self.url = listener.url
        access.cookie = f"bulkhead_{listener.port}"
        project = project_of(server.api_key)
        kept = await keeping.opened(server, self._parts, self._clock, hidden=self._hidden, project=project)
        journal, crashes, store = kept.journal, kept.crashes, kept.store
        access.signing = store.keys.signing
        advertised = server.advertise_url or self.url
        if self.settings.cluster.nodes and not server.advertise_url:
            advertised = reachable(server.host, self.url)
        placement = self._given or (
            await self._cluster(advertised) if self.settings.cluster.nodes else self._local_placement()
        )
        metrics = Metrics(version=runtime.__version__, known=lambda path: self.front.knows(path))
        registry = SessionRegistry(
            journal=journal,
            ledger=Ledger(history_count=server.history_count, history_bytes=server.history_bytes),
            feed=Feed(keep_count=server.event_buffer_count, epoch=secrets.token_hex(4)),
            metrics=metrics,
            clock=self._clock,
            crashes=crashes,
        )
        caller = RoomCaller(
            port=listener.port,
            own_hosts=tuple(filter(None, (server.host, *map(host_of, (server.public_url, advertised))))),
            room_url=lambda room: room_url(server.public_url or self.url, room),
            secret=access.secrets[0] if access.secrets else "",
            destinations=Destinations(server.call_allow),
        )
        bridge = Bridge(listener, server.public_url)
        self._parts.push_async_callback(bridge.aclose)
        boxes = await open_boxes(self.settings, clock=self._clock, url=bridge.url, hears=bridge.hear)
        self._parts.push_async_callback(boxes.aclose)
        deliverer = Deliverer(store.webhooks, self._clock)

        def told(event: RoomEvent) -> None:
            tell_room(registry, event)
            tell_webhooks(deliverer, event, room_url(server.public_url or self.url, event.room))

        hub: RoomHub
        deployments = deploying.opened(server, placement, store, self._parts)
        services = Household(
            Means(
                store=store,
                boxes=boxes,
                mint=lambda *given, **more: hub.token(*given, **more),
                call=ServiceCaller(caller),
                offer=tool_offers.opened(lambda: self.front, caller.room_url, self._parts),
                clock=self._clock,
                crashed=crashes.keep,
                hide=self._hidden.text,
                deployed=deployments,
            )
        )
        self._parts.push_async_callback(services.aclose)
        hub = RoomHub(
            RoomLimits.of(self.settings.rooms, max_sessions=self.settings.supervisor.max_sessions),
            state_dir=server.state_dir,
            clock=self._clock,
            caller=caller,
            listener=told,
            secret=server.room_secret or None,
            keys=ChainMap(signing_keys(server.api_key), store.keys.signing),
            seal=kept.seal,
            boxes=boxes,
            hidden=self._hidden,
            services=services,
        )
        dispatcher = Dispatcher(
            placement=placement,
            journal=journal,
            registry=registry,
            clock=self._clock,
            rooms=hub,
            room_url=lambda room: room_url(advertised, room),
            room_load=hub,
            settings=self.settings.supervisor,
            callers=Callers(
                is_wanted=still_wanted(server.room) if self._resumes else lambda _: False,
                is_called_anew=called_anew(self._calls_into),
            ),
            last_end=self._last_end,
            spans=telemetry.opened(
                self.settings.telemetry, metrics, runtime.__version__, self._clock, self._parts, hub.note
            ),
        )
        caller.dispatch = dispatcher.call
        await hub.tidy()
        mail = await post_office.opened(self.settings.mail, server.state_dir, hub, self._clock, self._parts)
        front = self._front = Front(
            settings=server,
            dispatcher=dispatcher,
            registry=registry,
            placement=placement,
            journal=journal,
            metrics=metrics,
            access=access,
            clock=self._clock,
            readiness=Readiness(placement, self._sources, self._clock),
            origins=Origins(is_alone=self._owns_process),
            rooms=hub,
            crashes=crashes,
            boxes=boxes,
            services=services,
            store=store,
            deployments=deployments,
            look_for_deliveries=deliverer.look,
            mail=mail,
            history=Recorder(server.state_dir / contents.FIGURES, self._clock, metrics.counted),
            name=self._name,
            configuration=self.settings,
            port=listener.port,
            url=self.url,
            is_loopback=listener.is_loopback,
            started_at=self._clock.wall(),
            began=began,
        )
        readers = Readers(front)
        metrics.gauges(lambda: gauges(front, readers))
        self._parts.push_async_callback(dispatcher.aclose, settle_s=SETTLE_S)
        overview = Overview(front)
        live = Live(front, overview)
        desk = ModelDesk(server)
        application = FastPath(front, create_app(front, readers, live, desk))
        listener.start(application)
        bridge.start(application)
        self._parts.push_async_callback(deliverer.aclose)
        self._parts.push_async_callback(front.history.aclose)
        for work, name in (
            (readers.watch(), "event readers"),
            (overview.run(), "overview"),
            (live.run(), "live"),
            (deliverer.run(), "webhooks"),
        ):
            self._parts.push_async_callback(cancelled, asyncio.create_task(work, name=name))
        self._parts.push_async_callback(hub.tidy)
        self._parts.push_async_callback(hub.aclose)
        self._parts.callback(self._end_streams)
        self._parts.callback(
            server_file.write(server.state_dir, url=self.url, at=self._clock.wall(), key=key)
        )
        self._parts.push_async_callback(placement.aclose)
        tell_changes(front)
        door = Door(front, desk, is_ours=caller.is_ours)
        await placement.start(self._sources, watch=server.watch, door=door)
        changed = placement.changed
        changed += [dispatcher.launcher.bundles_changed, front.readiness.changed]
        if deployments is not None:
            await deploying.begin(deployments, dispatcher, registry, placement, services, self.url)
        await dispatcher.start()
        front.is_ready = True  # from here on each bundle takes calls as soon as it is loaded
        if server.room:
            elsewhere = Elsewhere(server.remote, server.api_key) if server.remote else None
            autocall = AutoCall(front, server.room, elsewhere)
            self._parts.push_async_callback(autocall.aclose)
            changed.append(autocall.sync)
            autocall.sync()
        say_open_doors(
            server,
            access,
            url=self.url,
            is_loopback=listener.is_loopback,
            can_tell=await front.origins.can_tell(),
        )
        self._parts.push_async_callback(
            cancelled, asyncio.create_task(self._tell_loaded(), name="first loads")
        )
        _log.info(
            "server.started",
            url=self.url,
            studio=f"{self.url}/studio/",
            start_s=round(self._clock.now() - began, 3),
            version=runtime.__version__,
        )

    async def loaded(self) -> None:
        """Return when every bundle serves, or is known not to; serving does not wait for it."""
        await self.front.placement.loaded()

    async def _tell_loaded(self) -> None:
        await self.loaded()
        self.front.readiness.tell()

    def _local_placement(self) -> LocalPlacement:
        return LocalPlacement.of(
            self.settings,
            self._sources,
            environments=self.settings.server.state_dir / contents.ENVIRONMENTS,
            clock=self._clock,
            owns_process=self._owns_process,
            variables=mail_door(self.settings.mail.host, self.settings.mail.port),
            hidden=self._hidden,
        )

    async def _cluster(self, url: str) -> Placement:
        # Imported where it is wanted: one machine needs no engine.
        from runtime.placement.cluster.opening import opened

        cluster, folder = self.settings.cluster, self.settings.server.state_dir / contents.CLUSTER
        return await opened(cluster, folder=folder, clock=self._clock, parts=self._parts, url=url)

    # ---- life

    async def reload_changed(self) -> None:
        """Load bundles whose files changed, also where nobody watches them.  Sessions stay as they are."""
        if self._front is not None:
            await self._front.placement.reload_changed()

    async def wait(self) -> None:
        """Return once the server has ended by itself, or raise what it ended with."""
        assert self._listener is not None
        await self._listener.failed()

    async def stop(self) -> None:
        """Take no more calls, give sessions `drain_s` to end, close everything.  Safe to call again."""
        if self._front is None:
            return
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name="stop")
        await asyncio.shield(self._stopping)

    def force(self) -> None:
        """Make a `stop` that is under way end sessions at once."""
        self._forced.set()

    async def _stop(self) -> None:
        front = self.front
        front.is_ready = False
        began = self._clock.now()
        sessions = front.placement.capacity().sessions
        draining = asyncio.create_task(front.dispatcher.drain(self.settings.server.drain_s), name="drain")
        forced = asyncio.create_task(self._forced.wait())
        await asyncio.wait({draining, forced}, return_when=asyncio.FIRST_COMPLETED)
        if not draining.done():
            with suppress(Exception):
                await front.placement.drain(0)
        forced.cancel()
        results = await asyncio.gather(draining, forced, return_exceptions=True)
        if isinstance(results[0], Exception):
            _log.error("drain.failed", error=repr(results[0]))
        _log.info("drain.finished", sessions=sessions, duration_s=round(self._clock.now() - began, 3))
        await self._parts.aclose()
        _log.info("server.stopped")

    async def aclose(self) -> None:
        """Close what is still open, whatever failed; nothing after a `stop`."""
        await self._parts.aclose()

    def _end_streams(self) -> None:
        if self._front is not None:
            self._front.is_ready = False
            self._front.closing.set()
