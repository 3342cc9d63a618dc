"""What is answered of a session that has no process, because it ended or did not start yet."""

from __future__ import annotations

from quart import Response

from runtime.dispatch.session_registry import exit_json
from runtime.front.http.problems import problem
from runtime.session.record import SessionRecord


def without_process(record: SessionRecord) -> Response:
    """A problem that says how it ended, if it did, and where more is to be read."""
    session = record.spec.session_id
    if record.exit is None:
        told, cure = f"session {session} is {record.state}, and has no process now", "Ask again later."
    else:
        told = f"session {session} has ended: {record.exit.reason}"
        cure = f"GET /workers/{session}/logs has what it wrote; GET /workers lists those that run."
    exit = {} if record.exit is None else {"exit": exit_json(record.exit)}
    return problem("no_process", f"{told}. {cure}", session=session, cure=cure, **exit)
