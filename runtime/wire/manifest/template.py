"""Templates of services: the values that they take, and what they become with these.

Two ways of filling in are known.  Where the file has ``{{ }}``, all of it is rendered before it is read;
where it has none, ``{name}`` is filled in within ``container.environment[].value``, as before 0.22.2.
Values are texts and stay texts.  Everything is checked before anything is filled in: each value against its
variable, each use against the variables there are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from jinja2 import Undefined

from runtime.wire.manifest import document
from runtime.wire.manifest.document import Node, Scalar
from runtime.wire.manifest.filling import Filling, is_jinja, path_at
from runtime.wire.manifest.manifest import Manifest, Spec, kind_in, understood
from runtime.wire.manifest.problem import Problem, Problems, instead, refuse, shown
from runtime.wire.manifest.vocabulary.words import SERVICE, TEMPLATE

MAX_VALUE_CHARS: Final = 64 << 10
TEMPLATE_TEXT: Final = "meshagent.service.template.yaml"
TEMPLATE_VALUES: Final = "meshagent.service.template.values"
_NAME: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)
_REACHING: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)[.\[!:][^{}]*\}", re.ASCII)
_IS_TEMPLATE: Final = re.compile(r"""^\s*\{?\s*["']?kind["']?\s*:\s*["']?ServiceTemplate\b""", re.MULTILINE)
_IN_JSON: Final = re.compile(r'"kind"\s*:\s*"ServiceTemplate"')


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a template takes.

    Attributes:
        is_obscure: It is a secret: it stands in no annotation, log or answer.
        words: All that it can be; empty for any text.
        kind: ``email``, ``route`` or empty.
        line, column: Where it is told.
    """

    name: str
    title: str = ""
    description: str = ""
    is_obscure: bool = False
    is_optional: bool = False
    words: tuple[str, ...] = ()
    kind: str = ""
    line: int = 1
    column: int = 1


class Rendered(msgspec.Struct, frozen=True):
    """A template with its values.

    Attributes:
        template: The normal form as a ServiceTemplate, its text and values among its annotations.
        service: The same as a Service.
        obscured: The variables of the container whose values hold a secret of the form, with these values.
        problems: Notes and warnings.
    """

    template: Spec
    service: Spec
    obscured: Mapping[str, str]
    problems: tuple[Problem, ...]


class Template(msgspec.Struct, frozen=True):
    """A template that can be filled in; made by `read_template`.

    Attributes:
        manifest: As it is read with nothing filled in; what is not known yet stands as ``…``.
    """

    text: str
    variables: tuple[Variable, ...]
    manifest: Manifest
    is_jinja: bool

    def check(self, values: Mapping[str, object]) -> None:
        """Judge values before anything is filled in.

        Raises:
            ManifestInvalid: Some are missing, are no variables, or are not what their variable takes.
        """
        problems = Problems()
        known = {one.name: one for one in self.variables}
        for name in values:
            if name not in known:
                there = f"There is: {', '.join(known)}." if known else "It takes none."
                told = f'no variable "{shown(name)}". {instead(name, known, word="There is") or there}'
                problems.add(Problem(line=1, column=1, path=f"values.{shown(name)}", text=told))
        for one in self.variables:
            if told := _wrong(one, values.get(one.name)):
                problems.add(Problem(line=one.line, column=one.column, path=f"values.{one.name}", text=told))
        problems.check()

    def render(self, values: Mapping[str, str]) -> Rendered:
        """What the template becomes.

        Raises:
            ManifestInvalid: Values do not fit, or what comes out is no service.
        """
        self.check(values)
        problems = Problems()
        known: dict[str, Any] = {}
        for one in self.variables:
            known[one.name] = values.get(one.name) or Undefined(name=one.name)

        if self.is_jinja:
            root = Filling(self.text, known).parse(problems)
        else:
            root = document.parse(self.text, problems)
        texts = {name: value if isinstance(value, str) else "" for name, value in known.items()}
        for node in _values_in(root):
            node.value = node.raw = _filled(node.raw, texts) if not self.is_jinja else node.raw
        _render_tagged(root, known)
        made = understood(root, problems)
        secret = [values[one.name] for one in self.variables if one.is_obscure and values.get(one.name)]
        shown_values = {one.name: values[one.name] for one in self.variables
                        if one.name in values and not one.is_obscure}  # fmt: skip
        template = _annotated(made.spec, self.text, shown_values)
        service = {name: value for name, value in template.items() if name != "variables"} | {"kind": SERVICE}
        return Rendered(template, service, _obscured(service, secret), made.problems)


def is_template(text: str) -> bool:
    """Whether a manifest says that it is a template."""
    return _IS_TEMPLATE.search(text) is not None or _IN_JSON.search(text) is not None


def read_template(text: str) -> Template:
    """A template, with every use of a variable checked and everything that does not depend on values.

    Raises:
        ManifestInvalid: It cannot be used; has everything that is wrong with it.
    """
    problems = Problems()
    jinja = is_jinja(text)
    filling = Filling(text, {}, is_open=True) if jinja else None
    root = filling.parse(problems) if filling else document.parse(text, problems)
    if kind_in(root) != TEMPLATE:
        raise refuse(root.line, root.column, f'this is no template. Write "kind: {TEMPLATE}".', "kind")
    places = _places(root)
    names = list(places)
    if filling is not None:
        for name in sorted(filling.names - set(names)):
            line, column = filling.used_at(name)
            problems.add(_no_variable(name, names, line, column, path_at(root, line, column)))
    for node in _values_in(root):
        if filling is None:
            _check_braces(node, names, problems)
        else:
            _warn_braces(node, names, problems)
    made = understood(root, problems)
    return Template(text, tuple(_variables(made.spec, places)), made, jinja)


def modern(template: Template) -> Spec | None:
    """The normal form, with ``{{ name }}`` for ``{name}``; None for one that is text until it is rendered."""
    if template.is_jinja:
        return None
    root = document.parse(template.text, Problems())
    names = {one.name for one in template.variables}
    for node in _values_in(root):
        found = _NAME.sub(lambda name: f"{{{{ {name[1]} }}}}" if name[1] in names else name[0], node.raw)
        node.value = node.raw = found
    return understood(root, Problems()).spec


def _wrong(variable: Variable, value: object) -> str:
    """What there is against a value."""
    name = f'"{variable.name}"'
    if value is None or value == "":
        return "" if variable.is_optional else f"{name} needs a value."
    if not isinstance(value, str):
        return f"{name} is {type(value).__name__}. Values are texts."
    if len(value) > MAX_VALUE_CHARS:
        return f"{name} has {len(value):,} characters, at most {MAX_VALUE_CHARS:,} are taken."
    if "\0" in value:
        return f"{name} has a NUL character, which nothing can be given."
    if variable.words and value not in variable.words:
        was = "" if variable.is_obscure else f' "{shown(value)}"'
        return f"{name} can be {', '.join(variable.words)}, not{was or ' this'}."
    if variable.kind == "email" and re.fullmatch(r"[^@\s]+@[^@\s]+", value) is None:
        return f"{name} is an e-mail address, such as ada@example.org."
    return ""


def _no_variable(name: str, names: list[str], line: int, column: int, path: str) -> Problem:
    there = f"There is: {', '.join(names)}." if names else 'List it below "variables".'
    return Problem(line=line, column=column, path=path, text=f'no variable "{name}". {there}')


def _check_braces(node: Scalar, names: list[str], problems: Problems) -> None:
    for found in _NAME.finditer(node.raw):
        if found[1] not in names:
            problems.add(_no_variable(found[1], names, node.line, node.column, node.path))
    for found in _REACHING.finditer(node.raw):
        if found[1] in names:
            problems.error(
                node, node.path, f"only {{{found[1]}}} is filled in, nothing of it. Leave out the rest."
            )


def _warn_braces(node: Scalar, names: list[str], problems: Problems) -> None:
    for found in _NAME.finditer(node.raw):
        if found[1] in names:
            told = (
                f"{{{found[1]}}} stays as it is, because the file has {{{{ }}}}. Write {{{{ {found[1]} }}}}."
            )
            problems.warn(node, node.path, told)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _NAME.sub(lambda found: values.get(found[1], found[0]), text)


def _values_in(root: document.Mapping) -> Iterator[Scalar]:
    """The values of the container's variables, in either form."""
    container = root if root.get("environment") is not None else root.get("container")
    environment = container.get("environment") if isinstance(container, document.Mapping) else None
    found: list[Node | None] = []
    if isinstance(environment, document.Mapping):
        found = [node for _, node in environment.items]
    elif isinstance(environment, document.Sequence):
        found = [one.get("value") for one in environment.items if isinstance(one, document.Mapping)]
    yield from (node for node in found if isinstance(node, Scalar) and node.kind == "text")


def _render_tagged(root: document.Mapping, values: Mapping[str, Any]) -> None:
    """Render scalars with the tag ``!template``, or that begin with it, by themselves."""
    for node in document.walk(root):
        if isinstance(node, Scalar) and (
            node.is_template or node.raw.startswith(f"{document.TEMPLATE_TAG} ")
        ):
            text = node.raw.removeprefix(f"{document.TEMPLATE_TAG} ")
            filled = Filling(text, values).text() if is_jinja(text) else text
            node.value = node.raw = filled
            node.kind = "text"


def _places(root: document.Mapping) -> dict[str, document.Mapping]:
    listed = root.get("variables")
    found: dict[str, document.Mapping] = {}
    for one in listed.items if isinstance(listed, document.Sequence) else ():
        name = one.get("name") if isinstance(one, document.Mapping) else None
        if isinstance(name, Scalar) and isinstance(one, document.Mapping):
            found.setdefault(name.raw, one)
    return found


def _variables(spec: Spec, places: Mapping[str, document.Mapping]) -> Iterator[Variable]:
    for one in spec.get("variables", ()):
        at = places[one["name"]]
        yield Variable(
            name=one["name"],
            title=one.get("title", ""),
            description=one.get("description", ""),
            is_obscure=one.get("obscure", False),
            is_optional=one.get("optional", False),
            words=tuple(one.get("enum", ())),
            kind=one.get("type", ""),
            line=at.line,
            column=at.column,
        )


def _annotated(spec: Spec, text: str, values: Mapping[str, str]) -> Spec:
    metadata = spec["metadata"]
    more = {TEMPLATE_TEXT: text, TEMPLATE_VALUES: json.dumps(values, ensure_ascii=False)}
    return spec | {"metadata": metadata | {"annotations": metadata.get("annotations", {}) | more}}


def _obscured(spec: Spec, secrets: list[str]) -> dict[str, str]:
    environment = spec.get("container", {}).get("environment", ())
    return {
        one["name"]: one["value"]
        for one in environment
        if any(secret in one.get("value", "") for secret in secrets)
    }
