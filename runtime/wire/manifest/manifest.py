"""A manifest read whole: its kind, its normal form, and what there is to say of it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from runtime.errors import ManifestInvalid
from runtime.wire.manifest import flat, rules
from runtime.wire.manifest.document import Mapping, Scalar, parse
from runtime.wire.manifest.problem import Problem, Problems
from runtime.wire.manifest.reading import MISSING, Reading
from runtime.wire.manifest.vocabulary.whole import MANIFEST
from runtime.wire.manifest.vocabulary.words import ELSEWHERE, KINDS, SERVICE

Spec = dict[str, Any]
"""The normal form of a manifest, as JSON has it."""
OWN_API_KEY: Final = "x-api-key"


class Manifest(msgspec.Struct, frozen=True):
    """A manifest that can be used.

    Attributes:
        kind: ``Service`` or ``ServiceTemplate``.
        spec: Its normal form.
        is_flat: It was written in the flat form.
        problems: Notes and warnings, in the order of the file.
    """

    kind: str
    spec: Spec
    is_flat: bool
    problems: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        return str(self.spec["metadata"]["name"])


def read(text: str, *, creating: bool = False) -> Manifest:
    """A manifest in whichever form; one of a template is taken as it is written (see `template`).

    Args:
        creating: It is to become a new service, and must not bring an id.

    Raises:
        ManifestInvalid: It cannot be used; has everything that is wrong with it.
    """
    problems = Problems()
    root = parse(text, problems)
    return understood(root, problems, creating=creating)


def understood(root: Mapping, problems: Problems, *, creating: bool = False) -> Manifest:
    """As `read`, of a tree that was parsed.

    Raises:
        ManifestInvalid: As `read`.
    """
    kind = kind_in(root)
    is_flat = flat.is_flat(root, kind, problems)
    if is_flat:
        root = flat.structured(root, kind, problems)
    _say_elsewhere(root, problems)
    spec = Reading(kind, problems, is_flat).record(root, MANIFEST)
    rules.check(root, problems, creating=creating)
    problems.check()
    if spec is MISSING:
        raise ManifestInvalid("this is no manifest", problems=tuple(problems))
    return Manifest(kind, settled(spec), is_flat, tuple(problems))


def kind_in(root: Mapping) -> str:
    """Its kind; a Service where it is none that is known, which is told with everything else."""
    named = root.get("kind")
    return named.raw if isinstance(named, Scalar) and named.raw in KINDS else SERVICE


def settled(spec: Spec) -> Spec:
    """A read manifest with what is kept for old clients put aside."""
    container = spec.get("container")
    if container and "api_key" in container:
        inner = dict(container)
        inner[OWN_API_KEY] = inner.pop("api_key")
        return spec | {"container": inner}
    return spec


def _say_elsewhere(root: Mapping, problems: Problems) -> None:
    named = root.get("kind")
    if isinstance(named, Scalar) and named.raw in ELSEWHERE:
        told = (
            f'"{named.raw}" is a kind of MeshAgent that this server does not have. It has {", ".join(KINDS)}.'
        )
        problems.error(named, "kind", told)
        problems.check()
