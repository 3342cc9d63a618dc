"""The flat form, of before October 2025, as the structured one: the same values in their new places.

Values keep the place and the path that they have in the file, so that whatever is wrong with one is told
where its author wrote it.  Unknown keys are warned about and left out; the tools of that time left them out
silently.
"""

from __future__ import annotations

from typing import Any, Final

from runtime.wire.manifest.document import Key, Mapping, Node, Scalar, Sequence
from runtime.wire.manifest.problem import Problems, instead
from runtime.wire.manifest.shape import OWN
from runtime.wire.manifest.vocabulary.words import SERVICE, TEMPLATE

CALLABLE: Final = "meshagent.callable"
ROLE: Final = "x-role"
"""The annotation of an endpoint that keeps its role, which the structured form has no field for."""
MCP_SSE: Final = "mcp.sse"
_CONTAINER: Final = ("image", "command", "environment", "secrets", "pull_secret", "storage")
_MOUNT: Final = ("room_storage_path", "room_storage_subpath")
_ONLY_FLAT: Final = (*_CONTAINER, *_MOUNT, "name", "role")
_ABOUT: Final = ("name", "description")
_KEPT: Final = ("version", "kind", "id", "variables")
_STRUCTURED: Final = ("container", "external", "agents", "files")
_PORT: Final = ("num", "type", "liveness", "endpoints")
_ENDPOINT: Final = ("path", "identity", "role", "type", "api")
_OLD: Final = ("identity", "type", "role", "api")
FORM: Final = (
    'This file mixes the flat form (up to 0.5.18) with the present one; "service convert" prints it whole.'
)
IS_FLAT: Final = "this is the flat form of before October 2025; --fix writes the structured one."


def is_flat(root: Mapping, kind: str, problems: Problems) -> bool:
    """Whether a manifest is written in the flat form; what is, in one that is not, is told."""
    flat = [key for key, _ in root.items if key.text in _ONLY_FLAT]
    structured = [name for name in _STRUCTURED if root.key(name)]
    if kind == SERVICE and root.key("metadata"):
        structured.append("metadata")
    old = _old_endpoints(root)
    if flat and not structured:
        return True
    if not flat and not structured and old and root.key("metadata") is None:
        return True
    for key in flat:
        below = "metadata" if key.text in _ABOUT else "container"
        problems.error(key, key.path, f'belongs below "{below}". {FORM}')
    for one in old:
        for key in (key for key, _ in one.items if key.text in _OLD):
            problems.error(key, key.path, f'belongs below "meshagent" or "mcp". {FORM}')
        one.items = _endpoint(one, "", None, Problems()).items  # so that nothing more is said of it
    root.items = [(key, node) for key, node in root.items if key not in flat]
    return False


def structured(root: Mapping, kind: str, problems: Problems) -> Mapping:
    """The structured form of a flat manifest."""
    problems.note(root, "", IS_FLAT)
    known = (
        *_KEPT,
        *_CONTAINER,
        *_MOUNT,
        *_ABOUT,
        "role",
        "ports",
        *(("metadata",) if kind == TEMPLATE else ()),
    )
    _warn_unknown(root, known, problems)
    made = _map(
        root, [(key, node) for key, node in root.items if key.text in _KEPT or key.text.startswith(OWN)]
    )
    about = [(key, node) for key, node in root.items if key.text in _ABOUT]
    metadata = root.get("metadata")
    if isinstance(metadata, Mapping) and kind == TEMPLATE:
        made.items.append((_key(root, "metadata"), _map(metadata, [*metadata.items, *about])))
    elif about:
        made.items.append((_key(root, "metadata"), _map(root, about)))
    container = _map(root, [(key, node) for key, node in root.items if key.text in _CONTAINER])
    _mount(root, container)
    made.items.append((_key(root, "container"), container))
    ports = root.get("ports")
    if isinstance(ports, Sequence):
        role = root.get("role")
        listed = [_port(one, role, problems) if isinstance(one, Mapping) else one for one in ports.items]
        ports = _list(ports, listed)
    if ports is not None:
        made.items.append((_key(root, "ports"), ports))
    return made


