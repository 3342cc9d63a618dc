"""What follows the end of an attempt: another one, a parked input, or nothing.

Keeps the restarts and the quarantine, and writes the parked inputs down.  Runs in the front's event loop.
"""

from __future__ import annotations

import random

from msgspec.structs import replace

from runtime.clock import Clock, iso
from runtime.dispatch.session_registry import SessionRegistry
from runtime.errors import NotFound
from runtime.logs import get_logger
from runtime.session.events import Exited
from runtime.session.exit_reasons import ExitReason
from runtime.session.journal.journal import Journal
from runtime.session.quarantine import Parked, Quarantine, input_hash
from runtime.session.record import SessionRecord
from runtime.session.restart import Again, GivenUp, RestartPolicy, RestartRules, Restarts
from runtime.session.spec import SessionSpec
from runtime.settings import SupervisorSettings

_log = get_logger("recovery")


class Recovery:
    """Restarts and quarantine of one server."""

    def __init__(
        self,
        settings: SupervisorSettings,
        *,
        journal: Journal,
        registry: SessionRegistry,
        clock: Clock,
    ) -> None:
        self._journal, self._registry, self._clock = journal, registry, clock
        rules = RestartRules(
            intensity=settings.restart_intensity,
            period_s=settings.restart_period_s,
            first_s=settings.restart_first_s,
            most_s=settings.restart_most_s,
            stable_s=settings.restart_stable_s,
            room_s=settings.restart_room_s,
        )
        self._restarts = Restarts(rules, chance=random.random)
        self._is_on = settings.quarantine_deaths > 0
        self.quarantine = Quarantine(
            deaths=max(1, settings.quarantine_deaths), period_s=settings.quarantine_period_s
        )
        registry.closed.append(lambda record: self._restarts.forget(record.spec.session_id))

    async def start(self) -> None:
        """Take in what an earlier run parked."""
        self.quarantine.restore(await self._journal.load_parked())

    def decide(
        self, record: SessionRecord, event: Exited, *, may_restart: bool
    ) -> tuple[Exited, Again | None]:
        """The event as it is to be told, and the next attempt if there is to be one.

        Args:
            may_restart: False when the session was asked to end, or nothing may start any more.
        """
        spec, exit = record.spec, event.exit
        parked = self._judge(record, event)
        policy = RestartPolicy(spec.restart)
        if exit.reason is ExitReason.MOVED and not record.was_ready:
            policy = RestartPolicy.ALWAYS  # a call that is owed its session, whatever may follow that
        if spec.relay or not may_restart:
            return event, None
        lived_s = self._registry.ages.since_ready_s(spec.session_id)
        decision = self._restarts.ended(
            spec.session_id, exit, policy=policy, lived_s=lived_s, now=self._clock.now()
        )
        if decision is None:
            return event, None
        if parked is not None:
            message = f"{parked.sentence}. {parked.cure}"
            return replace(event, exit=replace(exit, reason=ExitReason.QUARANTINED, message=message)), None
        if isinstance(decision, GivenUp):
            return replace(event, exit=replace(exit, message=f"{exit.message}; {decision.message}")), None
        return event, decision

    def parked(self, spec: SessionSpec) -> Parked | None:
        """The parked input of a session, if it has one."""
        return self.quarantine.find(input_hash(spec.endpoint, spec.room, spec.arguments))

    def refused(self, record: SessionRecord) -> tuple[ExitReason, str] | None:
        """Why a session that waited must not start any more; for `Launcher`."""
        parked = self.parked(record.spec)
        return None if parked is None else (ExitReason.QUARANTINED, f"{parked.sentence}. {parked.cure}")

    def release(self, hash: str) -> Parked:
        """Let an input run again.

        Raises:
            NotFound: It is not parked.
        """
        parked = self.quarantine.release(hash)
        if parked is None:
            raise NotFound(
                f"no input {hash[:40]} is in quarantine", cure="GET /quarantine lists the ones that are."
            )
        self._journal.note_released(hash)
        self._registry.announce("quarantine.released", {"hash": hash, "endpoint": parked.endpoint})
        _log.info("quarantine.released", hash=hash, endpoint=parked.endpoint)
        return parked

    def _judge(self, record: SessionRecord, event: Exited) -> Parked | None:
        spec = record.spec
        hash = input_hash(spec.endpoint, spec.room, spec.arguments) if self._is_on else ""
        if not hash:
            return None
        was = self.quarantine.find(hash)
        parked = self.quarantine.ended(
            hash,
            event.exit,
            endpoint=spec.endpoint,
            room=spec.room,
            session_id=spec.session_id,
            at=event.at,
        )
        if parked is not None and was is None:
            self._journal.note_parked(parked)
            self._registry.parked(spec.endpoint, parked_json(parked))
            _log.error("quarantine.parked", hash=hash, endpoint=spec.endpoint, room=spec.room)
        return parked


def parked_json(parked: Parked) -> dict[str, object]:
    """A parked input as the API shows it."""
    return {
        "hash": parked.hash,
        "endpoint": parked.endpoint,
        "room": parked.room,
        "deaths": parked.deaths,
        "session": parked.session_id,
        "message": parked.message,
        "parked_at": iso(parked.at),
        "cure": parked.cure,
    }
