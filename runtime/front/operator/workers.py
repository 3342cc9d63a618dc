"""What an operator asks of sessions: list, look at one, its log, its end, its stacks; and end it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, TypeVar

from msgspec import UNSET
from msgspec.structs import asdict
from quart import Blueprint, Response, request

from runtime.clock import iso
from runtime.dispatch.session_registry import exit_json
from runtime.front.http.contract import also, asks, belongs, encoded, gives
from runtime.front.http.refusal import Refusal
from runtime.front.openapi.shapes.crashes import CrashReport
from runtime.front.openapi.shapes.sessions import (
    Bundle,
    Bundles,
    Curve,
    Endpoint,
    Exit,
    Logs,
    LogsQuery,
    Message,
    Messages,
    Process,
    Restart,
    StopQuery,
    Worker,
    WorkerDetail,
    Workers,
    WorkersQuery,
)
from runtime.front.openapi.shapes.sessions import LogLine as LogLineShown
from runtime.front.operator.confined import confinement_of
from runtime.front.operator.crash.crashes import report_of, report_shown
from runtime.front.operator.events import EVENT_STREAM, sse
from runtime.front.operator.session.without_process import without_process
from runtime.front.operator.unchanging import Shown
from runtime.front.operator.usage.recent_use import shares
from runtime.front.state import Front, caller
from runtime.process.box.message_ring import KEPT
from runtime.session import record as records
from runtime.session.info import (
    BundleInfo,
    EndpointInfo,
    LogLine,
    MessageSeen,
    ProcessInfo,
    Vitals,
    not_served,
)
from runtime.session.record import SessionRecord
from runtime.session.redaction import Redactor
from runtime.session.use import UsePoint

FOLLOW_S: Final = 0.2
EXACT_COUNT: Final = 50
"""So many sessions are measured for a list.  Of more, those that never were measured in full, as far as there
is time; of the others is told what was read within the last second.

How a process shares its memory takes a millisecond to read: for a thousand, that held up everybody else.
"""
MEASURE_S: Final = 0.05
_FILTERS: Final = ("room", "identity", "endpoint")
"""Of a call; the node is the record's."""
_STEP_S: Final = 0.005
"""A list of a thousand sessions must not stop the loop for longer."""
W = TypeVar("W", bound=Worker)
_unchanging = Shown()  # session ids are unique, also over the servers of one process