def _mount(root: Mapping, container: Mapping) -> None:
    path = root.get("room_storage_path")
    if path is None or (isinstance(path, Scalar) and path.kind == "nothing"):
        return
    room = _map(path, [(_key(path, "path"), path)])
    if (subpath := root.get("room_storage_subpath")) is not None:
        room.items.append((_key(subpath, "subpath"), subpath))
    storage = container.get("storage")
    if not isinstance(storage, Mapping):
        storage = _map(path, [])
        container.items.append((_key(path, "storage"), storage))
    rooms = storage.get("room")
    if isinstance(rooms, Sequence):
        rooms.items.insert(0, room)
    else:
        storage.items.append((_key(path, "room"), _list(path, [room])))


def _port(port: Mapping, role: Node | None, problems: Problems) -> Mapping:
    _warn_unknown(port, _PORT, problems)
    made = _map(
        port, [(k, n) for k, n in port.items if k.text in ("num", "liveness") or k.text.startswith(OWN)]
    )
    usual = port.get("type")
    spoken = usual if _text_of(usual) not in (CALLABLE, MCP_SSE) else None
    endpoints = port.get("endpoints")
    if isinstance(endpoints, Sequence):
        listed: list[Node] = []
        for one in endpoints.items:
            if isinstance(one, Mapping):
                own = one.get("type")
                if _text_of(own) in ("http", "tcp"):
                    spoken = spoken or own
                listed.append(_endpoint(one, _text_of(own) or _text_of(usual), role, problems))
            else:
                listed.append(one)
        endpoints = _list(endpoints, listed)
    if spoken is not None:
        made.items.append((_key(spoken, "type", spoken.path), spoken))
    if endpoints is not None:
        made.items.append((_key(endpoints, "endpoints", endpoints.path), endpoints))
    return made


def _endpoint(one: Mapping, kind: str, role: Node | None, problems: Problems) -> Mapping:
    _warn_unknown(one, _ENDPOINT, problems)
    made = _map(one, [(k, n) for k, n in one.items if k.text == "path" or k.text.startswith(OWN)])
    identity = one.get("identity")
    if kind in ("http", "tcp"):
        return made
    if kind == MCP_SSE:
        mcp = _map(one, [])
        if identity is not None:
            mcp.items.append((_key(identity, "label", identity.path), identity))
        mcp.items.append((_key(one, "description"), _text(one, "")))
        made.items.append((_key(one, "mcp"), mcp))
        return made
    if kind not in ("", CALLABLE):
        at = one.get("type") or one
        told = f'"{kind}" is none of {CALLABLE}, {MCP_SSE}, http, tcp. {instead(kind, (CALLABLE, MCP_SSE))}'
        problems.error(at, at.path, told.partition(" Known:")[0])
    called = _map(one, [(_key(n, "identity", n.path), n) for n in [identity] if n is not None])
    if (api := one.get("api")) is not None:
        called.items.append((_key(api, "api", api.path), api))
    made.items.append((_key(one, "meshagent"), called))
    of = one.get("role") or role
    if of is not None and not (isinstance(of, Scalar) and of.kind == "nothing"):
        made.items.append((_key(of, "annotations"), _map(of, [(_key(of, ROLE, of.path), of)])))
    return made


def _old_endpoints(root: Mapping) -> list[Mapping]:
    """Endpoints with keys of the flat form."""
    ports = root.get("ports")
    found = []
    for port in ports.items if isinstance(ports, Sequence) else ():
        endpoints = port.get("endpoints") if isinstance(port, Mapping) else None
        for one in endpoints.items if isinstance(endpoints, Sequence) else ():
            if isinstance(one, Mapping) and any(key.text in _OLD for key, _ in one.items):
                found.append(one)
    return found


def _warn_unknown(node: Mapping, known: tuple[str, ...], problems: Problems) -> None:
    for key, _ in node.items:
        if key.text not in known and not key.text.startswith(OWN):
            cure = "" if problems.is_full else instead(key.text, known)
            problems.warn(key, key.path, f"no such key; it is left out. {cure}".rstrip())


def _map(at: Any, items: list[tuple[Key, Node]]) -> Mapping:
    return Mapping(line=at.line, column=at.column, path=at.path, items=items)


def _list(at: Any, items: list[Node]) -> Sequence:
    return Sequence(line=at.line, column=at.column, path=at.path, items=items)


def _key(at: Any, name: str, path: str | None = None) -> Key:
    return Key(name, at.line, at.column, path or (f"{at.path}.{name}" if at.path else name))


def _text(at: Any, value: str) -> Scalar:
    return Scalar(line=at.line, column=at.column, path=at.path, kind="text", value=value, raw=value)


def _text_of(node: Node | None) -> str:
    return str(node.raw) if isinstance(node, Scalar) and node.kind == "text" else ""
