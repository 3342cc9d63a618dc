"""One service in one room: does what its keeper decides, and tells the keeper what became of it.

Each run has a task that starts its container, watches its ports and waits for its end.  A run that is to end
loses that task first, so nothing is told of it but that it is gone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from runtime.clock import Clock
from runtime.containers.contract import Boxes, BoxId, Exit, Home, Starter
from runtime.containers.errors import ContainerNotFound
from runtime.errors import RuntimeServiceError
from runtime.logs import get_logger
from runtime.services.keeper import ServiceKeeper
from runtime.services.life.asked import Mint, ask_of, signing_secret
from runtime.services.life.liveness import answers
from runtime.services.life.reach import Endpoint, not_served, plan_of, ports_of, url_of
from runtime.services.life.telling import PortSeen, Telling
from runtime.services.service import Service
from runtime.services.store import Store
from runtime.services.terms import (
    Call,
    Called,
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
    Stop,
    Tell,
    Want,
    WantNot,
)
from runtime.tasks import Tasks

KEPT_BOXES: Final = 5
"""Containers of a service that have ended and are kept, for their logs."""
_OFTEN_S: Final = 0.1
_OFTEN_FOR_S: Final = 60.0
_SELDOM_S: Final = 0.5
_LIVE_S: Final = 5.0
_BY: Final = Starter("server", "")  # nobody can be called so
_log = get_logger("services")


class CallOut(Protocol):
    """Posts ``room.call`` to an endpoint."""

    async def __call__(self, url: str, *, room: str, token: str, room_url: str | None, secret: str) -> None:
        """Return once it was taken.

        Args:
            room_url: Where the endpoint finds the room; None for where everybody does.
            secret: Signs the call; empty leaves that to the server's own.

        Raises:
            RuntimeServiceError: It was not.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every life needs.

    Attributes:
        hide: Takes secrets out of a text.
    """

    store: Store
    boxes: Boxes
    mint: Mint
    call: CallOut
    clock: Clock
    hide: Callable[[str], str]


@dataclass(slots=True, eq=False)
class _Run:
    service: Service
    secret: str
    task: asyncio.Task[None] | None = None
    box: BoxId | None = None
    reached: dict[int, int] = field(default_factory=dict)


class Life:
    """Runs in: the front's event loop.  All but `aclose` return at once."""

    def __init__(self, service: Service, home: Home, session_id: str, means: Means) -> None:
        self.service = service
        self._home, self._session_id, self._means = home, session_id, means
        self._keeper = ServiceKeeper()
        self._services = {service.revision: service}
        self._runs: dict[int, _Run] = {}
        self._ended: deque[BoxId] = deque()
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

    @property
    def is_wanted(self) -> bool:
        return self._keeper.wanted is not None

    @property
    def is_idle(self) -> bool:
        """Nothing of it is left, or about to be."""
        return not self.is_wanted and not self._keeper.runs

    def state(self) -> dict[str, Any]:
        """As clients read it."""
        run = self._keeper.serving or self._keeper.coming
        held = self._runs.get(run.number) if run is not None else None
        return self.telling.shown(
            self.service.id,
            self._keeper.state,
            restarts=self._keeper.restarts,
            container=held.box if held is not None else None,
        )

    async def log(self, *, previous: bool) -> list[str]:
        """What its container wrote; with `previous`, what those did that have ended and are kept."""
        run = self._keeper.serving or self._keeper.coming
        held = self._runs.get(run.number) if run is not None else None
        current = [held.box] if held is not None and held.box is not None else list(self._ended)[-1:]
        lines: list[str] = []
        for box in list(self._ended) if previous else current:
            if previous:
                lines.append(f"--- container {box}")
            try:
                log = self._means.boxes.logs(self._home.room, box, follow=False)
                lines += [self._means.hide(line) async for line in log]
            except ContainerNotFound:
                continue  # it made way for newer ones
        return lines

    async def aclose(self) -> None:
        """Do nothing more; containers are left to their room, which ends them."""
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        await self._tasks.aclose()

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
        if tell.reason == "BackOff" and (at := self._keeper.deadline) is not None:
            clock = self._means.clock
            self.telling.retry_at = clock.wall() + at - clock.now()
        told = _log.warning if tell.is_warning else _log.info
        told(
            "service.event",
            service=self.service.name,
            room=self._home.room,
            reason=tell.reason,
            detail=tell.message,
        )

    # ---- a run

    def _begin(self, number: int, plan: Plan) -> None:
        service = self._services[plan.revision]
        known = {run.service.revision for run in self._runs.values()} | {plan.revision, self.service.revision}
        self._services = {at: one for at, one in self._services.items() if at in known}
        run = self._runs[number] = _Run(service, signing_secret())
        for sentence in not_served(service.spec):
            self._tell(Tell("NotServed", sentence, is_warning=True))
        run.task = self._tasks.spawn(self._live(number, run), "live")

    async def _live(self, number: int, run: _Run) -> None:
        spec = run.service.spec
        if "container" not in spec:  # it runs already, somewhere else
            self._feed(Started(number))
            self._feed(Live(number))
            return
        try:
            await self._started(number, run)
        except (RuntimeServiceError, OSError) as error:
            self._runs.pop(number, None)
            self._feed(NoStart(number, str(error)))
            return
        except Exception:  # noqa: BLE001 - whatever it was, the keeper has to hear of it
            self._runs.pop(number, None)
            _log.exception("service.not_started", service=run.service.name, room=self._home.room)
            self._feed(NoStart(number, "the server made a mistake; its log has the details"))
            return
        self._feed(Started(number))
        watching = self._tasks.spawn(self._watch(number, run), "watch")
        try:
            assert run.box is not None
            found = await self._means.boxes.wait(self._home.room, run.box)
        except ContainerNotFound:
            found = Exit(1, "lost", "it was removed")
        finally:
            watching.cancel()
        self.telling.exit = (found.code, self._means.clock.wall())
        self._feed(Exited(number, _how(found)))

    async def _started(self, number: int, run: _Run) -> None:
        means, service = self._means, run.service
        ask = await ask_of(
            service,
            room=self._home.room,
            session_id=self._session_id,
            name=f"{service.name}-{number}"[:128],
            store=means.store,
            mint=means.mint,
            secret=run.secret,
        )
        run.box = await means.boxes.run(self._home, ask, _BY)
        box = means.boxes.box(self._home.room, run.box)
        run.reached = dict(box.ports)
        self.telling.started_at = means.clock.wall()
        await means.store.services.note_image(service.id, service.revision, box.image_id)

    async def _watch(self, number: int, run: _Run) -> None:
        """Look at the ports: until all answer, then whether those with liveness go on."""
        ports = ports_of(run.service.spec)
        seen = self.telling.ports = [
            PortSeen(port.named, port.liveness, "not_ready" if port.liveness else "not_configured")
            for port in ports
        ]
        # Calling in where nobody listens yet would only fail.
        waiting = {port.number for port in ports if port.liveness or port.endpoints}
        clock, is_live = self._means.clock, False
        began = clock.now()
        while True:
            for port, one in zip(ports, seen, strict=True):
                if port.number in waiting or (is_live and port.liveness):
                    error = await answers(run.reached[port.number], port.liveness)
                    one.checked_at, one.error = clock.wall(), error or None
                    if port.liveness:
                        one.status = "not_ready" if error else "ready"
                    if not error:
                        waiting.discard(port.number)
            if not is_live and not waiting:
                is_live = True
                self._feed(Live(number))
            if is_live and not any(port.liveness for port in ports):
                return
            is_new = clock.now() - began < _OFTEN_FOR_S
            await asyncio.sleep(_LIVE_S if is_live else _OFTEN_S if is_new else _SELDOM_S)

    async def _call(self, number: int, name: str) -> None:
        run = self._runs.get(number)
        if run is None:
            return
        spec, means, room = run.service.spec, self._means, self._home.room
        port, endpoint = next(
            (port, one) for port in ports_of(spec) for one in port.endpoints if one.name == name
        )
        is_inside = "container" in spec
        error = ""
        try:
            await means.call(
                url_of(spec, port, endpoint.path, run.reached),
                room=room,
                token=self._token(endpoint),
                room_url=means.boxes.room_url(room) if is_inside else None,
                secret=run.secret if is_inside else "",
            )
        except (RuntimeServiceError, OSError) as failed:
            error = str(failed)
        self._feed(Called(number, name, error))

    def _token(self, endpoint: Endpoint) -> str:
        return self._means.mint(
            self._home.room, endpoint.identity, scope=endpoint.api, service=self.service.id
        )

    async def _stop(self, number: int, *, by_force: bool) -> None:
        run = self._runs.get(number)
        if run is not None:
            if run.task is not None:
                run.task.cancel()
                await asyncio.gather(run.task, return_exceptions=True)
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
        if run is None or run.box is None:
            return
        self._ended.append(run.box)
        while len(self._ended) > KEPT_BOXES:
            try:
                await self._means.boxes.remove(self._home.room, self._ended.popleft())
            except RuntimeServiceError as error:
                _log.warning("service.container_left", service=self.service.name, error=str(error))


def _how(found: Exit) -> str:
    what = "it ran out of memory" if found.oom_killed else f"it ended with {found.code}"
    return f"{what}: {found.message}" if found.message else what
