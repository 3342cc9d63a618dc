"""Errors as RFC 9457 problem documents; the one table from an error's code to its HTTP status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from quart import Quart, Response, g, has_request_context, request, websocket
from werkzeug.exceptions import HTTPException

from runtime.errors import RuntimeServiceError
from runtime.front.http.complaint import complaint
from runtime.front.http.contract import Unfit, asked_of, json_answer
from runtime.front.http.refusal import Refusal
from runtime.logs import get_logger

MEDIA_TYPE: Final = "application/problem+json"

STATUS: Final[Mapping[str, tuple[int, str]]] = {
    "agent_failed": (502, "The agent did not start"),
    "body_timeout": (408, "The body did not arrive in time"),
    "body_too_large": (413, "The body is too large"),
    "bundle_import_failed": (503, "The bundle cannot run"),
    "bundle_loading": (503, "The bundle is being loaded"),
    "chaos_off": (403, "Faults are not allowed here"),
    "changed_meanwhile": (409, "It was changed meanwhile"),
    "conflict": (409, "It exists already"),
    "container_state": (409, "Its state forbids this"),
    "crash_not_found": (404, "No such crash"),
    "cross_site": (403, "A request from another site"),
    "draining": (503, "The server is shutting down"),
    "endpoint_busy": (429, "The endpoint runs as many sessions as it takes"),
    "endpoint_not_found": (404, "No such endpoint"),
    "envelope_invalid": (400, "Not a webhook"),
    "host_unknown": (421, "A host name this server does not go by"),
    "id_reused": (422, "The id belongs to another call"),
    "internal": (500, "An error in the server"),
    "invalid_request": (400, "The request cannot be understood"),
    "journal_unusable": (503, "The call cannot be written down"),
    "manifest_invalid": (400, "The manifest cannot be used"),
    "method_not_allowed": (405, "The path does not have this method"),
    "model_busy": (429, "Too many model requests"),
    "model_error": (502, "The model did not answer"),
    "name_taken": (409, "The name is an agent's"),
    "no_answer": (504, "The session did not answer"),
    "no_memory": (503, "Not enough memory for another session"),
    "no_resources": (503, "What a session needs is not there"),
    "no_process": (409, "The session has no process"),
    "not_crashed": (404, "There is no crash report"),
    "not_debugged": (409, "No debugger can listen in the session"),
    "not_exited": (409, "The session has not ended"),
    "not_found": (404, "Not found"),
    "not_profiled": (409, "The session could not be looked at"),
    "not_replayed": (409, "It cannot be run again now"),
    "not_ready": (409, "The session is not ready"),
    "not_trusted": (403, "Not from there"),
    "permission_denied": (403, "The token does not allow this"),
    "provider_unreachable": (502, "The model provider did not answer"),
    "quarantined": (409, "This input kills its sessions"),
    "queue_full": (429, "Too many sessions wait for their start"),
    "replayed": (401, "The signature's time is too far from now"),
    "room_full": (503, "The room is full"),
    "seal_broken": (503, "A secret cannot be opened"),
    "secret_missing": (400, "A secret is missing"),
    "service_not_found": (404, "No such service"),
    "session_not_found": (404, "No such session"),
    "signature_invalid": (401, "The signature is not valid"),
    "spawn_failed": (503, "No process could be started"),
    "starting": (503, "The server is starting"),
    "store_full": (409, "No more of these can be kept"),
    "studio_missing": (503, "The Studio is not installed"),
    "token_invalid": (401, "The token is not valid"),
    "token_required": (401, "A token is required"),
    "too_many_readers": (503, "Too many readers"),
    "too_many_rooms": (503, "Too many rooms"),
    "too_many_sessions": (503, "Too many sessions"),
    "upgrade_required": (426, "An upgrade is required"),
    "zygote_lost": (503, "No process could be started"),
}

_TRY_AGAIN: Final = (
    "bundle_import_failed",
    "journal_unusable",
    "no_resources",
    "spawn_failed",
    "zygote_lost",
)
_BY_STATUS: Final = {400: "invalid_request", 404: "not_found", 405: "method_not_allowed", 408: "body_timeout"}
_BY_STATUS_MORE: Final = {413: "body_too_large", 426: "upgrade_required"}
UPGRADE: Final = {"Upgrade": "websocket", "Connection": "Upgrade"}
NOTHING_HERE: Final = "Nothing is served at this path. GET /openapi.json lists what is."
_log = get_logger("front")


def problem_type(code: str) -> str:
    """The URI of a kind of problem."""
    return f"urn:bulkhead:problem:{code}"


def problem(code: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """The answer for an error; a code outside the table counts as our own mistake."""
    status, title = STATUS.get(code, STATUS["internal"])
    connection = request if has_request_context() else websocket
    document = {
        "type": problem_type(code),
        "title": title,
        "status": status,
        "detail": detail,
        "instance": connection.path[:500],
        "request_id": g.get("request_id", ""),
        **more,
    }
    if trace_id := g.get("trace_id"):
        document["trace_id"] = trace_id
    answer = json_answer(document, status)
    answer.content_type = MEDIA_TYPE
    answer.headers["Cache-Control"] = "no-store"
    answer.headers.update(dict(headers or {}))
    g.problem_code = code
    return answer


def install(app: Quart) -> None:
    """Answer every error of an app with a problem."""

    @app.errorhandler(Refusal)
    async def refused(error: Refusal) -> Response:
        return problem(error.code, error.detail, headers=error.headers, **error.more)

    @app.errorhandler(RuntimeServiceError)
    async def deliberate(error: RuntimeServiceError) -> Response:
        if error.code not in STATUS:
            _log.error("front.request_failed", code=error.code, error=str(error))
        return problem(error.code, str(error), headers=_challenge(error.code), cure=error.cure)

    @app.errorhandler(Unfit)
    async def unfit(error: Unfit) -> Response:
        handler = app.view_functions[str(request.endpoint)]
        field, detail = complaint(error.validation_error, *asked_of(handler, error))
        more: dict[str, Any] = {"field": field} if field else {}
        return problem("invalid_request", detail, **more)

    @app.errorhandler(HTTPException)
    async def http(error: HTTPException) -> Response:
        status = error.code or 500
        code = (_BY_STATUS | _BY_STATUS_MORE).get(status, "invalid_request" if status < 500 else "internal")
        return problem(code, NOTHING_HERE if code == "not_found" else f"{STATUS[code][1]}.")

    @app.errorhandler(Exception)
    async def unexpected(error: Exception) -> Response:
        _log.error("front.request_failed", code="internal", exc_info=error)
        return problem(
            "internal", "The server made a mistake; its log has the details under this request_id."
        )


def _challenge(code: str) -> dict[str, str]:
    return {"Retry-After": "5"} if code in _TRY_AGAIN else {}


def method_not_allowed(allowed: Sequence[str]) -> Response:
    """The answer to a method that a path does not have."""
    told = ", ".join(allowed)
    return problem("method_not_allowed", f"This path has {told}.", headers={"Allow": told})
