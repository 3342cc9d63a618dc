"""``/crashes``: what ended badly, by kind and place; and one session's report."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from msgspec.structs import asdict
from quart import Blueprint, Response

from runtime.clock import iso
from runtime.dispatch.session_registry import exit_json
from runtime.front.http.contract import also, belongs, gives
from runtime.front.http.refusal import Refusal
from runtime.front.openapi.shapes import crashes as shapes
from runtime.front.operator.crash.crash_bundle import crash_bundle
from runtime.front.state import Front, caller
from runtime.session.crash import CrashReport
from runtime.session.crash_store import CrashGroup


def routes(front: Front) -> Blueprint:
    """``/crashes`` and all below it."""
    paths = Blueprint("crashes", __name__)
    belongs(paths, "crashes", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.get("/crashes")
    @gives(shapes.Crashes)
    async def crashes() -> shapes.Crashes:
        """What ended badly, by kind and place"""
        groups = await front.crashes.groups() if front.crashes is not None else []
        return shapes.Crashes(crashes=[group_of(group) for group in groups])

    @paths.get("/crashes/<fingerprint>")
    @gives(shapes.CrashKind)
    async def crash(fingerprint: str) -> shapes.CrashKind:
        """One kind of crash, its sessions and its latest report"""
        found = await front.crashes.group(fingerprint) if front.crashes is not None else None
        if found is None:
            cure = "GET /crashes lists those there are."
            told = f"no kind of crash has the fingerprint {fingerprint[:40]}. {cure}"
            raise Refusal("crash_not_found", told, cure=cure)
        group, reports = found
        sessions = [
            shapes.CrashOf(
                session=report.session_id,
                attempt=report.generation,
                generation=report.generation,
                at=iso(report.at),
            )
            for report in reports
        ]
        return shapes.CrashKind(
            **_group(group), sessions=sessions, report=report_shown(reports[0]) if reports else None
        )

    @paths.get("/workers/<session_id>/crash/bundle")
    @also(200, "A tar.gz, the same one each time", "application/gzip")
    async def bundle(session_id: str) -> Response:
        """The report as one file to hand on: text, data, log, stacks, call, source, versions"""
        report = await report_of(front, session_id)
        packed = await asyncio.to_thread(crash_bundle, report, report_json(report))
        name = f'attachment; filename="crash-{report.session_id}.tar.gz"'
        return Response(packed, content_type="application/gzip", headers={"Content-Disposition": name})

    return paths


async def report_of(front: Front, session_id: str) -> CrashReport:
    """The report of a session that ended badly.

    Raises:
        SessionNotFound: Nobody knows the session.
        Refusal: It runs, ended as it was meant to, or its report is gone with the oldest.
    """
    found = await front.crashes.report(session_id) if front.crashes is not None else None
    if found is not None:
        return found
    record = front.registry.record(session_id)
    if record.exit is None:
        raise Refusal("not_exited", f"Session {session_id} is {record.state}.", session=session_id)
    if record.exit.reason.is_clean:
        why = f"It ended well: {record.exit.reason}. `bulkhead logs {session_id}` shows what it wrote."
    else:
        why = "Its report was dropped with the oldest. GET /crashes shows what kind it was."
    raise Refusal("not_crashed", why, session=session_id)


def report_json(report: CrashReport) -> dict[str, Any]:
    """A report as the API shows it: times as text, the parts under the names that other answers use."""
    shown: dict[str, Any] = msgspec.to_builtins(report)
    failure = shown["exit"]["failure"]
    del shown["session_id"], shown["exit"]
    if failure is not None:
        failure["traceback"] = shown["traceback"]
    log = [{**line, "at": iso(line["at"])} for line in shown["log"]]
    messages = [{**message, "at": iso(message["at"])} for message in shown["messages"]]
    room = [{**message, "at": iso(message["at"])} for message in shown["room_messages"]]
    shown["attempt"] = report.generation
    shown["code"]["code_generation"] = report.code.generation
    code = {**shown["code"], "modified_at": iso(report.code.modified_at) if report.code.modified_at else None}
    more = {"at": iso(report.at), "log": log, "messages": messages, "room_messages": room, "code": code}
    return {"session": report.session_id, "exit": exit_json(report.exit), **shown, **more, "failure": failure}


def report_shown(report: CrashReport) -> shapes.CrashReport:
    """The same, as the shape it is promised in."""
    return msgspec.convert(report_json(report), shapes.CrashReport)


def group_of(group: CrashGroup) -> shapes.CrashGroup:
    """A kind of crash as the API shows it."""
    return shapes.CrashGroup(**_group(group))


def _group(group: CrashGroup) -> dict[str, Any]:
    return {**asdict(group), "first_at": iso(group.first_at), "last_at": iso(group.last_at)}
