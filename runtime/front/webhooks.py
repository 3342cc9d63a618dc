"""Calls: POST to an endpoint's path, or a websocket to it that becomes the agent's room connection."""

from __future__ import annotations

import re
from typing import Final

import structlog
from quart import Blueprint, Response, g, request, websocket
from werkzeug.exceptions import MethodNotAllowed

from runtime.dispatch.dispatcher import Accepted
from runtime.dispatch.session_registry import exit_json
from runtime.errors import EnvelopeInvalid
from runtime.front.access.rules import Caller
from runtime.front.http.body import read_body
from runtime.front.http.contract import also, belongs, gives, heeds, json_answer, proven_by, sends
from runtime.front.http.problems import UPGRADE, problem
from runtime.front.http.refusal import Refusal
from runtime.front.http.socket import PacketSocket
from runtime.front.openapi.shapes.webhooks import CallData, Called, CallHeaders, Webhook
from runtime.front.state import Front, caller
from runtime.logs import get_logger
from runtime.session.admission import Duplicate, Refused
from runtime.session.exit_reasons import ExitReason
from runtime.session.record import SessionRecord
from runtime.telemetry import names as at
from runtime.telemetry.context import TraceContext
from runtime.wire.manifest.own import reserved_by
from runtime.wire.webhook import (
    RoomCall,
    RoomEnded,
    RoomStarted,
    UnknownEvent,
    check_id,
    check_own_room,
    parse,
    payload_of,
    unread_type,
)

MAX_WAIT_S: Final = 300.0
MAX_UNKNOWN_LOGGED: Final = 100
EXAMPLE: Final = Webhook(event="room.call", data=CallData(room_name="myroom"))
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})", re.IGNORECASE)
_log = get_logger("webhooks")


def routes(front: Front) -> Blueprint:
    """The catch-all for endpoint paths; every fixed route wins over it."""
    paths = Blueprint("webhooks", __name__)
    belongs(paths, "calls")
    unknown_logged: set[str] = set()

    async def taken(path: str) -> Response:
        if reserved_by(path):
            raise MethodNotAllowed  # if the path has any
        who = caller()
        _arrived(front, path, who)
        if request.method != "POST" and not who.headers.get("meshagent-webhook"):
            return _not_a_post(front, path)
        body = await read_body(request, timeout_s=front.settings.body_timeout_s)
        answer = await _answer(front, path, who, payload_of(who.headers, body), unknown_logged)
        return await _after_waiting(front, answer, who)

    @paths.post("/<path:endpoint>")
    @proven_by({}, {"meshagent": []}, {"standardWebhooks": []}, {"browserSession": []})
    @heeds(CallHeaders)
    @sends(Webhook, example=EXAMPLE)
    @gives(Called, 202, example=Called(session="s_7Q4M2XKB9TEV", state="starting"))
    @gives(Called, example=Called(session="s_7Q4M2XKB9TEV"))
    async def webhook(endpoint: str) -> Response:
        """Call an agent into a room"""
        return await taken(f"/{endpoint}")

    @paths.get("/<path:endpoint>")
    @proven_by({}, {"meshagent": []}, {"standardWebhooks": []}, {"browserSession": []})
    @heeds(CallHeaders)
    @also(101, "The room protocol follows, with the caller as the room")
    @gives(Called, 202)
    @gives(Called)
    async def unposted(endpoint: str) -> Response:
        """Call an agent by websocket: the socket becomes its room connection"""
        return await taken(f"/{endpoint}")

    @paths.after_app_request
    async def count(answer: Response) -> Response:
        if (arrived := g.get("arrived")) is not None:
            outcome = g.get("outcome") or g.get("problem_code") or "failed"
            answer_s = g.get("answered", front.clock.now()) - arrived
            context = g.asked.context
            front.metrics.webhook(g.path, outcome, answer_s, "" if context is None else context.header())
            _traced(front, request.method, outcome, answer.status_code)
        return answer

    @paths.websocket("/<path:endpoint>")
    async def relay(endpoint: str) -> Response | None:
        path = f"/{endpoint}"
        who = caller()
        if reserved_by(path):
            return problem("not_found", "No websocket is served at this path.")
        if not who.headers.get("meshagent-webhook"):
            return problem(
                "envelope_invalid",
                "A websocket to an endpoint carries its room.call as JSON in the Meshagent-Webhook header.",
            )
        payload = payload_of(who.headers, b"")
        webhook_id = _verify(front, who, payload)
        _refuse_unready(front)
        await front.readiness.known(path)
        call = parse(payload)
        if not isinstance(call, RoomCall):
            raise EnvelopeInvalid("only room.call may come as a websocket", cure="POST other events.")
        socket = PacketSocket.current()
        outcome = await front.dispatcher.call(
            path,
            call,
            webhook_id=webhook_id,
            request_id=g.request_id,
            traceparent=_arrived(front, path, who),
            relay=socket,
        )
        match outcome:
            case Refused():
                return _refused(outcome)
            case Duplicate(session_id=first):
                return problem(
                    "conflict", f"This call is session {first}, which has a socket.", session=first
                )
            case Accepted(session_id=session_id):
                # Accepted only now: before, a refusal can still be said with an HTTP status.
                await websocket.accept()
                g.session_id = session_id
                _traced(front, "GET", "accepted", 101)
                await front.registry.wait(session_id, until="exited", timeout_s=None)
                await socket.close()
                return None

    return paths


