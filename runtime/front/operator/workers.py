"""What an operator asks of sessions: list, look at one, its log, its end, its stacks; and end it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, get_args

from quart import Blueprint, Response, json, jsonify, request

from runtime.clock import iso
from runtime.dispatch.session_registry import exit_json
from runtime.front.http.problems import problem
from runtime.front.http.refusal import Refusal
from runtime.front.operator.crashes import report_json, report_of
from runtime.front.operator.events import EVENT_STREAM, sse
from runtime.front.operator.recent_use import shares
from runtime.front.state import Front, caller
from runtime.process.message_ring import KEPT
from runtime.session.info import BundleInfo, EndpointInfo, LogLine, MessageSeen, Vitals, not_served
from runtime.session.quarantine import input_hash
from runtime.session.record import SessionRecord
from runtime.session.redaction import Redactor
from runtime.session.spec import SessionState
from runtime.session.use import UsePoint

FOLLOW_S: Final = 0.2
MAX_GRACE_S: Final = 3600.0
STATES: Final[tuple[str, ...]] = get_args(SessionState)
_FILTERS: Final = ("room", "identity", "endpoint")
_YIELD_EVERY_COUNT: Final = 10


def routes(front: Front) -> Blueprint:
    """``/workers`` and all below it."""
    paths = Blueprint("workers", __name__)
    followers = asyncio.Semaphore(front.settings.max_subscribers)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.get("/workers")
    async def workers() -> Response:
        wanted = _filter(front)
        records = list(front.registry.live())
        if request.args.get("all", "") not in ("", "0", "false") or wanted.get("state") == "exited":
            records += front.registry.ended()
        records = [record for record in records if _passes(record, wanted)]
        shown = []
        for count, record in enumerate(records, 1):
            shown.append(worker_json(front, record))
            if count % _YIELD_EVERY_COUNT == 0:
                await asyncio.sleep(0)  # measuring a thousand process trees must not stop the loop for long
        return jsonify(
            **bundles_json(front),
            workers=shown,
        )

    @paths.get("/workers/<session_id>")
    async def worker(session_id: str) -> Response:
        record = front.registry.record(session_id)
        hidden = Redactor()
        tree = [
            asdict(one) | {"command": hidden.text(one.command), "started_at": iso(one.started_at)}
            for one in await front.placement.processes(record.spec.session_id)
        ]
        curve = await _curve(front, record)
        return jsonify(worker_json(front, record) | {"processes": tree, "curve": curve_json(curve)})

    @paths.get("/workers/<session_id>/messages")
    async def messages(session_id: str) -> Response:
        record = front.registry.record(session_id)
        seen = front.placement.messages(record.spec.session_id)
        if not seen and record.exit is not None and front.crashes is not None:
            report = await front.crashes.report(session_id)
            seen = list(report.room_messages) if report is not None else []
        # The ring of the newest counts none of those that it pushed out.
        dropped = 0 if len(seen) < KEPT else None
        return jsonify(messages=[_message_json(message) for message in seen], dropped=dropped)

    @paths.delete("/workers/<session_id>")
    async def stop(session_id: str) -> Response:
        grace_s = _number("grace_s", MAX_GRACE_S)
        await front.dispatcher.stop(session_id, grace_s=grace_s)
        return jsonify(worker_json(front, front.registry.record(session_id)))

    @paths.get("/workers/<session_id>/logs")
    async def logs(session_id: str) -> Response:
        record = front.registry.record(session_id)
        after = int(_number("after", 1e15) or 0)
        if request.args.get("follow", "") in ("", "0", "false"):
            lines = front.placement.log_lines(record.spec.session_id, after=after)
            dropped = record.log_lines_dropped
            last = lines[-1].seq if lines else after
            return jsonify(
                session=session_id, lines=[_line_json(line) for line in lines], next=last, dropped=dropped
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
                    data = _line_json(line)
                    text = json.dumps(data, ensure_ascii=False)
                    yield sse("line", text, str(line.seq)) if as_events else f"{text}\n".encode()

        kind = EVENT_STREAM if as_events else "application/x-ndjson"
        answer = Response(follow(), content_type=kind)
        answer.timeout = None
        return answer

    @paths.get("/workers/<session_id>/crash")
    async def crash(session_id: str) -> Response:
        return jsonify(report_json(await report_of(front, session_id)))

    @paths.get("/workers/<session_id>/stacks")
    async def stacks(session_id: str) -> Response:
        record = front.registry.record(session_id)
        text = await front.placement.stacks(record.spec.session_id)
        if text is None:
            return problem("no_process", f"Session {session_id} has no process.", session=session_id)
        return Response(text, content_type="text/plain; charset=utf-8")

    return paths


def worker_json(front: Front, record: SessionRecord, *, measured: bool = True) -> dict[str, Any]:
    """A session as the API shows it, measured now when it has a process; or as it was measured last."""
    spec, exit = record.spec, record.exit
    look = front.placement.vitals if measured else front.placement.glance
    vitals = look(spec.session_id) if exit is None else None
    if vitals is None:
        vitals = Vitals(cpu_s=record.cpu_s, rss_bytes=record.peak_rss_bytes if exit else 0)
    until = exit.at if exit is not None else front.clock.wall()
    return {
        "id": spec.session_id,
        "state": record.state,
        "pid": record.pid,
        "endpoint": spec.endpoint,
        "identity": spec.identity,
        "room": spec.room,
        "bundle": spec.bundle,
        "generation": record.generation,
        "accepted_at": iso(spec.accepted_at),
        "uptime_s": 0.0 if record.started_at is None else round(max(0.0, until - record.started_at), 3),
        "cpu_s": round(vitals.cpu_s, 3),
        "rss_bytes": vitals.rss_bytes,
        "pss_bytes": vitals.pss_bytes,
        "fds": vitals.fds,
        "threads": vitals.threads,
        "children": vitals.children,
        "lag_ms": None if vitals.lag_ms is None else round(vitals.lag_ms, 1),
        "last_heartbeat": None if vitals.last_heartbeat is None else iso(vitals.last_heartbeat),
        "restarts": record.restarts,
        "restart": {
            "policy": spec.restart,
            "at": None if record.restart_at is None else iso(record.restart_at),
            "last_exit": None if record.last_exit is None else exit_json(record.last_exit),
        },
        "input": input_hash(spec.endpoint, spec.room, spec.arguments) or None,
        "messages": record.messages,
        "limits": spec.limits.plain(),
        "limit_sources": dict(spec.limit_sources),
        "exit": None if exit is None else exit_json(exit),
    }


def _filter(front: Front) -> dict[str, str]:
    """What the query asks for, by the name of the field.

    Raises:
        Refusal: A state that there is not, or an endpoint that nobody serves and no session had.
    """
    wanted = {name: request.args[name] for name in ("state", *_FILTERS) if request.args.get(name)}
    state = wanted.get("state")
    if state is not None and state not in STATES:
        raise Refusal("invalid_request", f"There is no state {state[:40]!r}: {', '.join(STATES)}.")
    path = wanted.get("endpoint")
    if path is not None and not front.knows(path):
        records = (*front.registry.live(), *front.registry.ended())
        if not any(record.spec.endpoint == path for record in records):
            raise not_served(path, front.placement.endpoints())
    return wanted


def _passes(record: SessionRecord, wanted: Mapping[str, str]) -> bool:
    state = wanted.get("state", record.state)
    return record.state == state and all(
        getattr(record.spec, name) == wanted[name] for name in _FILTERS if name in wanted
    )


async def _curve(front: Front, record: SessionRecord) -> Sequence[UsePoint]:
    """What a session's processes used over time: while it runs, and after an end that has a report."""
    session_id = record.spec.session_id
    use = front.placement.use(session_id)
    if use is None and record.exit is not None and front.crashes is not None:
        report = await front.crashes.report(session_id)
        use = report.use if report is not None else None
    return use.curve if use is not None else ()


