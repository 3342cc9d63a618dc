"""What no field can say by itself: which belong together, which exclude each other, what is there twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from runtime.wire.manifest.document import Key, Mapping, Node, Scalar, Sequence
from runtime.wire.manifest.problem import Problems, shown

MAX_NAME_CHARS: Final = 63
_USUAL_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.ASCII)
_ROOMS_OWN_PORT: Final = 8078


def check(root: Mapping, problems: Problems, *, creating: bool = False) -> None:
    """Tell what is wrong with the structured form as a whole.

    Args:
        creating: It is to become a new service, whose id is given by the server.
    """
    if creating and (key := root.key("id")) is not None and not _is_nothing(root.get("id")):
        problems.error(key, "id", "id cannot be set when creating a service. Leave it out.")
    _place_of_work(root, problems)
    _name(root, problems)
    for port in _maps(root.get("ports")):
        _port(port, problems)
    container = root.get("container")
    if isinstance(container, Mapping):
        _environment(container.get("environment"), problems)
    _twice(_maps(root.get("variables")), "name", "variable", problems)


def _place_of_work(root: Mapping, problems: Problems) -> None:
    container, external = root.key("container"), root.key("external")
    if _is_nothing(root.get("container")):
        container = None
    if _is_nothing(root.get("external")):
        external = None
    if container and external:
        later = max(container, external, key=lambda key: (key.line, key.column))
        first = container if later is external else external
        problems.error(later, later.path, f"not together with {first.text}. Keep one.")
    elif not container and not external:
        problems.error(root, "container", "missing. A service has a container or an external address.")


def _name(root: Mapping, problems: Problems) -> None:
    metadata = root.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(name, Scalar) or name.is_open or not name.raw.strip():
        return
    if len(name.raw) > MAX_NAME_CHARS or _USUAL_NAME.fullmatch(name.raw) is None:
        usual = f"1–{MAX_NAME_CHARS} of a–z, 0–9, dots and dashes are safe."
        told = f'"{shown(name.raw)}" is an unusual name: {usual}'
        problems.warn(name, name.path, told)


def _port(port: Mapping, problems: Problems) -> None:
    number = port.get("num")
    if isinstance(number, Scalar) and number.value == _ROOMS_OWN_PORT:
        problems.warn(number, number.path, f"MeshAgent refuses {_ROOMS_OWN_PORT}, its rooms' own port.")
    endpoints = list(_maps(port.get("endpoints")))
    _twice(endpoints, "path", "path", problems)
    for endpoint in endpoints:
        called, mcp = (_present(endpoint, name) for name in ("meshagent", "mcp"))
        if called and mcp:
            later = max(called, mcp, key=lambda key: (key.line, key.column))
            first = called if later is mcp else mcp
            problems.error(later, later.path, f"not together with {first.text}. Make two endpoints.")
        elif not called and not mcp:
            told = 'nobody calls it. Write "meshagent" or "mcp", or leave the endpoint out.'
            problems.warn(endpoint, endpoint.path, told)


def _environment(node: Node | None, problems: Problems) -> None:
    variables = list(_maps(node))
    _twice(variables, "name", "variable", problems)
    for variable in variables:
        given = [key for key in (_present(variable, one) for one in ("value", "token", "secret")) if key]
        if len(given) > 1:
            told = f"together with {given[0].text}; the variable is {given[-1].text}. Keep one."
            problems.warn(given[-1], given[-1].path, told)


def _twice(maps: list[Mapping] | Iterator[Mapping], field: str, what: str, problems: Problems) -> None:
    """Two items of a list that have the same text in a field."""
    seen: dict[str, Scalar] = {}
    for one in maps:
        node = one.get(field)
        if not isinstance(node, Scalar) or node.is_open:
            continue
        first = seen.setdefault(node.raw, node)
        if first is not node:
            told = f'the {what} "{shown(node.raw)}" is there twice, first in line {first.line}. Keep one.'
            problems.error(node, node.path, told)


def _present(node: Mapping, name: str) -> Key | None:
    return None if _is_nothing(node.get(name)) else node.key(name)


def _is_nothing(node: Node | None) -> bool:
    return isinstance(node, Scalar) and node.kind == "nothing"


def _maps(node: Node | None) -> Iterator[Mapping]:
    if isinstance(node, Sequence):
        yield from (item for item in node.items if isinstance(item, Mapping))
