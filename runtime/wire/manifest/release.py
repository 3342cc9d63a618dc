"""What a client of a release is given of a manifest: only the keys that its strict reader knows.

One key too many makes such a reader refuse a whole list of services, so what is answered depends on who asks.
A newer release is told less as well: an old field that has become nothing else has no place there.  What is
kept here stays whole: `lost_for` names all that a reader does not get, and `with_untold` puts it back into
what one sends that was made of what it got.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from runtime.wire.manifest.flat import ROLE
from runtime.wire.manifest.manifest import OWN_API_KEY, Spec
from runtime.wire.manifest.shape import OWN, Families, ListOf, Record, Shape, release
from runtime.wire.manifest.vocabulary.ports import ENDPOINT
from runtime.wire.manifest.vocabulary.whole import MANIFEST

OLDEST: Final = "0.6"
"""What every release can read that reads the structured form."""
NEWEST: Final = "999"
NEWEST_KNOWN: Final = "0.56.0"
"""The last release whose manifests were looked at."""
_API_KEY_GONE: Final = "0.36"
_PULL_SECRET_IS_MAP: Final = "0.45"
_VALUE_MAY_BE_MISSING: Final = "0.21"
_SECRET_HAS_NO_IDENTITY: Final = "0.44.13"
_SECRET_NEEDS_ACCOUNT: Final = "0.44.13"
_ACCOUNT: Final = {"email": "default@service.invalid"}
"""Whose secrets it reads, where the manifest does not say it: there is one account, whatever it is called."""
_TOLD_APART_BY: Final = ("num", "path", "name")
_OURS: Final = re.compile(rf"(?!.*\bannotations\.)(.*\.)?{OWN}")
"""A name of an author's own annotation is none of ours, however it begins."""
_ROLE_KEPT: Final = re.compile(rf"^(ports\[\d+\]\.endpoints\[\d+\])\.annotations\.{ROLE}$")


def known_to(spec: Spec, version: str, entries: Mapping[str, Sequence[str]] | None = None) -> Spec:
    """The part of a normal form that a release knows, without anything of ours.

    Args:
        version: Such as ``0.24.6``; see `OLDEST` and `NEWEST`.
        entries: By the name that the manifest has for it, the entries of each secret of `container.secrets`:
            a release that has no such field is told of each as a variable.
    """
    at = release(version)
    made: Spec = _cut(spec, MANIFEST, at)
    for port in made.get("ports", ()):
        for endpoint in port.get("endpoints", ()):
            if endpoint.get("annotations", {}).keys() == {ROLE}:
                del endpoint["annotations"]
            elif "annotations" in endpoint:
                endpoint["annotations"] = {k: v for k, v in endpoint["annotations"].items() if k != ROLE}
    container = made.get("container")
    if container is not None:
        kept = spec["container"]
        if OWN_API_KEY in kept and at < release(_API_KEY_GONE):
            container["api_key"] = kept[OWN_API_KEY]
        if "pull_secret" in container and at < release(_PULL_SECRET_IS_MAP):
            container["pull_secret"] = container["pull_secret"]["id"]
        if "secrets" not in container:
            _as_variables(container, kept.get("secrets", ()), entries or {})
        if at >= release(_SECRET_NEEDS_ACCOUNT) and any(
            "secret" in one for one in container.get("environment", ())
        ):
            container.setdefault("run_as", dict(_ACCOUNT))
        for variable in container.get("environment", ()):
            if at < release(_SECRET_HAS_NO_IDENTITY) and "identity" not in variable.get(
                "secret", {"identity"}
            ):
                del variable["secret"]
            if at < release(_VALUE_MAY_BE_MISSING):
                variable.setdefault("value", "")
    return made


def lost_for(spec: Spec, version: str) -> list[str]:
    """The paths of what `known_to` leaves out, as their author wrote them, but for what is ours alone.

    An old field that is kept under a name of ours, an API key or a role, is its author's all the same.
    """
    kept = _paths(known_to(spec, version))
    lost = {_as_written(path) for path in _paths(spec) - kept}
    lost -= {path for path in lost if path in kept or path.removesuffix(".id") in kept}
    return sorted(path for path in lost if not _OURS.match(path))


