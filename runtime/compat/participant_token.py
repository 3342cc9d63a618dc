"""Participant tokens as objects: a name, grants, and what they allow.

The room server reads tokens by `runtime.rooms.token`; this is the author's side of the same format.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import jwt

from runtime.errors import ConfigError, PermissionDenied
from runtime.rooms.token import AGENT_DEFAULT, FULL, TOKEN_VERSION, ApiKey


class Grant:
    """Limits of one family of requests; without arguments all of it is allowed."""

    def __init__(self, **limits: Any) -> None:
        self._limits = limits

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._limits.get(name)

    def to_json(self) -> dict[str, Any]:
        """The limits that are set, as the token carries them."""
        return {name: _plain(value) for name, value in self._limits.items() if value is not None}


class AdminGrant(Grant):
    """Administration of the room."""


class AgentsGrant(Grant):
    """Registering and calling agents and toolkits."""


class ContainersGrant(Grant):
    """Running containers."""


class DatabaseGrant(Grant):
    """Tables."""


class DeveloperGrant(Grant):
    """The developer log."""


class LivekitGrant(Grant):
    """Audio and video."""


class MessagingGrant(Grant):
    """Messages: broadcast, list, send."""


class QueuesGrant(Grant):
    """Queues: send, receive, list."""


class SecretsGrant(Grant):
    """Secrets."""


class StoragePathGrant(Grant):
    """One path of the storage: path, read_only."""


class StorageGrant(Grant):
    """Files: paths."""


class SyncPathGrant(Grant):
    """One path of the documents: path, read_only."""


class SyncGrant(Grant):
    """Documents: paths."""


class ApiScope:
    """What a token allows: one grant per family; a family that is None or absent is forbidden."""

    def __init__(self, **families: Grant | Mapping[str, Any] | None) -> None:
        self._families = {name: grant for name, grant in families.items() if grant is not None}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._families.get(name)

    @staticmethod
    def agent_default() -> ApiScope:
        """Everything but administration and secrets."""
        return ApiScope(**AGENT_DEFAULT)

    @staticmethod
    def full() -> ApiScope:
        """Everything."""
        return ApiScope(**FULL)

    def to_json(self) -> dict[str, Any]:
        """The ``api`` grant's scope."""
        return {name: _plain(grant) for name, grant in self._families.items()}


class ParticipantGrant:
    """One grant: ``room``, ``role``, ``api`` or another, and its scope."""

    def __init__(self, *, name: str, scope: str | ApiScope | Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.scope = scope

    def to_json(self) -> dict[str, Any]:
        """As the token carries it."""
        return {"name": self.name, "scope": _plain(self.scope)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> ParticipantGrant:
        """Read what ``to_json`` wrote."""
        scope = data.get("scope")
        return ParticipantGrant(
            name=str(data["name"]), scope=ApiScope(**scope) if isinstance(scope, Mapping) else scope
        )


class ParticipantToken:
    """A token before it is signed.

    Args:
        name: The participant's name.
        project_id: Project the signing key belongs to.
        api_key_id: The signing key's id; None for a shared secret.
        grants: What it allows; see the ``add_…`` methods.
    """

    def __init__(
        self,
        *,
        name: str,
        project_id: str | None = None,
        api_key_id: str | None = None,
        grants: Sequence[ParticipantGrant] | None = None,
        extra_payload: Mapping[str, Any] | None = None,
        version: str | None = None,
    ) -> None:
        self.name = name
        self.project_id = project_id
        self.api_key_id = api_key_id
        self.grants = list(grants or ())
        self.extra_payload = dict(extra_payload or {})
        self.version = version or TOKEN_VERSION

    @property
    def role(self) -> str:
        """``agent``, ``tool`` or ``user``."""
        return str(self.grant_scope("role") or "user")

    @property
    def is_user(self) -> bool:
        """Whether it is a person's token."""
        return self.role == "user"

    def add_role_grant(self, role: str) -> None:
        """Make it the token of an agent, a tool or a user."""
        self.grants.append(ParticipantGrant(name="role", scope=role))

    def add_room_grant(self, room_name: str) -> None:
        """Let it enter this room."""
        self.grants.append(ParticipantGrant(name="room", scope=room_name))

    def add_api_grant(self, grant: ApiScope) -> None:
        """Let it do this there."""
        self.grants.append(ParticipantGrant(name="api", scope=grant))

    def grant_scope(self, name: str) -> Any:
        """The scope of the first grant of that name, or None."""
        return next((grant.scope for grant in self.grants if grant.name == name), None)

    def get_api_grant(self) -> ApiScope | None:
        """What it may do, or None."""
        scope = self.grant_scope("api")
        return scope if isinstance(scope, ApiScope) else None

    def to_json(self) -> dict[str, Any]:
        """The payload of the signed token."""
        payload: dict[str, Any] = {
            **self.extra_payload,
            "name": self.name,
            "grants": [grant.to_json() for grant in self.grants],
            "version": self.version,
        }
        if self.project_id is not None:
            payload["sub"] = self.project_id
        if self.api_key_id is not None:
            payload["kid"] = self.api_key_id
        return payload

    def to_jwt(
        self, *, token: str | None = None, expiration: datetime | None = None, api_key: str | None = None
    ) -> str:
        """Sign it.

        Args:
            token: A shared secret; it wins over everything else.
            api_key: An API key, ``ma-…``.  With neither, ``MESHAGENT_API_KEY`` or ``MESHAGENT_SECRET`` signs.

        Raises:
            ConfigError: There is nothing to sign with.
        """
        payload = self.to_json()
        if expiration is not None:
            payload["exp"] = int(expiration.timestamp())
        secret = token
        if secret is None and (text := api_key or os.environ.get("MESHAGENT_API_KEY")):
            key = ApiKey.parse(text)
            secret = key.secret
            payload.update(sub=key.project, kid=key.id)
        secret = secret or os.environ.get("MESHAGENT_SECRET")
        if not secret:
            raise ConfigError(
                "there is nothing to sign the participant token with",
                cure="Pass token= or api_key=, or set MESHAGENT_API_KEY or MESHAGENT_SECRET.",
            )
        return jwt.encode(payload, secret, algorithm="HS256")

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> ParticipantToken:
        """Read a payload."""
        known = ("name", "grants", "version", "sub", "kid")
        return ParticipantToken(
            name=str(data["name"]),
            project_id=data.get("sub"),
            api_key_id=data.get("kid"),
            grants=[ParticipantGrant.from_json(grant) for grant in data.get("grants") or []],
            extra_payload={key: value for key, value in data.items() if key not in known},
            version=data.get("version"),
        )

    @staticmethod
    def from_jwt(jwt_str: str, *, token: str | None = None, validate: bool = True) -> ParticipantToken:
        """Read a signed token.

        Raises:
            PermissionDenied: The signature is wrong, or the text is no token.
        """
        secret = token or os.environ.get("MESHAGENT_SECRET") or ""
        try:
            payload = jwt.decode(
                jwt_str,
                secret,
                algorithms=["HS256"],
                options={"verify_signature": validate, "verify_aud": False},
            )
        except jwt.PyJWTError as error:
            raise PermissionDenied(f"the participant token is not valid: {error}") from error
        return ParticipantToken.from_json(payload)


def _plain(value: Any) -> Any:
    if isinstance(value, Grant | ApiScope):
        return value.to_json()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
