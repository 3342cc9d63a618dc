"""The sessions of services that are bundles: a `runtime.services.deployed.programs.Sessions`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from runtime.dispatch.dispatcher import Dispatcher
from runtime.dispatch.session_registry import SessionRegistry
from runtime.placement.contract import Placement
from runtime.session.calls.deployed import service_of
from runtime.session.record import SessionRecord


class DeployedSessions:
    """Runs in: the front's event loop."""

    def __init__(self, dispatcher: Dispatcher, registry: SessionRegistry, placement: Placement) -> None:
        self._dispatcher, self._registry, self._placement = dispatcher, registry, placement

    def count(
        self, service: str, room: str | None = None, path: str | None = None, *, besides: str = ""
    ) -> int:
        """See `Sessions`; so the others."""
        return sum(
            1
            for record in _of(self._registry.live(), service, room)
            if path in (None, record.spec.endpoint) and record.spec.bundle != besides
        )

    async def end(self, service: str, room: str) -> None:
        ids = [record.spec.session_id for record in _of(self._registry.live(), service, room)]
        await asyncio.gather(*(self._dispatcher.stop(one) for one in ids), return_exceptions=True)

    async def log(self, service: str, room: str, *, previous: bool) -> list[str]:
        found = self._registry.ended() if previous else self._registry.live()
        lines: list[str] = []
        for record in sorted(_of(found, service, room), key=lambda one: one.spec.accepted_at):
            session_id = record.spec.session_id
            if previous:
                lines.append(f"--- session {session_id} of {record.spec.bundle}")
            lines += [line.text for line in await self._placement.log_lines(session_id)]
        return lines


def _of(records: Iterable[SessionRecord], service: str, room: str | None) -> Iterator[SessionRecord]:
    for record in list(records):
        if service_of(record.spec.endpoint) == service and room in (None, record.spec.room):
            yield record
