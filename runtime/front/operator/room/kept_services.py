"""Services that are kept, as Studio shows and writes them: all at once, and texts that are not sent yet."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from quart import Blueprint

from runtime.errors import ManifestInvalid
from runtime.front.http.contract import belongs, gives, takes
from runtime.front.openapi.shapes.deploying.kept_services import (
    CheckedDraft,
    Draft,
    KeptService,
    KeptServices,
    ManifestProblem,
    Variable,
)
from runtime.front.operator.room.accounts import opened_project
from runtime.front.state import Front, caller
from runtime.services.service import Service
from runtime.wire.manifest.mending import looked_at, mended
from runtime.wire.manifest.template import Template, is_template, read_template

STATES: Final = "/accounts/projects/<project>/service-states"
CHECK: Final = "/accounts/projects/<project>/manifests/check"
_EXAMPLE: Final = Draft(
    text="version: v1\nkind: Service\nmetadata: {name: greeter}\ncontainer: {image: greeter:1}\n"
)


def routes(front: Front) -> Blueprint:
    """``/accounts/projects/…/service-states`` and ``…/manifests/check``."""
    paths = Blueprint("kept_services", __name__)
    belongs(paths, "accounts", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.get(STATES)
    @gives(KeptServices)
    async def states(project: str) -> KeptServices:
        """Services of the project and of all rooms, with how each goes in every room that is open"""
        opened_project(front, project)
        assert front.store is not None
        assert front.services is not None
        going = front.services.going()
        kept = await front.store.services.listed(room=None)
        return KeptServices(services=[_shown(one, going.get(one.id, {})) for one in kept])

    @paths.post(CHECK)
    @takes(Draft, example=_EXAMPLE)
    @gives(CheckedDraft)
    async def check(project: str, data: Draft) -> CheckedDraft:
        """What a text would be as a manifest, and all that is wrong with it; nothing is kept"""
        opened_project(front, project)
        return await asyncio.to_thread(_checked, data)

    return paths


def _shown(service: Service, states: dict[str, Any]) -> KeptService:
    return KeptService(
        id=service.id,
        name=service.name,
        room=service.room,
        revision=service.revision,
        image=str((service.spec.get("container") or {}).get("image", "")),
        is_enabled=service.is_enabled,
        created_at=service.created_at,
        updated_at=service.updated_at,
        states=states,
    )


def _checked(draft: Draft) -> CheckedDraft:
    looked = looked_at(draft.text, creating=draft.creating)
    template: Template | None = None
    manifest, problems = looked.manifest, looked.problems
    if manifest is not None and is_template(draft.text):
        template = read_template(draft.text)
        if draft.values is not None:
            try:
                problems = template.render(draft.values).problems
            except ManifestInvalid as error:
                manifest, problems = None, error.problems
    better, _ = ("", False) if manifest is not None or template is not None else mended(draft.text)
    return CheckedDraft(
        valid=manifest is not None,
        kind=looked.manifest.kind if looked.manifest is not None else "",
        name=looked.manifest.name if looked.manifest is not None else "",
        problems=[ManifestProblem(**one.plain()) for one in problems],
        variables=[] if template is None else _variables(template),
        manifest=manifest.spec if manifest is not None and template is None else None,
        mended=better if better not in ("", draft.text) else None,
    )


def _variables(template: Template) -> list[Variable]:
    return [
        Variable(
            name=one.name,
            title=one.title,
            description=one.description,
            is_obscure=one.is_obscure,
            is_optional=one.is_optional,
            words=list(one.words),
            kind=one.kind,
        )
        for one in template.variables
    ]