def with_untold(sent: Spec, kept: Spec, version: str, entries: Mapping[str, Sequence[str]]) -> Spec:
    """What a reader sends that was told of `kept`, with all that it was not told of: it did not take it away.

    Args:
        entries: See `known_to`.
    """
    made: Spec = _with_untold(sent, kept, MANIFEST, release(version))
    secrets = made.get("container", {}).get("secrets", ())
    if any(entries.get(one) for one in secrets) and "secrets" not in sent["container"]:  # told as variables
        left = [one for one in secrets if not entries.get(one)]
        made["container"] = {**made["container"], "secrets": left}
        if not left:
            del made["container"]["secrets"]
    container = made.get("container", {})
    if container.get("run_as") == _ACCOUNT and "run_as" not in kept.get("container", {}):  # told, never said
        made["container"] = {name: one for name, one in container.items() if name != "run_as"}
    return made


def _with_untold(sent: Any, kept: Any, shape: Shape, at: tuple[int, ...]) -> Any:
    match shape:
        case Record() if isinstance(sent, dict) and isinstance(kept, dict):
            known = {one.name: one for one in shape.fields}
            made = dict(sent)
            for name, inner in kept.items():
                field = known.get(name)
                is_told = field is not None and not name.startswith(OWN) and _has("0", field.gone, at)
                if name not in made and not is_told:
                    made[name] = inner
                elif name in made and field is not None:
                    made[name] = _with_untold(made[name], inner, field.shape, at)
            if ROLE in (role := kept.get("annotations", {})) and shape is ENDPOINT:
                made["annotations"] = {ROLE: role[ROLE]} | made.get("annotations", {})
            return made
        case ListOf(item=Record()) if isinstance(sent, list) and isinstance(kept, list):
            before = {which: one for which, one in _told_apart(kept) if which is not None}
            return [_with_untold(one, before.get(which), shape.item, at) for which, one in _told_apart(sent)]
        case _:
            return sent


def _told_apart(items: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """By their number, path or name, and by which of those that have the same it is."""
    seen: Counter[str] = Counter()
    for one in items:
        name = next((str(one[key]) for key in _TOLD_APART_BY if key in one), "")
        seen[name] += 1
        yield (name, seen[name]) if name else None, one


def _as_variables(container: Spec, secrets: Sequence[str], entries: Mapping[str, Sequence[str]]) -> None:
    there = {one["name"] for one in container.get("environment", ())}
    told = {entry: secret for secret in secrets for entry in entries.get(secret, ())}
    more = [{"name": name, "secret": {"id": secret}} for name, secret in told.items() if name not in there]
    if more:
        container["environment"] = [*more, *container.get("environment", ())]


def _as_written(path: str) -> str:
    of_key = f"container.{OWN_API_KEY}"
    if path == of_key or path.startswith(f"{of_key}."):
        return path.replace(OWN_API_KEY, "api_key", 1)
    return _ROLE_KEPT.sub(rf"\1.{ROLE.removeprefix(OWN)}", path)


def _cut(value: Any, shape: Shape, at: tuple[int, ...]) -> Any:
    match shape:
        case Record() if isinstance(value, dict):
            known = {one.name: one for one in shape.fields if not one.name.startswith(OWN)}
            return {
                name: _cut(inner, known[name].shape, at)
                for name, inner in value.items()
                if name in known and _has(known[name].since, known[name].gone, at)
            }
        case ListOf() if isinstance(value, list):
            return [_cut(one, shape.item, at) for one in value]
        case Families():
            return dict(value) if isinstance(value, dict) else value
        case _:
            return value


def _has(since: str, gone: str, at: tuple[int, ...]) -> bool:
    return release(since) <= at and not (gone and at >= release(gone))


def _paths(value: Any, path: str = "") -> set[str]:
    return set(_leaves(value, path))


def _leaves(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{number}]")
    else:
        yield path
