"""One service in one room: does what its keeper decides, and tells the keeper what became of it.

Each run has a task that starts its container, watches its ports and waits for its end.  A run that is to end
loses that task first, so nothing is told of it but that it is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from runtime.containers.contract import BoxId, Exit, Home, Starter
from runtime.containers.errors import ContainerNotFound, EngineFailed, WrongState
from runtime.errors import RuntimeServiceError
from runtime.logs import get_logger
from runtime.services.deployed.deployments import Deployments, is_bundle
from runtime.services.keeper import ServiceKeeper
from runtime.services.life.asked import ask_of, signing_secret
from runtime.services.life.calling import MISTAKE, GoesOn, NotCalled, bring
from runtime.services.life.crash import note_crash
from runtime.services.life.ended import EndedBoxes
from runtime.services.life.liveness import watch
from runtime.services.life.means import Means, Offer
from runtime.services.life.reach import not_served, plan_of, ports_of
from runtime.services.life.room_files import provide
from runtime.services.life.telling import PortSeen, Telling, how
from runtime.services.service import Service
from runtime.services.terms import (
    Call,
    Called,
    Demand,
    Discard,
    Exited,
    Gone,
    Input,
    Live,
    NoStart,
    Plan,
    Restart,
    Start,
    Started,
    State,
    Stop,
    Tell,
    Want,
    WantNot,
)
from runtime.tasks import Tasks, cancelled

USE_S: Final = 5.0
"""Between two looks at whether one that runs on demand is used."""
_BY: Final = Starter("server", "")  # nobody can be called so
_log = get_logger("services")


class _Run(msgspec.Struct, eq=False):
    service: Service
    secret: str
    more: Mapping[str, str]
    task: asyncio.Task[None] | None = None
    box: BoxId | None = None
    began_at: float = 0.0
    reached: dict[int, int] = msgspec.field(default_factory=dict)
    offers: list[Offer] = msgspec.field(default_factory=list)

    async def offer_no_more(self) -> None:
        offers, self.offers = self.offers, []
        for offer in offers:
            await offer.aclose()


class Life:
    """Runs in: the front's event loop.  All but `run`, `log` and `aclose` return at once.

    Args:
        is_present: Whether somebody is in the room for the service of that id.
    """

    def __init__(
        self,
        service: Service,
        home: Home,
        session_id: str,
        means: Means,
        is_present: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.service, self._is_present = service, is_present
        self._more: Mapping[str, str] = {}
        self._waiting: list[asyncio.Future[BoxId]] = []
        self._home, self._session_id, self._means = home, session_id, means
        self._keeper = ServiceKeeper()
        self._services = {service.revision: service}
        self._runs: dict[int, _Run] = {}
        self._ended = EndedBoxes(means.boxes, home.room, means.hide)
        self._tasks = Tasks(_log.bind(service=service.name, room=home.room), "service.failed")
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False
        self.telling = Telling(means.clock.wall, means.hide)

    # ---- what is wanted

    def want(self, service: Service) -> None:
        """It is to run, as it is now."""
        self.service = service
        self._services[service.revision] = service
        self._feed(Want(plan_of(service)))

    def want_not(self) -> None:
        """It is not to run."""
        self._feed(WantNot())

    def restart(self) -> None:
        """It is to run anew."""
        self.telling.note(Tell("Restarted", "somebody asked for it"))
        self._feed(Restart())

    async def run(self, more: Mapping[str, str]) -> BoxId:
        """Have it run, on demand if it is not to run anyway; its container, once there is one.

        Args:
            more: Variables for it, until it ends.

        Raises:
            WrongState: It runs already, or is to for somebody else, and would have to be given variables.
            EngineFailed: It could not be started; in the words of who tried.
        """
        held = self._held()
        is_awaited = any(not one.done() for one in self._waiting)
        if more and (held is not None or is_awaited):
            how = "runs already" if held is not None else "is being started for somebody else"
            raise WrongState(f"service {self.service.name!r} {how}", cure="Run it without variables.")
        if held is None and not is_awaited:
            self._more = dict(more)
        self._feed(Demand())
        if held is not None and held.box is not None:
            return held.box
        waiting: asyncio.Future[BoxId] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        return await waiting

    @property
    def is_wanted(self) -> bool:
        return self._keeper.wanted is not None

    @property
    def is_idle(self) -> bool:
        """Nothing of it is left, or about to be."""
        return not self.is_wanted and not self._keeper.runs

    @property
    def revision(self) -> int:
        """The one that serves; 0 while none does."""
        return run.plan.revision if (run := self._keeper.serving) is not None else 0

    def state(self) -> dict[str, Any]:
        """As clients read it."""
        held = self._held()
        return self.telling.shown(
            self.service.id,
            self._keeper.state,
            restarts=self._keeper.restarts,
            container=held.box if held is not None else None,
        )

    async def log(self, *, previous: bool) -> list[str]:
        """What its container wrote; with `previous`, what those did that have ended and are kept."""
        if (deployed := self._bundles(self.service)) is not None:
            found = await deployed.log(self.service, self._home.room, previous=previous)
            return [self._means.hide(line) for line in found]
        held = self._held()
        if previous:
            return await self._ended.logs()
        return await (self._ended.log(held.box) if held and held.box else self._ended.last_log())

    async def aclose(self) -> None:
        """Do nothing more; containers are left to their room, which ends them."""
        self._is_over = True
        self._tell_waiting(EngineFailed("the room has closed"))
        if self._timer is not None:
            self._timer.cancel()
        await self._tasks.aclose()
        await asyncio.gather(*(run.offer_no_more() for run in self._runs.values()))

    def _held(self) -> _Run | None:
        """The run that serves, or else the one that comes."""
        run = self._keeper.serving or self._keeper.coming
        return self._runs.get(run.number) if run is not None else None

    # ---- the loop

    def _feed(self, event: Input) -> None:
        if not self._is_over:
            self._obey(self._keeper.handle(event, self._means.clock.now()))

    def _tick(self) -> None:
        self._timer = None
        self._obey(self._keeper.tick(self._means.clock.now()))

    def _obey(self, actions: list[Any]) -> None:
        for action in actions:
            match action:
                case Start(number, plan):
                    self._begin(number, plan)
                case Call(number, name):
                    self._tasks.spawn(self._call(number, name), "call")
                case Stop(number, by_force):
                    self._tasks.spawn(self._stop(number, by_force=by_force), "stop")
                case Discard(number):
                    self._tasks.spawn(self._discard(number), "discard")
                case Tell():
                    self._tell(action)
        if self._keeper.state is State.IDLE:
            self._more = {}
            self._tell_waiting(EngineFailed("it was stopped before it ran"))
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (at := self._keeper.deadline) is not None and not self._is_over:
            delay_s = max(0.0, at - self._means.clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tell(self, tell: Tell) -> None:
        self.telling.note(tell)
        if tell.reason == "FailedStart":
            self._tell_waiting(EngineFailed(tell.message))
        if tell.reason == "BackOff" and (at := self._keeper.deadline) is not None:
            clock = self._means.clock
            self.telling.retry_at = clock.wall() + at - clock.now()
        told = _log.warning if tell.is_warning else _log.info
        about = {"service": self.service.name, "room": self._home.room}
        told("service.event", **about, reason=tell.reason, detail=tell.message)

    # ---- a run

    def _begin(self, number: int, plan: Plan) -> None:
        service = self._services[plan.revision]
        known = {run.service.revision for run in self._runs.values()} | {plan.revision, self.service.revision}
        self._services = {at: one for at, one in self._services.items() if at in known}
        run = self._runs[number] = _Run(service, signing_secret(), self._more)
        for sentence in not_served(service.spec):
            self._tell(Tell("NotServed", sentence, is_warning=True))
        run.task = self._tasks.spawn(self._live(number, run), "live")

    async def _live(self, number: int, run: _Run) -> None:
        spec = run.service.spec
        deployed = self._bundles(run.service)
        try:
            if deployed is not None:
                await deployed.ready(run.service)
            elif "container" in spec:
                await self._started(number, run)
        except (RuntimeServiceError, OSError) as error:
            self._runs.pop(number, None)
            self._feed(NoStart(number, str(error)))
            return
        except Exception:  # noqa: BLE001 - whatever it was, the keeper has to hear of it
            self._runs.pop(number, None)
            _log.exception("service.not_started", service=run.service.name, room=self._home.room)
            self._feed(NoStart(number, MISTAKE))
            return
        if run.box is None:  # it runs already, here as a bundle or somewhere else
            self._tell_waiting(EngineFailed("it runs in no container"))
            self._feed(Started(number))
            self._feed(Live(number))
            return
        self._tell_waiting(run.box)
        self._feed(Started(number))
        watching = [self._tasks.spawn(self._watch(number, run), "watch")]
        if plan_of(run.service).is_on_demand:
            watching.append(self._tasks.spawn(self._look_at_use(run), "use"))
        try:
            found = await self._means.boxes.wait(self._home.room, run.box)
        except ContainerNotFound:
            found = Exit(1, "lost", "it was removed")
        finally:
            for task in watching:
                task.cancel()
        self.telling.exit = (found.code, self._means.clock.wall())
        more, room = "", self._home.room
        try:
            more = await note_crash(self._means, run.service, room, run.box, found, run.began_at)
        except Exception:  # noqa: BLE001 - whatever it was, the keeper has to hear of the end
            _log.exception("service.not_reported", service=run.service.name, room=room)
        self._feed(Exited(number, how(found) + more))

    def _tell_waiting(self, what: BoxId | EngineFailed) -> None:
        waiting, self._waiting = [one for one in self._waiting if not one.done()], []
        for one in waiting:
            if isinstance(what, EngineFailed):
                one.set_exception(what)
            else:
                one.set_result(what)

    async def _started(self, number: int, run: _Run) -> None:
        means, service = self._means, run.service
        await asyncio.to_thread(provide, self._home.files, service.spec.get("files", ()))
        ask = await ask_of(
            service,
            room=self._home.room,
            session_id=self._session_id,
            name=f"{service.name}-{number}"[:128],
            store=means.store,
            mint=means.mint,
            secret=run.secret,
            more=run.more,
        )
        run.box = await means.boxes.run(self._home, ask, _BY)
        box = means.boxes.box(self._home.room, run.box)
        run.reached = dict(box.ports)
        run.began_at = self.telling.started_at = means.clock.wall()
        if box.image_id != service.image_digest:
            await means.store.services.note_image(service.id, service.revision, box.image_id)

    async def _watch(self, number: int, run: _Run) -> None:
        ports = ports_of(run.service.spec)
        seen = self.telling.ports = [
            PortSeen(port.named, port.liveness, "not_ready" if port.liveness else "not_configured")
            for port in ports
        ]
        await watch(
            ports, run.reached, seen, clock=self._means.clock, is_live=lambda: self._feed(Live(number))
        )

    async def _look_at_use(self, run: _Run) -> None:
        """Of one that runs on demand: whether somebody of it is in the room, or a command runs in it."""
        while run.box is not None:
            await asyncio.sleep(USE_S)
            with suppress(ContainerNotFound):
                execs = self._means.boxes.box(self._home.room, run.box).execs
                if self._held() is run:  # one that is to end is no reason for another
                    self._feed(Demand(bool(execs) or self._is_present(self.service.id)))

    async def _call(self, number: int, name: str) -> None:
        run = self._runs.get(number)
        if run is None:
            return
        error, offer = "", None
        try:
            offer = await bring(
                self._means,
                run.service,
                name,
                room=self._home.room,
                reached=run.reached,
                secret=run.secret,
                deployed=self._bundles(run.service),
                tell=self._tell,
            )
        except GoesOn:
            self._tell(Tell("GoesOn", f"{name}: its session goes on with the revision that it has"))
        except NotCalled as failed:
            error = str(failed)
        if offer is not None:
            if self._is_over or self._runs.get(number) is not run:
                await offer.aclose()
                return
            run.offers.append(offer)
        self._feed(Called(number, name, error))

    def _bundles(self, service: Service) -> Deployments | None:
        """What has the service, if it is a bundle that was sent here."""
        return self._means.deployed if is_bundle(service.spec) else None

    async def _stop(self, number: int, *, by_force: bool) -> None:
        run = self._runs.get(number)
        if run is not None:
            if run.task is not None:
                await cancelled(run.task)
            await run.offer_no_more()
            deployed = self._bundles(run.service)
            if deployed is not None and self._keeper.serving is None:  # else they go on beside it
                await deployed.end(run.service, self._home.room)
            if run.box is not None:
                try:
                    await self._means.boxes.stop(self._home.room, run.box, force=by_force)
                except ContainerNotFound:
                    pass
                except RuntimeServiceError as error:  # the keeper asks again, by force
                    self._tell(Tell("StopFailed", str(error), is_warning=True))
                    return
            await self._discard(number)
        self.telling.note(Tell("Stopped", f"run {number}"))
        self._feed(Gone(number))

    async def _discard(self, number: int) -> None:
        """Forget a run; its container, which has ended, is kept for its log."""
        run = self._runs.pop(number, None)
        if run is not None:
            await run.offer_no_more()
            if run.box is not None:
                await self._ended.keep(run.box)