def routes(front: Front) -> Blueprint:
    """``/workers`` and all below it."""
    paths = Blueprint("workers", __name__)
    belongs(paths, "sessions", to_operators=True)
    followers = asyncio.Semaphore(front.settings.max_subscribers)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.get("/workers")
    @asks(WorkersQuery)
    @gives(Workers)
    async def workers(query_args: WorkersQuery) -> Workers:
        """Endpoints, bundles and sessions"""
        _check(front, query_args)
        records = list(front.registry.live())
        if query_args.all or query_args.state == "exited":
            records += front.registry.ended()
        records = [record for record in records if _passes(record, query_args)]
        shown, clock = list[Worker](), front.clock
        is_short, exact, until = len(records) <= EXACT_COUNT, EXACT_COUNT, clock.now() + MEASURE_S
        rest_at = clock.now() + _STEP_S
        for record in records:
            last = None
            if record.exit is None and not is_short:
                last = front.placement.glance(record.spec.session_id)
            is_exact = is_short or (
                (last is None or not last.pss_bytes) and exact > 0 and clock.now() < until
            )
            if record.exit is None and is_exact:
                exact -= 1
                last = await front.placement.vitals(record.spec.session_id)
            shown.append(worker_as(Worker, front, record, last=last))
            if clock.now() >= rest_at:
                await asyncio.sleep(0)
                rest_at = clock.now() + _STEP_S
        served = bundles_of(front)
        return Workers(endpoints=served.endpoints, bundles=served.bundles, workers=shown)

    @paths.get("/workers/<session_id>")
    @gives(WorkerDetail)
    async def worker(session_id: str) -> WorkerDetail:
        """One session, with its process tree and what it used over time"""
        record = front.registry.record(session_id)
        hidden = Redactor()
        tree = [
            _process(one, hidden.text(one.command))
            for one in await front.placement.processes(record.spec.session_id)
        ]
        curve, last = curve_of(await _curve(front, record)), await _measured(front, record)
        return worker_as(WorkerDetail, front, record, last=last, processes=tree, curve=curve)

    @paths.get("/workers/<session_id>/messages")
    @gives(Messages)
    async def messages(session_id: str) -> Messages:
        """Which messages a session exchanged with its room last; not what is in them"""
        record = front.registry.record(session_id)
        seen = await front.placement.messages(record.spec.session_id)
        if not seen and record.exit is not None and front.crashes is not None:
            report = await front.crashes.report(session_id)
            seen = list(report.room_messages) if report is not None else []
        # The ring of the newest counts none of those that it pushed out.
        dropped = 0 if len(seen) < KEPT else None
        return Messages(messages=[_message(message) for message in seen], dropped=dropped)

    @paths.delete("/workers/<session_id>")
    @asks(StopQuery)
    @gives(Worker)
    async def stop(session_id: str, query_args: StopQuery) -> Worker:
        """End a session and wait for its end"""
        grace_s = None if query_args.grace_s is UNSET else query_args.grace_s
        finish_s = front.configuration.supervisor.reload_s if query_args.reload else None
        await front.dispatcher.stop(session_id, grace_s=grace_s, finish_s=finish_s)
        record = front.registry.record(session_id)
        return worker_as(Worker, front, record, last=await _measured(front, record))

    @paths.get("/workers/<session_id>/logs")
    @asks(LogsQuery)
    @gives(Logs)
    @also(200, "Kept lines; with follow a stream of them", EVENT_STREAM, "application/x-ndjson")
    async def logs(session_id: str, query_args: LogsQuery) -> Logs | Response:
        """What a session wrote"""
        record = front.registry.record(session_id)
        after = query_args.after
        if not query_args.follow:
            lines = await front.placement.log_lines(record.spec.session_id, after=after)
            return Logs(
                session=record.spec.session_id,
                lines=[_line(line) for line in lines],
                next=lines[-1].seq if lines else after,
                dropped=record.log_lines_dropped,
            )
        if followers.locked():
            raise Refusal("too_many_readers", "Too many logs are being followed; end one.")
        as_events = EVENT_STREAM in request.headers.get("Accept", "")
        resume = request.headers.get("Last-Event-ID", "")
        if as_events and resume.isascii() and resume.isdigit() and len(resume) < 16:
            after = int(resume)

        async def follow() -> AsyncIterator[bytes]:
            async with followers:
                async for line in _follow(front, record, after):
                    data = encoded(_line(line))
                    yield sse("line", data.decode(), str(line.seq)) if as_events else data + b"\n"

        kind = EVENT_STREAM if as_events else "application/x-ndjson"
        answer = Response(follow(), content_type=kind)
        answer.timeout = None
        return answer

    @paths.get("/workers/<session_id>/crash")
    @gives(CrashReport)
    async def crash(session_id: str) -> CrashReport:
        """Why a session did not end well; 404 when it ended as it was meant to"""
        return report_shown(await report_of(front, session_id))

    @paths.get("/workers/<session_id>/stacks")
    @also(200, "Stacks", "text/plain")
    async def stacks(session_id: str) -> Response:
        """Every asyncio task's and every thread's stack now, also while it hangs"""
        record = front.registry.record(session_id)
        text = await front.placement.stacks(record.spec.session_id)
        if text is None:
            return without_process(record)
        return Response(text, content_type="text/plain; charset=utf-8")

    return paths


def worker_as(
    kind: type[W],
    front: Front,
    record: SessionRecord,
    *,
    last: Vitals | None = None,
    **more: Any,
) -> W:
    """A session as the API shows it, in a shape that may have more fields, which `more` gives.

    Args:
        last: What was measured just now; without, it is shown as it was measured last.
    """
    spec, exit, fixed = record.spec, record.exit, _unchanging.of(record.spec, front.registry)
    vitals = last or (front.placement.glance(spec.session_id) if exit is None else None)
    if vitals is None:
        vitals = Vitals(cpu_s=record.cpu_s, rss_bytes=record.peak_rss_bytes if exit else 0)
    return kind(
        id=spec.session_id,
        state=record.state,
        pid=record.pid,
        node=record.node_id,
        boot=record.boot,
        endpoint=spec.endpoint,
        identity=spec.identity,
        room=spec.room,
        bundle=spec.bundle,
        attempt=record.generation,
        code_generation=record.code_generation,
        generation=record.generation,
        revision=_revision(front, record),
        accepted_at=fixed.accepted_at,
        uptime_s=round(front.registry.ages.of(record), 3),
        cpu_s=round(vitals.cpu_s, 3),
        rss_bytes=vitals.rss_bytes,
        pss_bytes=vitals.pss_bytes,
        disk_bytes=vitals.disk_bytes,
        fds=vitals.fds,
        threads=vitals.threads,
        children=vitals.children,
        lag_ms=None if vitals.lag_ms is None else round(vitals.lag_ms, 1),
        last_heartbeat=None if vitals.last_heartbeat is None else iso(vitals.last_heartbeat),
        note=vitals.note or None,
        frozen=vitals.frozen,
        restarts=record.restarts,
        restart=Restart(
            policy=spec.restart,
            at=None if record.restart_at is None else iso(record.restart_at),
            last_exit=None if record.last_exit is None else exit_of(record.last_exit),
        ),
        input=fixed.input,
        messages=record.messages,
        limits=fixed.limits,
        limit_sources=fixed.limit_sources,
        confinement=confinement_of(record),
        exit=None if exit is None else exit_of(exit),
        **more,
    )