async def _answer(front: Front, path: str, who: Caller, payload: bytes, unknown_logged: set[str]) -> Response:
    webhook_id = _verify(front, who, payload)
    _refuse_unready(front)
    await front.readiness.known(path)  # the better news, whatever was sent there
    event = parse(payload, unread=unread_type(who.headers))
    match event:
        case UnknownEvent(name=name):
            if name not in unknown_logged and len(unknown_logged) < MAX_UNKNOWN_LOGGED:
                unknown_logged.add(name)
                _log.info("webhook.event_unknown", name=name, endpoint=path)
            g.outcome = "ignored"
            return json_answer(Called())
        case RoomStarted():
            g.outcome = "room_started"
            return json_answer(Called())
        case RoomEnded(room_name=room):
            _log.info("webhook.room_ended", room=room, sessions=front.dispatcher.end_room(room))
            g.outcome = "room_ended"
            return json_answer(Called())
        case RoomCall():
            check_own_room(event)  # not when it brings its own socket: then the room is elsewhere
    outcome = await front.dispatcher.call(
        path, event, webhook_id=webhook_id, request_id=g.request_id, traceparent=g.traceparent
    )
    if isinstance(outcome, Refused):
        return _refused(outcome)
    g.outcome = "duplicate" if isinstance(outcome, Duplicate) else "accepted"
    g.session_id = outcome.session_id
    _log.info("webhook.accepted", endpoint=path, session_id=outcome.session_id, outcome=g.outcome)
    return _ok(outcome.session_id)


async def _after_waiting(front: Front, answer: Response, who: Caller) -> Response:
    session_id = g.get("session_id")
    wait_s = _wait_s(who.headers.get("prefer", ""))
    if session_id is None or wait_s is None or session_id not in front.registry:  # an id outlives its record
        return answer
    g.answered = front.clock.now()
    record = await front.registry.wait(session_id, until="settled", timeout_s=wait_s)
    applied = {"Preference-Applied": f"wait={wait_s:g}", "Location": f"/workers/{session_id}"}
    if _is_left_over(front, record):
        detail = (
            f"The server ends before {session_id} could run. It is accepted, and is started by the next one: "
            "send the call again with the same id to wait for it, or ask GET /workers then."
        )
        return problem("draining", detail, headers=applied | {"Retry-After": "5"}, session=session_id)
    waits = record.exit is None and record.restart_at is not None
    exit = record.last_exit if waits else record.exit
    if exit is not None and not (record.ready_at is not None or exit.reason.is_clean):
        failure = exit.failure
        where = {"where": failure.where, "error": f"{failure.kind}: {failure.message}"} if failure else {}
        then = " It is started again by itself." if waits else ""
        detail = f"{exit.message}.{then} GET /workers/{session_id}/crash has the whole report."
        return problem(
            "agent_failed", detail, headers=applied, session=session_id, exit=exit_json(exit), **where
        )
    settled = exit is not None or record.ready_at is not None
    called = Called(session=session_id, state=record.state if settled else "starting")
    done = json_answer(called, 200 if settled else 202)
    done.headers.update(applied)
    return done


def _is_left_over(front: Front, record: SessionRecord) -> bool:
    if record.exit is not None:
        return record.exit.reason is ExitReason.DRAINED and not record.was_ready
    return record.state == "accepted" and front.dispatcher.draining


def _verify(front: Front, who: Caller, payload: bytes) -> str:
    verified = front.access.webhook(who, payload, now=front.clock.wall())
    if verified is not None and verified.webhook_id:
        return check_id(verified.webhook_id)
    given = who.headers.get("idempotency-key", "").strip().strip('"')
    return check_id(given or ("" if verified else who.headers.get("webhook-id", "")))


def _refuse_unready(front: Front) -> None:
    if not front.is_ready and not front.dispatcher.draining:
        raise Refusal(
            "starting", "The journal is being read. Call again in a second.", headers={"Retry-After": "1"}
        )


def _refused(outcome: Refused) -> Response:
    detail = f"{outcome.message}. {outcome.cure}"
    when = {} if outcome.retry_after_s is None else {"Retry-After": str(outcome.retry_after_s)}
    return problem(outcome.code, detail, headers=when, cure=outcome.cure)


def _ok(session_id: str) -> Response:
    answer = json_answer(Called(session=session_id))
    answer.headers["Location"] = f"/workers/{session_id}"
    return answer


def _not_a_post(front: Front, path: str) -> Response:
    if not front.knows(path):
        raise front.readiness.unserved(path)
    detail = (
        f'POST {{"event":"room.call","data":{{"room_name":"myroom"}}}} to {path}, or open it as a websocket.'
    )
    return problem("upgrade_required", detail, headers=UPGRADE)


def _wait_s(prefer: str) -> float | None:
    match = _WAIT.search(prefer)
    return min(MAX_WAIT_S, float(match[1])) if match else None


def _arrived(front: Front, path: str, who: Caller) -> str:
    """Begin to count and to trace a call; what its session is to be told of its trace."""
    given = who.headers.get("traceparent", "").strip()
    g.arrived, g.arrived_at, g.path = front.clock.now(), front.clock.wall(), path
    g.asked = asked = front.dispatcher.spans.asked(given)
    if asked.context is None or asked.session is None:
        g.traceparent = given if TraceContext.read(given) is not None else ""
    else:
        g.traceparent = asked.session.header()
        g.trace_id = asked.context.trace_id
        structlog.contextvars.bind_contextvars(trace_id=asked.context.trace_id, span_id=asked.context.span_id)
    traceparent: str = g.traceparent
    return traceparent


def _traced(front: Front, method: str, outcome: str, status: int) -> None:
    said: dict[str, bool | int | float | str | list[str]] = {at.HTTP_STATUS: status, at.OUTCOME: outcome}
    if (session_id := g.get("session_id")) is not None:
        said[at.SESSION_ID] = session_id
    error = "" if status < 500 else str(status)
    if error:
        said[at.ERROR] = error
    front.dispatcher.spans.answered(g.asked, method, g.path, g.arrived_at, said, error)
