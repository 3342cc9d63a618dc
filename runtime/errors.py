"""Every error Bulkhead raises on purpose, in one tree.

Each class has a stable ``code`` which logs, the HTTP API and the command line all use, and each
instance carries a ``cure``: the sentence that tells the reader what to do about it.  Outcomes that a
caller is expected to meet (``Refused``, ``Duplicate``, an exit reason) are values, not exceptions.

    RuntimeServiceError
      ConfigError · SealBroken · ManifestInvalid
      ProtocolError       LocalProtocolError · RemoteProtocolError
      WebhookRejected     SignatureInvalid · EnvelopeInvalid · Replayed · BodyTooLarge
      BundleError         BundleNotFound · GrantMissing · EndpointNotFound · EndpointConflict
                          BundleImportFailed
      ProcessError        SpawnFailed (EnvironmentUnusable) · SystemShort · ZygoteLost (ZygoteSilent)
                          ChannelClosed
      SessionError        SessionNotFound · InvalidTransition · JournalUnusable
      ServiceError        SecretMissing · StoreFull
      RoomError           RoomUnreachable · RoomRefused · RoomLost · RoomFull · ToolNotFound · ToolFailed · …
"""

from __future__ import annotations

import errno
from typing import Any, ClassVar, Final


class RuntimeServiceError(Exception):
    """Base of every deliberate error.

    Args:
        message: What happened, with the names that matter; one sentence, no trailing full stop needed.
        cure: What the reader can do about it; empty when there is nothing to add.
    """

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, cure: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message}. {self.cure}" if self.cure else self.message


class ConfigError(RuntimeServiceError):
    """A setting, a flag or a file of settings cannot be used as it stands."""

    code = "config_invalid"


class SealBroken(RuntimeServiceError):
    """A sealed secret cannot be opened: another key, another place, or changed bytes."""

    code = "seal_broken"


class ManifestInvalid(RuntimeServiceError):
    """A manifest cannot be used as it stands.

    Attributes:
        problems: What is wrong with it and where, in its order (`runtime.wire.manifest.problem.Problem`).
    """

    code = "manifest_invalid"

    def __init__(self, message: str, *, cure: str = "", problems: tuple[Any, ...] = ()) -> None:
        super().__init__(message, cure=cure)
        self.problems = problems


# ---- protocols


class ProtocolError(RuntimeServiceError):
    """Bytes or messages that break a protocol."""

    code = "protocol_error"


class LocalProtocolError(ProtocolError):
    """We asked a protocol for something its state does not allow: a bug on our side."""

    code = "local_protocol_error"


class RemoteProtocolError(ProtocolError):
    """The peer sent something the protocol does not allow."""

    code = "remote_protocol_error"


# ---- webhooks


class WebhookRejected(RuntimeServiceError):
    """A webhook request was refused before anything was started."""

    code = "webhook_rejected"


class SignatureInvalid(WebhookRejected):
    """No signature, or one that none of the configured secrets explains."""

    code = "signature_invalid"


class EnvelopeInvalid(WebhookRejected):
    """The body is not JSON, or not the JSON of a webhook."""

    code = "envelope_invalid"


class Replayed(WebhookRejected):
    """The signature is right but its time is outside the replay window."""

    code = "replayed"


class BodyTooLarge(WebhookRejected):
    """The body is larger than the configured limit."""

    code = "body_too_large"


# ---- bundles


class BundleError(RuntimeServiceError):
    """A bundle (a ``main.py`` or a folder with one) cannot serve."""

    code = "bundle_error"


class GrantMissing(BundleError):
    """A file or folder that a bundle is to be granted is not there, or cannot be reached."""

    code = "grant_missing"


class BundleNotFound(BundleError):
    """No such file or folder."""

    code = "bundle_not_found"


class EndpointNotFound(BundleError):
    """No bundle serves this path."""

    code = "endpoint_not_found"


class EndpointConflict(BundleError):
    """Two bundles claim one path, or a bundle claims a path that the front reserves."""

    code = "endpoint_conflict"


class BundleImportFailed(BundleError):
    """Running the bundle's program raised; ``detail`` has the traceback.

    Attributes:
        kind: The name of the exception's class; empty when its process told of none.
    """

    code = "bundle_import_failed"

    def __init__(self, message: str, *, cure: str = "", detail: str = "", kind: str = "") -> None:
        super().__init__(message, cure=cure)
        self.detail = detail
        self.kind = kind


# ---- processes


class ProcessError(RuntimeServiceError):
    """An operating-system process could not be had or was lost."""

    code = "process_error"


class SpawnFailed(ProcessError):
    """A process could not be started."""

    code = "spawn_failed"


