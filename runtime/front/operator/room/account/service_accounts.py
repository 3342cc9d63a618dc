"""Service accounts in MeshAgent's accounts API, and the keys of one: there is one, and it is ``default``."""

from __future__ import annotations

import uuid
from typing import Final

from quart import Blueprint

from runtime.errors import Conflict, NotFound
from runtime.front.access.rules import project_of
from runtime.front.http.contract import asks, belongs, gives, takes
from runtime.front.openapi.shapes.rooms import (
    ApiKeyName,
    ApiKeys,
    Deployment,
    FilterQuery,
    MadeApiKey,
    NewApiKey,
    Nothing,
    ServiceAccount,
    ServiceAccounts,
)
from runtime.front.operator.room.accounts import opened_project
from runtime.front.state import Front, caller
from runtime.services.key_store import KeyStore
from runtime.services.secret import ACCOUNT

BASE: Final = "/accounts/projects/<project>/service-accounts"
_KEYS: Final = f"{BASE}/<account>/api-keys"
_ONE: Final = "this server has one service account, which is its own"


def routes(front: Front) -> Blueprint:
    """``/accounts/projects/…/service-accounts`` and ``/config``."""
    paths = Blueprint("service_accounts", __name__)
    belongs(paths, "accounts", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    def keys(project: str, account: str) -> KeyStore:
        opened_project(front, project)
        account_of(project, account)
        assert front.store is not None
        return front.store.keys

    @paths.get("/config")
    @gives(Deployment)
    async def config() -> Deployment:
        """What clients from 0.41 on ask before they do anything"""
        return Deployment(domains={})

    @paths.get(BASE)
    @asks(FilterQuery)
    @gives(ServiceAccounts)
    async def listed(project: str, query_args: FilterQuery) -> ServiceAccounts:
        """The service account of the project"""
        opened_project(front, project)
        one = _told(project)
        is_meant = any(query_args.filter.lower() in text for text in (one.name, one.email, one.id))
        return ServiceAccounts(service_accounts=[one] if is_meant else [])

    @paths.post(BASE)
    @gives(Nothing)
    async def create(project: str) -> Nothing:
        """Make another one: refused"""
        opened_project(front, project)
        raise Conflict(_ONE, cure=f"Use {ACCOUNT}.")

    @paths.get(f"{BASE}/by-name/<account>")
    @gives(ServiceAccount)
    async def named(project: str, account: str) -> ServiceAccount:
        """The service account by its name"""
        opened_project(front, project)
        account_of(project, account)
        return _told(project)

    @paths.get(f"{BASE}/<account>")
    @gives(ServiceAccount)
    async def one(project: str, account: str) -> ServiceAccount:
        """The service account by its id"""
        opened_project(front, project)
        account_of(project, account)
        return _told(project)

    @paths.put(f"{BASE}/<account>")
    @paths.delete(f"{BASE}/<account>")
    @gives(Nothing)
    async def change(project: str, account: str) -> Nothing:
        """Change or delete it: refused"""
        opened_project(front, project)
        account_of(project, account)
        raise Conflict(_ONE, cure="Leave it as it is.")

    # ---- its keys

    @paths.get(_KEYS)
    @gives(ApiKeys)
    async def keys_of(project: str, account: str) -> ApiKeys:
        """API keys that were made here, without what they are"""
        kept = await keys(project, account).listed()
        return ApiKeys(
            keys=[ApiKeyName(id=one.id, name=one.name, description=one.description) for one in kept]
        )

    @paths.post(_KEYS)
    @takes(NewApiKey, example=NewApiKey(name="ci", description="For the build"))
    @gives(MadeApiKey)
    async def make_key(project: str, account: str, data: NewApiKey) -> MadeApiKey:
        """Make an API key, which is shown this once"""
        by = front.access.how(caller())
        made, text = await keys(project, account).create(data.name, description=data.description, by=by)
        return MadeApiKey(id=made.id, name=made.name, description=made.description, value=text)

    @paths.delete(f"{_KEYS}/<key_id>")
    @gives(Nothing)
    async def delete_key(project: str, account: str, key_id: str) -> Nothing:
        """Delete an API key; tokens that it signed are void at once"""
        await keys(project, account).delete(key_id)
        return Nothing()

    return paths


def account_of(project: str, asked: str) -> None:
    """Raises NotFound where a service account is meant that is not there."""
    one = _told(project)
    if asked not in (one.id, one.name, one.email):
        raise NotFound(f"there is no service account {asked[:100]!r}", cure=f"There is one: {ACCOUNT}.")


def project_id(front: Front) -> str:
    """The id of the server's one project."""
    return project_of(front.settings.api_key)


def _told(project: str) -> ServiceAccount:
    return ServiceAccount(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"bulkhead:account:{project}")),
        project_id=project,
        key=ACCOUNT,
        name=ACCOUNT,
        email=f"{ACCOUNT}@{project}.service.invalid",
        description="What services of this server act for",
    )
