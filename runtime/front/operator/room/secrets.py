"""Secrets of the project in MeshAgent's accounts API: set, listed and deleted, and never answered."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Final

from quart import Blueprint

from runtime.errors import InvalidRequest
from runtime.front.http.contract import belongs, gives, takes
from runtime.front.openapi.shapes.rooms import Nothing
from runtime.front.openapi.shapes.secrets import OneSecret, Secrets, SentSecret, SetSecret
from runtime.front.operator.room.accounts import opened_project
from runtime.front.state import Front, caller
from runtime.services.secret import DOCKER, KEYS, Secret
from runtime.services.secret_store import SecretStore

BASE: Final = "/accounts/projects/<project>/secrets"
_DOCKER: Final = ("server", "username", "password", "email")
_EXAMPLE: Final = SentSecret(name="search", type="keys", data={"SEARCH_KEY": "0123456789"})


def routes(front: Front) -> Blueprint:
    """``/accounts/projects/…/secrets``."""
    paths = Blueprint("secrets", __name__)
    belongs(paths, "accounts", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    def kept(project: str) -> SecretStore:
        opened_project(front, project)
        assert front.store is not None
        return front.store.secrets

    @paths.get(BASE)
    @gives(Secrets)
    async def listed(project: str) -> Secrets:
        """The secrets of the project, without their values"""
        return Secrets(secrets=[_told(one) for one in await kept(project).listed()])

    @paths.post(BASE)
    @takes(SentSecret, example=_EXAMPLE)
    @gives(SetSecret)
    async def create(project: str, data: SentSecret) -> SetSecret:
        """Keep a secret, for services that name it"""
        by = front.access.how(caller())
        made = await kept(project).create(data.name, _value(data), by=by, type=data.type)
        return SetSecret(id=made.id, behind=[])

    @paths.get(f"{BASE}/<secret_id>")
    @gives(OneSecret)
    async def one(project: str, secret_id: str) -> OneSecret:
        """A secret by its id or name, without its value"""
        return _told(await kept(project).get(secret_id))

    @paths.put(f"{BASE}/<secret_id>")
    @takes(SentSecret, example=_EXAMPLE)
    @gives(SetSecret)
    async def update(project: str, secret_id: str, data: SentSecret) -> SetSecret:
        """Give a secret a new value; services have it when they are updated"""
        held = kept(project)
        before = await held.get(secret_id)
        if before.type != data.type:
            cure = "Delete it first, or set another one."
            raise InvalidRequest(f'secret "{before.name}" is of type {before.type}', cure=cure)
        value = _value(data)
        if data.name != before.name:
            await held.describe(before.id, name=data.name, about=before.about)
        await held.give(before.id, value, by=front.access.how(caller()))
        return SetSecret(id=before.id, behind=await held.users(before.id))

    @paths.delete(f"{BASE}/<secret_id>")
    @gives(Nothing)
    async def delete(project: str, secret_id: str) -> Nothing:
        """Delete a secret that no service is given"""
        await kept(project).delete(secret_id)
        return Nothing()

    return paths


def _value(data: SentSecret) -> bytes:
    """What is kept; nothing of it is in an error."""
    if (data.data is None) is (data.data_base64 is None):
        raise InvalidRequest("a secret has either 'data' or 'data_base64'")
    if data.data is not None:
        if data.type not in (KEYS, DOCKER):
            raise InvalidRequest("a secret of type text has 'data_base64'")
        return json.dumps(data.data).encode()
    try:
        value = base64.b64decode(data.data_base64 or "", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("'data_base64' is no base64") from None
    if data.type in (KEYS, DOCKER) and not _is_map(value):
        raise InvalidRequest(f"'data_base64' of a secret of type {data.type} is no map of texts in JSON")
    return value


def _is_map(value: bytes) -> bool:
    try:
        held = json.loads(value)
    except (ValueError, RecursionError):
        return False
    return isinstance(held, dict) and all(isinstance(one, str) for one in held.values())


def _told(secret: Secret) -> OneSecret:
    names = _DOCKER if secret.type == DOCKER else secret.names
    empty = dict.fromkeys(names, "")
    shown = json.dumps(empty) if secret.type in (KEYS, DOCKER) else ""
    return OneSecret(
        id=secret.id,
        name=secret.name,
        type=secret.type,
        data=empty,
        data_base64=base64.b64encode(shown.encode()).decode(),
        version=secret.current,
        updated_at=secret.updated_at,
    )
