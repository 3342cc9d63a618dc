"""Participant tokens: who may enter which room, and what they may do there.

A token is an HS256 JWT.  Its grants are a list of ``{"name", "scope"}``: ``room`` (which room), ``role``
(``agent``, ``tool`` or ``user``) and ``api`` (one key per family of requests; a family that is absent is
forbidden, an empty one allows all of it).  It is signed either with a shared secret (no ``kid``) or with the
secret of an API key whose id is the ``kid``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from runtime.errors import LocalProtocolError, PermissionDenied
from runtime.wire import signature

ROLES: Final = ("agent", "tool", "user")
MAX_TOKEN_BYTES: Final = 16_384
MAX_NAME_CHARS: Final = 256

TOKEN_VERSION: Final = "0.20.6"
"""Format that `mint` writes; readers take tokens older than 0.6.0 to come without an ``api`` grant."""
SERVICE_GRANT: Final = "bulkhead.service"
"""Names the service that a participant is in the room for; who is there keeps no room open alone."""

Scope = Mapping[str, Any]

AGENT_DEFAULT: Final[Scope] = MappingProxyType(
    {
        "agents": {},
        "containers": {},
        "database": {},
        "developer": {},
        "livekit": {},
        "llm": {},
        "memory": {},
        "messaging": {},
        "queues": {},
        "sqlite": {},
        "storage": {},
        "sync": {},
    }
)
"""What an agent may do unless somebody says otherwise: everything but administration and secrets."""

PERSON: Final[Scope] = MappingProxyType(
    {
        name: {}
        for name in ("agents", "database", "developer", "messaging", "queues", "sqlite", "storage", "sync")
    }
)
"""What a person does in a room: talk, work with agents, files, tables and queues, see what agents log."""

FULL: Final[Scope] = MappingProxyType({**AGENT_DEFAULT, "admin": {}, "secrets": {}})
"""Every family, administration included."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that signs tokens: ``ma-<key id>-<project id>-<secret>``, both ids as packed UUIDs."""

    id: str
    project: str
    secret: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> ApiKey:
        """Read the text form.

        Raises:
            PermissionDenied: Not an API key.  The text is not repeated in the error.
        """
        parts = text.removeprefix("ma-").split("-", 2)
        if not text.startswith("ma-") or len(parts) != 3 or not parts[2]:
            raise PermissionDenied("not an API key", cure="It looks like ma-<key>-<project>-<secret>.")
        return cls(_unpack_id(parts[0]), _unpack_id(parts[1]), parts[2])

    def format(self) -> str:
        """Write the text form that `parse` reads."""
        return f"ma-{_pack_id(self.id)}-{_pack_id(self.project)}-{self.secret}"


