"""From a revision of a service to a container that can be run: with its secrets, and with tokens made now."""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Mapping
from typing import Any, Protocol

from runtime.containers.contract import Ask, Bind, Credential, FileAt, ImageAt, Most, Mounts
from runtime.errors import InvalidRequest
from runtime.knob import parse_bytes
from runtime.services.given import Given
from runtime.services.life.reach import isolation_of, ports_of
from runtime.services.secret import DOCKER
from runtime.services.service import Service, Spec
from runtime.services.store import Store
from runtime.wire.manifest.manifest import OWN_API_KEY
from runtime.wire.manifest.release import NEWEST, known_to

DATA = "/data"


class Mint(Protocol):
    """Makes participant tokens, marked as a service's."""

    def __call__(
        self,
        room: str,
        name: str,
        *,
        role: str = "agent",
        scope: Mapping[str, Any] | None = None,
        service: str = "",
    ) -> str: ...


def signing_secret() -> str:
    """A secret by which a container knows the calls of its endpoints."""
    return secrets.token_hex(32)


async def ask_of(
    service: Service,
    *,
    room: str,
    session_id: str,
    name: str,
    store: Store,
    mint: Mint,
    secret: str,
    more: Mapping[str, str],
) -> Ask:
    """What is to run, for a room.

    Args:
        session_id: Of this run of the room.
        name: Of the container.
        secret: Signs the calls of its endpoints.
        more: Variables beside, or instead of, those of the manifest.

    Raises:
        SecretMissing: A secret or a key is not kept, or is not what the manifest takes it for.
        InvalidRequest: The manifest's command cannot be split into words.
    """
    spec = service.spec
    container = spec["container"]
    given = Given(store, await store.services.secret_versions(service.id, service.revision))
    env = {"MESHAGENT_WEBHOOK_SECRET": secret, "MESHAGENT_SESSION_ID": session_id}
    if key := container.get(OWN_API_KEY):
        makes = bool(key.get("auto_provision", True))
        env["MESHAGENT_API_KEY"] = await store.keys.of_service(
            service.id, service.name, key["name"], makes=makes
        )
    env |= await given.environment(
        container,
        lambda wanted: mint(
            room,
            wanted["identity"],
            role=wanted.get("role", "agent"),
            scope=wanted.get("api"),
            service=service.id,
        ),
    )
    credentials: tuple[Credential, ...] = ()
    if pull := container.get("pull_secret"):
        opens = await given.texts(pull["id"], DOCKER)
        credentials = (
            Credential(opens.get("server") or None, opens.get("username", ""), opens.get("password", "")),
        )
    for_agent = container.get("template") == "agent"
    has_token = for_agent or "template" not in container
    return Ask(
        image=container["image"],
        argv=_argv(container),
        cwd=container.get("working_dir"),
        env=env | dict(more),
        ports={port.number: port.outer for port in ports_of(spec)},
        credentials=credentials,
        name=name,
        mounts=_mounts(spec, for_agent=for_agent),
        writable=bool(container.get("writable_root_fs")),
        private=bool(container.get("private", True)),
        token=mint(room, service.name, service=service.id) if has_token else "",
        for_agent=for_agent,
        service_id=service.id,
        most=_most(spec),
    )


def _most(spec: Spec) -> Most:
    said = isolation_of(spec)
    return Most(
        memory_bytes=parse_bytes(said["memory"]) if "memory" in said else None,
        cpu=float(said["cpu"]) if "cpu" in said else None,
        pids=said.get("pids"),
    )


def _argv(container: Spec) -> tuple[str, ...] | None:
    command = container.get("command", "")
    try:
        return tuple(shlex.split(command)) or None
    except ValueError as error:
        raise InvalidRequest(
            f"container.command cannot be split into words: {error}", cure="Close its quotes."
        ) from None


def _config_folder(config: Spec) -> str:
    return str(config.get("path") or "/var/run/meshagent").rstrip("/")


def _mounts(spec: Spec, *, for_agent: bool) -> Mounts:
    storage = spec["container"].get("storage", {})
    room = [
        Bind(one.get("subpath", ""), one["path"], bool(one.get("read_only")))
        for one in storage.get("room", ())
    ]
    if for_agent and all(bind.path != DATA for bind in room):
        room.append(Bind("", DATA))
    volumes = (
        Bind(f"{one['name']}/{one.get('subpath', '')}".rstrip("/"), one["path"], bool(one.get("read_only")))
        for one in storage.get("volumes", ())
    )
    manifest = json.dumps(known_to(spec, NEWEST))
    return Mounts(
        room=tuple(room),
        project=tuple(
            Bind(one.get("subpath", ""), one["path"], bool(one.get("read_only", True)))
            for one in storage.get("project", ())
        ),
        volumes=tuple(volumes),
        images=tuple(
            ImageAt(one["image"], one["path"], one.get("subpath", "")) for one in storage.get("images", ())
        ),
        files=(
            *(FileAt(one["path"], one["text"]) for one in storage.get("files", ())),
            *(FileAt(f"{_config_folder(one)}/spec.json", manifest) for one in storage.get("configs", ())),
        ),
        empty_dirs=tuple(one["path"] for one in storage.get("empty_dirs", ())),
    )
