"""Requests to run something, in the words of all releases, as one value."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from runtime.containers.contract import Ask, Bind, Credential, FileAt, ImageAt, Mounts
from runtime.errors import InvalidRequest
from runtime.rooms.files import clean_path
from runtime.rooms.request import Request
from runtime.rooms.token import ROLES
from runtime.wire.text import utf8_text

_MAX_ENV_CHARS: Final = 64 << 10
_MAX_FILES_CHARS: Final = 1 << 20
_MAX_ENTRIES: Final = 64
_MAX_NAME_CHARS: Final = 128
_MAX_COMMAND_CHARS: Final = 64 << 10
_SHELL: Final = ("sh",)
DATA: Final = "/data"


def ask_of(request: Request) -> Ask:
    """What is to be run; without the token that it is given.

    Raises:
        InvalidRequest: An argument cannot be used; says which, and what it is to be.
    """
    if variables := request.optional_object("variables"):
        raise InvalidRequest(
            f"the image has no manifest with the variable {next(iter(variables))!r}",
            cure="Give it as a variable of the environment.",
        )
    template = request.optional_text("template")
    for_agent = template == "agent"
    return Ask(
        image=request.text("image"),
        argv=argv_of(request, "command"),
        cwd=request.optional_text("working_dir"),
        env=environment_of(request),
        ports=_ports(request),
        credentials=credentials_of(request),
        name=_name(request),
        mounts=_mounts(request, for_agent=for_agent),
        writable=request.flag("writable_root_fs"),
        private=request.flag("private"),
        for_agent=for_agent,
    )


def role_asked(request: Request) -> str:
    """The role of the participant that is to be in there."""
    role = request.optional_text("role") or "user"
    if role not in ROLES:
        raise InvalidRequest(f"'role' of {request.name} is {role!r:.80}", cure=f"One of: {', '.join(ROLES)}.")
    return role


def argv_of(request: Request, key: str) -> tuple[str, ...] | None:
    """A command, split as a shell splits words; None when there is none."""
    command = request.arguments.get(key)
    if command is None or command == "" or command == []:
        return None
    if isinstance(command, list) and all(isinstance(word, str) and "\0" not in word for word in command):
        words = tuple(command)
    elif isinstance(command, str) and "\0" not in command:
        try:
            words = tuple(shlex.split(command))
        except ValueError as error:
            raise InvalidRequest(
                f"{key!r} of {request.name} cannot be split into words: {error}", cure="Close its quotes."
            ) from None
    else:
        raise InvalidRequest(f"{key!r} of {request.name} must be a text or a list of texts")
    if sum(map(len, words)) > _MAX_COMMAND_CHARS:
        raise InvalidRequest(f"{key!r} of {request.name} is longer than {_MAX_COMMAND_CHARS} characters")
    return words or None


def exec_argv(request: Request) -> tuple[str, ...]:
    """The command of an exec; a shell when none is named."""
    return argv_of(request, "command") or _SHELL


def credentials_of(request: Request) -> tuple[Credential, ...]:
    """With what registries are asked; never repeated in an error."""
    found = []
    for one in _list(request, "credentials"):
        texts = [one.get(key) for key in ("username", "password")]
        if not all(isinstance(text, str) for text in texts):
            raise InvalidRequest("'credentials' need 'username' and 'password', texts")
        registry = one.get("registry")
        found.append(
            Credential(registry if isinstance(registry, str) else None, str(texts[0]), str(texts[1]))
        )
    return tuple(found)


def _name(request: Request) -> str:
    name = request.optional_text("name") or ""
    if len(name) > _MAX_NAME_CHARS or any(letter < " " for letter in name):
        raise InvalidRequest(f"'name' of {request.name} is no name", cure=f"Up to {_MAX_NAME_CHARS} letters.")
    return name


def environment_of(request: Request) -> dict[str, str]:
    """Variables, as an object or as a list of pairs."""
    given = request.arguments.get("env")
    pairs: list[tuple[Any, Any]]
    if _are_objects(given):
        pairs = [(one.get("key"), one.get("value")) for one in given]
    elif given is None or isinstance(given, dict):
        pairs = list((given or {}).items())
    else:
        raise InvalidRequest(f"'env' of {request.name} must be an object of texts")
    for key, value in pairs:
        if not isinstance(key, str) or not key or "=" in key or "\0" in key:
            raise InvalidRequest(f"'env' of {request.name} has {key!r:.80}, which is no name of a variable")
        if not isinstance(value, str) or "\0" in value:
            raise InvalidRequest(f"variable {key!r} must be a text")
    if sum(len(key) + len(value) for key, value in pairs) > _MAX_ENV_CHARS:
        raise InvalidRequest(
            f"'env' of {request.name} has more than {_MAX_ENV_CHARS} characters", cure="Mount a file instead."
        )
    return dict(pairs)


def _ports(request: Request) -> dict[int, int]:
    given = request.arguments.get("ports")
    if given is None:
        return {}
    if _are_objects(given):
        pairs = [(one.get("container_port"), one.get("host_port")) for one in given]
    elif isinstance(given, dict):
        pairs = list(given.items())
    else:
        raise InvalidRequest(f"'ports' of {request.name} must be an object")
    if len(pairs) > _MAX_ENTRIES:
        raise InvalidRequest(f"'ports' of {request.name} has more than {_MAX_ENTRIES} entries")
    return {_port(request, inner, least=1): _port(request, outer or 0, least=0) for inner, outer in pairs}


def _port(request: Request, value: object, *, least: int) -> int:
    if isinstance(value, int | str) and not isinstance(value, bool):
        text = str(value)
        if text.isascii() and text.isdigit() and len(text) < 6 and least <= int(text) < 65536:
            return int(text)
    raise InvalidRequest(f"'ports' of {request.name} has {value!r:.80}, which is no port")


def _mounts(request: Request, *, for_agent: bool) -> Mounts:
    given = request.optional_object("mounts") or {}
    for kind in ("project", "volumes", "configs"):
        if given.get(kind):
            raise InvalidRequest(
                f"'mounts' of {request.name} has {kind!r}, which this server does not have",
                cure="It has room, images, files and empty_dirs.",
            )
    room = [Bind(_subpath(one), _path(one), _read_only(one)) for one in _within(given, "room")]
    if path := request.optional_text("mount_path"):
        subpath = request.optional_text("mount_subpath") or ""
        room.insert(0, Bind(_subpath({"subpath": subpath}), _path({"path": path})))
    if for_agent and not any(bind.path == DATA for bind in room):
        room.append(Bind("", DATA))
    files = tuple(FileAt(_path(one), utf8_text(_text(one, "text"))) for one in _within(given, "files"))
    if sum(len(file.text) for file in files) > _MAX_FILES_CHARS:
        raise InvalidRequest(f"files to mount have more than {_MAX_FILES_CHARS} characters together")
    return Mounts(
        room=tuple(room),
        images=tuple(
            ImageAt(_text(one, "image"), _path(one), _subpath(one)) for one in _within(given, "images")
        ),
        files=files,
        empty_dirs=tuple(_path(one) for one in _within(given, "empty_dirs")),
    )


def _within(given: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    found = given.get(kind) or []
    if not _are_objects(found) or len(found) > _MAX_ENTRIES:
        raise InvalidRequest(f"{kind!r} of 'mounts' must be a list of objects, at most {_MAX_ENTRIES}")
    return list(found)


def _path(one: Mapping[str, Any]) -> str:
    path = one.get("path")
    parts = path.split("/") if isinstance(path, str) else []
    if (
        not isinstance(path, str)
        or not path.startswith("/")
        or ".." in parts
        or utf8_text(path).replace("\0", "") != path
    ):
        raise InvalidRequest(f"{path!r:.80} is no path to mount at", cure="It begins with /, such as /data.")
    if not path.strip("/"):
        raise InvalidRequest("nothing can be mounted at /", cure="Name a folder, such as /data.")
    return path


def _subpath(one: Mapping[str, Any]) -> str:
    """In its one spelling, by which tokens are asked about it."""
    path = one.get("subpath") or ""
    if not isinstance(path, str) or ".." in path.split("/") or "\0" in path:
        raise InvalidRequest(f"{path!r:.80} is no path within what is mounted")
    return clean_path(path)


def _read_only(one: Mapping[str, Any]) -> bool:
    return bool(one.get("read_only"))


def _text(one: Mapping[str, Any], key: str) -> str:
    value = one.get(key)
    if not isinstance(value, str):
        raise InvalidRequest(f"a mount needs {key!r}, a text")
    return value


def _list(request: Request, key: str) -> list[dict[str, Any]]:
    found = request.arguments.get(key) or []
    if not _are_objects(found) or len(found) > _MAX_ENTRIES:
        raise InvalidRequest(f"{key!r} of {request.name} must be a list of objects, at most {_MAX_ENTRIES}")
    return list(found)


def _are_objects(value: object) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)