@dataclass(frozen=True, slots=True)
class Keys:
    """The secrets that a room server accepts.

    Attributes:
        shared: Secrets for tokens without a ``kid``; any of them may have signed.
        by_id: Secrets by API key id, for tokens with that ``kid``.
    """

    shared: tuple[str, ...] = field(default=(), repr=False)
    by_id: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says: the participant's name and role, and what it may do.

    The ``allows_…`` methods answer for one request each.  `scope` is None only for tokens of the oldest
    format, which could do everything but administer.

    Attributes:
        mark: Tells the token from others, and nothing of what is in it.
        service: Id of the service by which its participant was called in; empty for everybody else.
        is_inward: It is used by a session that reaches no network, or listed hosts alone: nor does it have
            the server reach others for it.
    """

    name: str
    role: str = "user"
    scope: Scope | None = None
    project: str | None = None
    kid: str | None = None
    mark: str = field(default="", compare=False, repr=False)
    service: str = ""
    is_inward: bool = False

    def family(self, name: str) -> Mapping[str, Any] | None:
        """The limits of one family of requests, or None when the token does not have it."""
        if self.scope is None:
            return AGENT_DEFAULT.get(name)
        limits = self.scope.get(name)
        return limits if isinstance(limits, Mapping) else None

    @property
    def is_admin(self) -> bool:
        """True when the token has the ``admin`` family."""
        return self.family("admin") is not None

    def allows_dismiss(self) -> bool:
        """People may send agents away; agents and tools only with the ``admin`` family."""
        return self.role == "user" or self.is_admin

    def allows_messaging(self, verb: str) -> bool:
        """``verb`` is send, broadcast or list."""
        return self._flag("messaging", verb)

    def allows_developer_logs(self) -> bool:
        """Watching the room's developer log."""
        return self._flag("developer", "logs")

    def allows_agents(self, verb: str) -> bool:
        """One of register_agent, register_public_toolkit, register_private_toolkit, call, use_agents."""
        return self._flag("agents", verb)

    def allows_toolkit(self, toolkit: str) -> bool:
        """Calling the tools of one registered toolkit."""
        agents = self.family("agents")
        if agents is None or agents.get("use_tools", True) is False:
            return False
        return _matches(agents.get("allowed_toolkits"), toolkit)

    def allows_model(self) -> bool:
        """Reaching a model through the room.

        Agents may unless their token has a say about models: the tokens of many releases have none.
        """
        if self.family("llm") is not None:
            return True
        return self.role == "agent" and (self.scope is None or "llm" not in self.scope)

    def allows_queue_send(self, queue: str) -> bool:
        """Putting messages into a queue."""
        queues = self.family("queues")
        return queues is not None and _matches(queues.get("send"), queue)

    def allows_queue_receive(self, queue: str) -> bool:
        """Taking messages out of a queue."""
        queues = self.family("queues")
        return queues is not None and _matches(queues.get("receive"), queue)

    def allows_queue_list(self) -> bool:
        """Seeing which queues there are."""
        return self._flag("queues", "list")

    def allows_document(self, path: str, *, write: bool) -> bool:
        """Reading or changing a document; a trailing ``*`` in a granted path matches any ending."""
        return _allows_path(
            self.family("sync"),
            path,
            write,
            lambda granted, asked: (
                granted == asked or (granted.endswith("*") and asked.startswith(granted.removesuffix("*")))
            ),
        )

    def allows_file(self, path: str, *, write: bool) -> bool:
        """Reading or changing a file; a granted path is a prefix."""
        return _allows_path(
            self.family("storage"),
            path,
            write,
            lambda granted, asked: asked.startswith(granted.removesuffix("*")),
        )

    def _flag(self, family: str, verb: str) -> bool:
        limits = self.family(family)
        return limits is not None and limits.get(verb, True) is not False


def mint(
    name: str,
    *,
    room: str,
    secret: str,
    role: str = "agent",
    scope: Scope | None = None,
    kid: str | None = None,
    project: str | None = None,
    ttl_s: float | None = None,
    now: float | None = None,
    serial: str = "",
    service: str = "",
) -> str:
    """Make a token with which ``name`` can enter ``room``.

    Args:
        secret: What signs it: a shared secret, or an API key's secret together with its id as ``kid``.
        scope: The ``api`` grant; None means `AGENT_DEFAULT`.
        serial: Makes it another token than one that says the same.
        service: Id of the service whose participant it is for.
        ttl_s: Seconds until it expires, counted from ``now`` (seconds since the epoch); None for never.

    Raises:
        LocalProtocolError: No such role, a name that is empty or too long, ``ttl_s`` without ``now``.
    """
    if role not in ROLES:
        raise LocalProtocolError(f"role {role!r} is none of {', '.join(ROLES)}")
    if not 0 < len(name) <= MAX_NAME_CHARS:
        raise LocalProtocolError(f"a participant's name has 1 to {MAX_NAME_CHARS} characters")
    payload: dict[str, Any] = {
        "name": name,
        "grants": [
            {"name": "api", "scope": dict(AGENT_DEFAULT if scope is None else scope)},
            {"name": "role", "scope": role},
            {"name": "room", "scope": room},
        ],
        "version": TOKEN_VERSION,
    }
    if service:
        payload["grants"].append({"name": SERVICE_GRANT, "scope": service})
    if kid is not None:
        payload["kid"] = kid
    if project is not None:
        payload["sub"] = project
    if serial:
        payload["jti"] = serial
    if ttl_s is not None:
        if now is None:
            raise LocalProtocolError("a token that expires needs the time it is made")
        payload["exp"] = int(now + ttl_s)
    return signature.sign_jwt(payload, secret)