def _revision(front: Front, record: SessionRecord) -> int:
    if front.deployments is None:
        return 0
    return front.deployments.revisions.of(record.spec.endpoint, record.spec.bundle, record.started_at)


async def _measured(front: Front, record: SessionRecord) -> Vitals | None:
    return None if record.exit is not None else await front.placement.vitals(record.spec.session_id)


def exit_of(exit: records.Exit) -> Exit:
    """An end as the API shows it."""
    return Exit(**exit_json(exit))


def _check(front: Front, wanted: WorkersQuery) -> None:
    """Raise EndpointNotFound for an endpoint that nobody serves and no session had."""
    path = wanted.endpoint
    if path and not front.knows(path):
        every = (*front.registry.live(), *front.registry.ended())
        if not any(record.spec.endpoint == path for record in every):
            raise not_served(path, front.placement.endpoints())


def _passes(record: SessionRecord, wanted: WorkersQuery) -> bool:
    return (
        wanted.state in (UNSET, record.state)
        and wanted.node in ("", record.node_id)
        and all(getattr(wanted, name) in ("", getattr(record.spec, name)) for name in _FILTERS)
    )


async def _curve(front: Front, record: SessionRecord) -> Sequence[UsePoint]:
    """What a session's processes used over time: while it runs, and after an end that has a report."""
    session_id = record.spec.session_id
    use = await front.placement.use(session_id)
    if use is None and record.exit is not None and front.crashes is not None:
        report = await front.crashes.report(session_id)
        use = report.use if report is not None else None
    return use.curve if use is not None else ()


def curve_of(curve: Sequence[UsePoint]) -> Curve:
    """A curve as one list a figure: seconds since the process began, share of a core, resident bytes."""
    return Curve(
        t_s=[round(point.t_s, 2) for point in curve],
        cpu=shares(curve),
        rss_bytes=[point.rss_bytes for point in curve],
    )


def bundles_of(front: Front) -> Bundles:
    """Bundles and their endpoints as the API shows them."""
    return Bundles(
        endpoints=[_endpoint(endpoint) for endpoint in front.placement.endpoints()],
        bundles=[_bundle(bundle) for bundle in front.placement.bundles()],
    )


def _endpoint(endpoint: EndpointInfo) -> Endpoint:
    return Endpoint(
        path=endpoint.path,
        identity=endpoint.identity,
        bundle=endpoint.bundle,
        code_generation=endpoint.generation,
        generation=endpoint.generation,
        state=endpoint.state,
        class_name=endpoint.class_name,
        kind=endpoint.kind,
        title=endpoint.title,
        description=endpoint.description,
        limits=endpoint.limits.plain(),
        limit_sources=dict(endpoint.limit_sources),
        error=endpoint.error or UNSET,
    )


def _bundle(bundle: BundleInfo) -> Bundle:
    return Bundle(
        name=bundle.name,
        source=bundle.source,
        code_generation=bundle.generation,
        generation=bundle.generation,
        state=bundle.state,
        pid=bundle.pid,
        parked=bundle.parked,
        threads=list(bundle.threads),
        fork=bundle.fork,
        forked=bundle.is_forked,
        opened=list(bundle.opened),
        start_ms=bundle.start_ms,
        error=bundle.error or UNSET,
        detail=bundle.detail if bundle.error else UNSET,
    )


def _process(one: ProcessInfo, command: str) -> Process:
    return Process(**asdict(one) | {"command": command, "started_at": iso(one.started_at)})


def _message(message: MessageSeen) -> Message:
    return Message(
        at=iso(message.at),
        direction=message.direction,
        kind=message.kind,
        bytes=message.bytes_count,
        count=message.count,
        summary=f"{message.count} in a row" if message.count > 1 else "",
    )


def _line(line: LogLine) -> LogLineShown:
    return LogLineShown(**asdict(line) | {"at": iso(line.at)})


async def _follow(front: Front, record: SessionRecord, after: int) -> AsyncIterator[LogLine]:
    while True:
        over = record.exit is not None or front.closing.is_set()
        lines = await front.placement.log_lines(record.spec.session_id, after=after)
        for line in lines:
            yield line
            after = line.seq
        if over and not lines:
            return
        if not lines:
            try:
                await asyncio.wait_for(front.closing.wait(), FOLLOW_S)
            except TimeoutError:
                pass
