"""Secrets as MeshAgent's clients from 0.44.13 on keep them, in versions: of the user, of a service account.

Both are the secrets of the project, by the same ids, so that what is set here is there for manifests.  No
answer has a value, not even the one that is asked for it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from quart import Blueprint, request

from runtime.clock import iso
from runtime.errors import InvalidRequest, NotFound, PermissionDenied
from runtime.front.http.contract import asks, belongs, gives, takes
from runtime.front.openapi.shapes.rooms import FilterQuery, Nothing
from runtime.front.openapi.shapes.secrets import (
    ChangedOwnSecret,
    NewOwnSecret,
    NewVersion,
    OwnSecret,
    OwnSecrets,
    SecretSearch,
    SecretVersion,
    SecretVersions,
    ValueQuery,
)
from runtime.front.operator.room.account.service_accounts import BASE as ACCOUNTS
from runtime.front.operator.room.account.service_accounts import account_of, project_id
from runtime.front.operator.room.accounts import opened_project
from runtime.front.state import Front, caller
from runtime.services.secret import DOCKER, KEYS, Secret, Version
from runtime.services.secret_store import SecretStore

OF_USER: Final = "/accounts/users/me/secrets"
OF_ACCOUNT: Final = f"{ACCOUNTS}/<account>/secrets"
PULL: Final = f"{ACCOUNTS}/<account>/pull-secrets"
_NOTES: Final = ("metadata", "annotations", "http_only")
_NEW: Final = NewOwnSecret(name="search-key", type="text")


def routes(front: Front) -> Blueprint:
    """``/accounts/users/me/secrets`` and ``…/service-accounts/…/secrets``."""
    paths = Blueprint("own_secrets", __name__)
    belongs(paths, "accounts", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    def kept() -> SecretStore:
        """Of the project; raises NotFound for another project or account than there is."""
        given = request.view_args or {}
        project = given.get("project", project_id(front))
        opened_project(front, project)
        if "account" in given:
            account_of(project, given["account"])
        assert front.store is not None
        return front.store.secrets

    own = project_id(front)

    async def listed(query_args: FilterQuery, **_: str) -> OwnSecrets:
        """The secrets, without their values"""
        return await found(lambda one: query_args.filter.lower() in one.name.lower())

    async def search(data: SecretSearch, **_: str) -> OwnSecrets:
        """Secrets by what is noted about them"""
        return await found(lambda one: _is_meant(one, data))

    async def found(is_meant: Callable[[Secret], bool]) -> OwnSecrets:
        return OwnSecrets(secrets=[_told(one, own) for one in await kept().listed() if is_meant(one)])

    async def create(data: NewOwnSecret, **_: str) -> OwnSecret:
        """Keep a secret, which gets its value as its first version"""
        about = {note: getattr(data, note) or {} for note in ("metadata", "annotations")}
        about["http_only"] = data.http_only
        by = front.access.how(caller())
        return _told(await kept().create(data.name, None, by=by, type=data.type, about=about), own)

    async def one(secret_id: str, query_args: ValueQuery, **_: str) -> OwnSecret:
        """A secret by its id or name, without its value"""
        return _told(await kept().get(secret_id), own)

    async def change(secret_id: str, data: ChangedOwnSecret, **_: str) -> OwnSecret:
        """Change what is noted about a secret, or its name"""
        before = await kept().get(secret_id)
        if data.type and data.type != before.type:
            raise InvalidRequest(f'secret "{before.name}" is of type {before.type}', cure="Make another one.")
        about = dict(before.about)
        for note in _NOTES:
            if (value := getattr(data, note)) is not None and value is not _UNSET:
                about[note] = value
        return _told(await kept().describe(before.id, name=data.name or before.name, about=about), own)

    async def delete(secret_id: str, **_: str) -> Nothing:
        """Delete a secret that no service is given"""
        await kept().delete(secret_id)
        return Nothing()

    async def versions(secret_id: str, **_: str) -> SecretVersions:
        """The values that a secret has had, without them"""
        held = await kept().get(secret_id)
        return SecretVersions(versions=[_version(held, one) for one in held.versions])

    async def give(secret_id: str, data: NewVersion, **_: str) -> SecretVersion:
        """Give a secret a value; services have it when they are updated"""
        store = kept()
        before = await store.get(secret_id)
        by, value = front.access.how(caller()), _value(before, data)
        held = await store.give(before.id, value, by=by, is_current=data.set_current)
        current = next(one for one in held.versions if one.number == held.current)
        return _version(held, held.versions[-1] if len(held.versions) > len(before.versions) else current)

    async def access(secret_id: str, version_id: str, **_: str) -> Nothing:
        """What a value is: refused"""
        await _has(kept(), secret_id, version_id)
        raise PermissionDenied(
            "this server gives the value of a secret to services, and to nobody else",
            cure="Give the secret a new version, if the value is not known any more.",
        )

    async def forget(secret_id: str, version_id: str, **_: str) -> Nothing:
        """Forget a value that is not in force, and that no service is given"""
        held = await _has(kept(), secret_id, version_id)
        number = next(one.number for one in held.versions if one.id == version_id)
        await kept().forget(held.id, number)
        return Nothing()

    def route(handler: Any, method: str, rest: str = "", **more: Any) -> None:
        """The same for both kinds of owners."""
        described: Any = gives(more["gives"])(handler)
        if "takes" in more:
            described = takes(type(more["takes"]), example=more["takes"])(described)
        if "asks" in more:
            described = asks(more["asks"])(described)
        for kind, base in (("user", OF_USER), ("account", OF_ACCOUNT)):
            paths.add_url_rule(f"{base}{rest}", f"{handler.__name__}_{kind}", described, methods=[method])

    version = "/<secret_id>/versions"
    route(listed, "GET", asks=FilterQuery, gives=OwnSecrets)
    route(create, "POST", takes=_NEW, gives=OwnSecret)
    route(search, "POST", ":search", takes=SecretSearch(name="search-key"), gives=OwnSecrets)
    route(one, "GET", "/<secret_id>", asks=ValueQuery, gives=OwnSecret)
    route(change, "PATCH", "/<secret_id>", takes=ChangedOwnSecret(name="search-key"), gives=OwnSecret)
    route(delete, "DELETE", "/<secret_id>", gives=Nothing)
    route(versions, "GET", version, gives=SecretVersions)
    route(give, "POST", version, takes=NewVersion(value_base64="c2VzYW1l"), gives=SecretVersion)
    route(access, "GET", f"{version}/<version_id>:access", gives=Nothing)
    route(forget, "DELETE", f"{version}/<version_id>", gives=Nothing)

    @paths.get(PULL)
    @gives(OwnSecrets)
    async def opening(project: str, account: str) -> OwnSecrets:
        """The secrets that open registries"""
        return await found(lambda one: one.type == DOCKER)

    @paths.put(f"{PULL}/<secret_id>")
    @gives(Nothing)
    async def open_by(project: str, account: str, secret_id: str) -> Nothing:
        """Have a secret open its registry: those of type docker do"""
        held = await kept().get(secret_id)
        if held.type != DOCKER:
            cure = f"Make one of type {DOCKER}, and name it as pull_secret in the manifest."
            raise InvalidRequest(f'secret "{held.name}" is of type {held.type}', cure=cure)
        return Nothing()

    return paths


_UNSET: Final = ChangedOwnSecret().name


async def _has(store: SecretStore, secret_id: str, version_id: str) -> Secret:
    held = await store.get(secret_id)
    if all(one.id != version_id for one in held.versions):
        raise NotFound("this secret has no such version")
    return held


def _is_meant(one: Secret, asked: SecretSearch) -> bool:
    notes = json.dumps(one.about, default=str).lower()
    return (
        (asked.filter or "").lower() in one.name.lower() + notes
        and asked.name in (None, one.name)
        and asked.type in (None, one.type)
        and asked.http_only in (None, bool(one.about.get("http_only")))
        and all(_has_notes(one, note, getattr(asked, note)) for note in ("metadata", "annotations"))
    )


def _has_notes(one: Secret, note: str, asked: Mapping[str, Any] | None) -> bool:
    held = one.about.get(note) or {}
    return all(held.get(name) == value for name, value in (asked or {}).items())


def _value(secret: Secret, data: NewVersion) -> bytes:
    """What is kept; nothing of it is in an error."""
    try:
        value = base64.b64decode(data.value_base64, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("'value_base64' is no base64") from None
    if secret.type in (KEYS, DOCKER):
        try:
            held = json.loads(value)
        except (ValueError, RecursionError):
            held = None
        if not isinstance(held, dict) or not all(isinstance(one, str) for one in held.values()):
            raise InvalidRequest(f"a secret of type {secret.type} is a map of texts in JSON")
    return value


def _told(one: Secret, project: str) -> OwnSecret:
    current = next((version.id for version in one.versions if version.number == one.current), None)
    return OwnSecret(
        id=one.id,
        project_id=project,
        type=one.type,
        name=one.name,
        http_only=bool(one.about.get("http_only")),
        metadata=one.about.get("metadata") or {},
        annotations=one.about.get("annotations") or {},
        current_version_id=current,
        created_at=iso(one.created_at),
        updated_at=iso(one.updated_at),
    )


def _version(secret: Secret, one: Version) -> SecretVersion:
    return SecretVersion(
        id=one.id, secret_id=secret.id, version=one.number, value_sha256=None, created_at=iso(one.at)
    )