def verify(token: str, *, room: str | None, keys: Keys, now: float | None = None) -> Claims:
    """Check signature, expiry and room of a token and return what it says.

    Unknown grants and unknown families are ignored.

    Args:
        room: None takes a token for any room.
        now: Seconds since the epoch; None means the machine's clock.

    Raises:
        PermissionDenied: With the reason in words, never with the token.
    """
    payload = _authentic(token, keys, now)
    name = payload.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARS:
        raise PermissionDenied("the token has no usable participant name")
    grants = payload.get("grants")
    named = [
        (grant["name"], grant.get("scope"))
        for grant in (grants if isinstance(grants, list) else [])
        if isinstance(grant, dict) and isinstance(grant.get("name"), str)
    ]
    rooms = [scope for grant, scope in named if grant == "room"]
    if (
        not rooms
        if room is None
        else not any(scope == room or (isinstance(scope, list) and room in scope) for scope in rooms)
    ):
        raise PermissionDenied(
            "the token is for another room", cure=f"Ask for one with a room grant for {room!r}."
        )
    roles = [scope for grant, scope in named if grant == "role" and scope in ROLES]
    apis = [scope for grant, scope in named if grant == "api"]
    services = [scope for grant, scope in named if grant == SERVICE_GRANT and isinstance(scope, str)]
    scope: Scope | None
    if apis:
        scope = apis[0] if isinstance(apis[0], dict) else {}
    else:
        scope = None if _older_than_scopes(payload.get("version")) else {}
    project, kid = payload.get("sub"), payload.get("kid")
    return Claims(
        name=name,
        role=next((role for role in roles if role != "user"), "user"),
        scope=scope,
        project=project if isinstance(project, str) else None,
        kid=kid if isinstance(kid, str) else None,
        mark=hashlib.sha256(token.encode()).hexdigest()[:32],
        service=services[0] if services else "",
    )


def _authentic(token: str, keys: Keys, now: float | None) -> dict[str, Any]:
    if not token:
        raise PermissionDenied("no token", cure="Send it as ?token=… or in the Authorization header.")
    if len(token) > MAX_TOKEN_BYTES:
        raise PermissionDenied("the token is too long")
    try:
        found = signature.read_jwt(token)
    except signature.OtherAlgorithm as error:
        raise PermissionDenied(f"the token cannot be used: {error}") from error
    except ValueError as error:
        raise PermissionDenied("the token is not a JWT") from error
    kid = found.claims.get("kid")
    if kid is None:
        secrets = keys.shared
    else:
        secret = keys.by_id.get(kid) if isinstance(kid, str) else None
        if secret is None:
            raise PermissionDenied("the token names a key that this server does not have")
        secrets = (secret,)
    if not any(found.is_signed_by(secret) for secret in secrets):
        raise PermissionDenied(
            "the token's signature does not match", cure="It was signed with another secret."
        )
    expires_at = found.claims.get("exp")
    if expires_at is not None:
        if not isinstance(expires_at, int | float):
            raise PermissionDenied("the token's expiry is not a number")
        if expires_at <= (time.time() if now is None else now):
            raise PermissionDenied("the token has expired")
    return found.claims


def _older_than_scopes(version: object) -> bool:
    # Numbers, not text: as text "0.10.0" would be older than "0.6.0".
    if version is None:
        return True
    try:
        return tuple(int(part) for part in str(version).split(".")[:2]) < (0, 6)
    except ValueError:
        return False


def _matches(patterns: object, name: str) -> bool:
    if patterns is None:
        return True
    if not isinstance(patterns, list):
        return False
    return any(
        pattern == name or (pattern.endswith("*") and name.startswith(pattern.removesuffix("*")))
        for pattern in patterns
        if isinstance(pattern, str)
    )


def _allows_path(
    limits: Mapping[str, Any] | None, path: str, write: bool, matches: Callable[[str, str], bool]
) -> bool:
    if limits is None:
        return False
    paths = limits.get("paths")
    if paths is None:
        return True
    for granted in paths if isinstance(paths, list) else []:
        if not isinstance(granted, dict) or not isinstance(granted.get("path"), str):
            continue
        if matches(granted["path"].lstrip("/"), path.lstrip("/")):  # the first match decides
            return not (write and granted.get("read_only"))
    return False


def _pack_id(text: str) -> str:
    packed = base64.urlsafe_b64encode(uuid.UUID(text).bytes).decode("ascii")
    return packed.rstrip("=").replace("-", ".")


def _unpack_id(packed: str) -> str:
    try:
        return str(uuid.UUID(bytes=base64.urlsafe_b64decode(packed.replace(".", "-") + "==")))
    except (binascii.Error, ValueError) as error:
        raise PermissionDenied("not an API key", cure="Its ids cannot be read.") from error