def curve_json(curve: Sequence[UsePoint]) -> dict[str, Any]:
    """A curve as one list a figure: seconds since the process began, share of a core, resident bytes."""
    return {
        "t_s": [round(point.t_s, 2) for point in curve],
        "cpu": shares(curve),
        "rss_bytes": [point.rss_bytes for point in curve],
    }


def bundles_json(front: Front) -> dict[str, Any]:
    """Bundles and their endpoints as the API shows them."""
    return {
        "endpoints": [_endpoint_json(endpoint) for endpoint in front.placement.endpoints()],
        "bundles": [_bundle_json(bundle) for bundle in front.placement.bundles()],
    }


def _endpoint_json(endpoint: EndpointInfo) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "path": endpoint.path,
        "identity": endpoint.identity,
        "bundle": endpoint.bundle,
        "generation": endpoint.generation,
        "state": endpoint.state,
        "class": endpoint.class_name,
        "kind": endpoint.kind,
        "title": endpoint.title,
        "description": endpoint.description,
        "limits": endpoint.limits.plain(),
        "limit_sources": dict(endpoint.limit_sources),
    }
    return shown | ({"error": endpoint.error} if endpoint.error else {})


def _bundle_json(bundle: BundleInfo) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": bundle.name,
        "source": bundle.source,
        "generation": bundle.generation,
        "state": bundle.state,
        "pid": bundle.pid,
        "parked": bundle.parked,
        "threads": list(bundle.threads),
        "fork": bundle.fork,
        "forked": bundle.is_forked,
        "opened": list(bundle.opened),
        "start_ms": bundle.start_ms,
    }
    return shown | ({"error": bundle.error, "detail": bundle.detail} if bundle.error else {})


def _message_json(message: MessageSeen) -> dict[str, Any]:
    return {
        "at": iso(message.at),
        "direction": message.direction,
        "kind": message.kind,
        "bytes": message.bytes_count,
        "count": message.count,
        "summary": f"{message.count} in a row" if message.count > 1 else "",
    }


def _line_json(line: LogLine) -> dict[str, Any]:
    return {
        "seq": line.seq,
        "at": iso(line.at),
        "stream": line.stream,
        "level": line.level,
        "text": line.text,
    }


async def _follow(front: Front, record: SessionRecord, after: int) -> AsyncIterator[LogLine]:
    while True:
        over = record.exit is not None or front.closing.is_set()
        lines = front.placement.log_lines(record.spec.session_id, after=after)
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


def _number(name: str, most: float) -> float | None:
    text = request.args.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise Refusal("invalid_request", f"{name} must be a number from 0 to {most:g}.")
    return value