class EnvironmentUnusable(SpawnFailed):
    """A bundle's own environment is not there, incomplete, or older than what the bundle asks for."""

    code = "environment_unusable"


class SystemShort(ProcessError):
    """The system has no more of something for now: nobody's fault, and waited out.

    Attributes:
        lacks: What there is no more of: one of `LACKS`.
    """

    code = "no_resources"

    def __init__(self, lacks: str, message: str) -> None:
        super().__init__(message, cure=LACKS[lacks])
        self.lacks = lacks


LACKS: Final = {
    "open files": "Raise the limit of them (ulimit -n, LimitNOFILE=, fs.file-max), or end some sessions.",
    "processes": "Raise the limit of processes (ulimit -u, TasksMax=, pids.max), or end some.",
    "memory": "Give the machine or the container more memory, or end some sessions.",
    "disk space": "Make room on the disk.",
}
"""What the system may have no more of, and what to do about it."""

_LACKED: Final = {
    errno.EMFILE: "open files",
    errno.ENFILE: "open files",
    errno.ETOOMANYREFS: "open files",
    errno.EAGAIN: "processes",
    errno.ENOMEM: "memory",
    errno.ENOBUFS: "memory",
    errno.ENOSPC: "disk space",
    errno.EDQUOT: "disk space",
}
_NO_THREAD: Final = "can't start new thread"


def lacking(error: BaseException) -> str:
    """What the system has no more of, going by an exception: a key of `LACKS`, or empty."""
    match error:
        case SystemShort():
            return error.lacks
        case OSError():
            return _LACKED.get(error.errno or 0, "")
        case MemoryError():
            return "memory"
        case RuntimeError() if _NO_THREAD in str(error):
            return "processes"
        case _:
            return ""


class ZygoteLost(ProcessError):
    """The zygote that should have forked is gone."""

    code = "zygote_lost"


class ZygoteSilent(ZygoteLost):
    """The zygote did not answer in time, and was ended for that."""

    code = "zygote_silent"


class ChannelClosed(ProcessError):
    """The other end of a pipe is closed."""

    code = "channel_closed"


# ---- sessions


class SessionError(RuntimeServiceError):
    """Something about one session."""

    code = "session_error"


class SessionNotFound(SessionError):
    """No record of this session, or it was forgotten with the oldest history."""

    code = "session_not_found"


class InvalidTransition(SessionError):
    """A session cannot go from its state to the one asked for."""

    code = "invalid_transition"


class JournalUnusable(SessionError):
    """The file in which accepted calls are written down cannot be opened, read or written."""

    code = "journal_unusable"


# ---- services


class ServiceError(RuntimeServiceError):
    """Something about a service that is deployed here, or what is kept for it."""

    code = "service_error"


class SecretMissing(ServiceError):
    """A manifest asks for a secret that is not kept here."""

    code = "secret_missing"


class StoreFull(ServiceError):
    """A bound of what is kept is reached: services, secrets, keys, webhooks."""

    code = "store_full"


# ---- rooms


class RoomError(RuntimeServiceError):
    """Something a room server or a room client reports."""

    code = "room_error"


class RoomUnreachable(RoomError):
    """The room's server could not be reached before the deadline."""

    code = "room_unreachable"


class RoomRefused(RoomError):
    """The room's server refused the token."""

    code = "room_refused"


class RoomLost(RoomError):
    """The connection to the room ended without our asking."""

    code = "room_lost"


class RoomFull(RoomError):
    """A bound of the room is reached: participants, documents, queue length, storage."""

    code = "room_full"


class IdentityTaken(RoomError):
    """An identity that must be unique in the room is already there."""

    code = "identity_taken"


class PermissionDenied(RoomError):
    """The participant's token does not grant this."""

    code = "permission_denied"


class InvalidRequest(RoomError):
    """A room request with missing or malformed fields."""

    code = "invalid_request"


class NotFound(RoomError):
    """The room has no participant, document, file, queue or agent of that name."""

    code = "not_found"


class Conflict(RoomError):
    """It exists already, or is in a state that forbids the request."""

    code = "conflict"


class Exists(Conflict):
    """There is something of that name already."""

    code = "exists"


class TookTooLong(RoomError):
    """A request of the room took longer than one may, and was given up."""

    code = "took_too_long"


class NotSupported(RoomError):
    """The room protocol has this request, this server does not."""

    code = "not_supported"


class ToolNotFound(RoomError):
    """No toolkit or tool of that name is registered in the room."""

    code = "tool_not_found"


class ToolFailed(RoomError):
    """A tool was called and answered with an error."""

    code = "tool_failed"
