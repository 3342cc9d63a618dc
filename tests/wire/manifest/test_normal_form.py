"""Whatever a manifest says: its normal form is a fixed point, and nothing that was written is lost in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runtime.errors import ManifestInvalid
from runtime.wire.manifest.json_schema import schema
from runtime.wire.manifest.manifest import Manifest, read
from runtime.wire.manifest.release import NEWEST, OLDEST, known_to, lost_for, with_untold
from runtime.wire.manifest.shape import (
    OWN,
    Families,
    Field,
    Free,
    ListOf,
    MapOf,
    PortNumber,
    Quantity,
    Record,
    Shape,
    Text,
    Truth,
    Whole,
)
from runtime.wire.manifest.template import is_template, read_template
from runtime.wire.manifest.vocabulary.whole import MANIFEST
from runtime.wire.manifest.vocabulary.words import SERVICE
from runtime.wire.manifest.written import as_yaml
from tests.wire.manifest.test_examples import SERVICES, TEMPLATES

pytestmark = pytest.mark.unit

CHECK = jsonschema.Draft202012Validator(schema())
TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=12)
NAMES = TEXTS.filter(lambda text: bool(text.strip()))
FREE = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)


def values(shape: Shape) -> st.SearchStrategy[Any]:
    """Everything that a shape can be, in small."""
    match shape:
        case Record(name="manifest"):
            return records(shape).map(in_one_place)
        case Record():
            return records(shape)
        case ListOf():
            items = values(shape.item)
            return st.lists(items, min_size=shape.is_filled, max_size=2, unique_by=json.dumps).map(apart)
        case MapOf():
            return st.dictionaries(NAMES, values(shape.value), max_size=2)
        case Families():
            return st.dictionaries(
                st.sampled_from([name for name, _ in shape.known]), st.just({}), max_size=3
            )
        case Free():
            return FREE
        case Text(words=words) if words:
            return st.sampled_from(words)
        case Text():
            texts = NAMES if shape.is_filled else TEXTS
            texts = texts.map(lambda text: text.strip().lower()) if shape.is_folded else texts
            return texts.map(lambda text: f"/{text}") if shape.is_path else texts
        case Truth():
            return st.booleans()
        case Whole():
            return st.integers(shape.least, shape.most)
        case PortNumber():
            return st.just("*") | st.integers(1, 65535)
        case Quantity():
            return st.integers(1, 99)


def records(record: Record) -> st.SearchStrategy[Any]:
    fields = [one for one in record.fields if one.only in ("", SERVICE) and one.name != "api_key"]
    needed = {one.name: value_of(one) for one in fields if one.is_required or one.required_of == SERVICE}
    more = {one.name: value_of(one) for one in fields if one.name not in needed}
    return st.fixed_dictionaries(needed, optional=more)


def value_of(field: Field) -> st.SearchStrategy[Any]:
    return st.just(SERVICE) if field.name == "kind" else values(field.shape)


def apart(items: list[Any]) -> list[Any]:
    """Items without a second one of a name or a path, which is refused."""
    seen: set[Any] = set()
    kept = []
    for item in items:
        names = {(key, item[key]) for key in ("name", "path") if isinstance(item, dict) and key in item}
        if not names & seen:
            kept.append(item)
        seen |= names
    return kept


def in_one_place(spec: dict[str, Any]) -> dict[str, Any]:
    """A service that has either a container or an address, and whose endpoints are one thing each."""
    if "container" in spec:
        spec.pop("external", None)
    spec.setdefault("container", {"image": "i"}) if "external" not in spec else None
    for port in spec.get("ports") or ():
        for endpoint in port.get("endpoints") or ():
            if "meshagent" in endpoint:
                endpoint.pop("mcp", None)
    return spec


SPECS = values(MANIFEST)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{number}]")
    else:
        yield path, value


def read_spec(spec: Any) -> Manifest:
    return read(as_yaml(spec))


@settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)
@given(spec=SPECS)
def test_the_normal_form_is_a_fixed_point_and_loses_nothing(spec: dict[str, Any]) -> None:
    normal = read_spec(spec).spec
    assert read_spec(normal).spec == normal
    assert read(json.dumps(normal)).spec == normal
    there = dict(leaves(normal))
    for path, value in leaves(spec):
        assert there.get(path, value) == value
        assert path in there or value in (None, True, False, "meshagent.agent-message.v1", "secrets:proxy")
    assert not any(value is None and "channels" not in path and "prompt" not in path
                   for path, value in there.items())  # fmt: skip


TWO_VARIABLES: dict[str, Any] = {
    "version": "v1",
    "kind": "Service",
    "metadata": {"name": "two"},
    "container": {
        "image": "one",
        "environment": [{"name": "KEY", "secret": {"id": "key", "identity": ""}}, {"name": "NAME"}],
    },
}


@settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)
@given(spec=SPECS)
def test_the_schema_takes_whatever_is_read(spec: dict[str, Any]) -> None:
    CHECK.validate(spec)
    CHECK.validate(read_spec(spec).spec)


@settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)
@given(spec=SPECS, version=st.sampled_from([OLDEST, "0.24.6", "0.35.8", "0.44.13", NEWEST]))
@example(spec=TWO_VARIABLES, version=NEWEST)
def test_a_release_is_given_a_manifest_and_nothing_of_ours(spec: dict[str, Any], version: str) -> None:
    kept = read_spec(spec).spec
    back = with_untold(read_spec(known_to(kept, NEWEST)).spec, kept, NEWEST, {})
    assert back == kept  # who sends back what it was told takes nothing away
    given_ = known_to(kept, version)
    assert read_spec(given_).kind == SERVICE
    fields = [path for path, _ in leaves(given_) if ".annotations" not in path and "headers" not in path]
    assert not any(f".{OWN}isolation" in path for path in fields)
    assert lost_for(read_spec(given_).spec, version) == []


@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_a_damaged_manifest_is_read_or_refused_and_never_breaks_anything(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([*SERVICES.values(), *TEMPLATES.values()]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 8))
        put = data.draw(st.text(st.sampled_from("ab:{}[]\"'\n *&!%-#|>~ \t0"), max_size=3))
        text = text[:at] + put + text[at + cut :]
    try:
        if is_template(text):
            read_template(text).render({"tone": "dry", "key": "k", "who": "a"})
        else:
            read(text)
        return
    except ManifestInvalid as error:
        problems = error.problems
    assert problems
    assert all(1 <= one.line <= text.count("\n") + 2 and one.column >= 1 and one.text for one in problems)


@pytest.mark.parametrize("name", SERVICES)
def test_the_schema_knows_the_examples(name: str) -> None:
    if name != "flat":
        CHECK.validate(yaml.safe_load(SERVICES[name]))
    CHECK.validate(read(SERVICES[name]).spec)


def test_the_schema_refuses_what_is_refused() -> None:
    for wrong in (
        {"kind": "Service"},
        {"version": "v1", "kind": "Service", "metadata": {"name": "a"}, "image": "i"},
    ):
        assert not CHECK.is_valid(wrong)


def test_secrets_are_told_as_variables_to_who_has_no_other_word_for_them() -> None:
    kept = read(SERVICES["old secrets"]).spec
    entries = {"7d0c-index-keys": ("FIRST", "SECOND")}
    told = known_to(kept, NEWEST, entries)
    assert told["container"]["environment"] == [
        {"name": "FIRST", "secret": {"id": "7d0c-index-keys"}},
        {"name": "SECOND", "secret": {"id": "7d0c-index-keys"}},
    ]
    assert told["container"]["run_as"]["email"]  # without it the newest refuse the whole list
    back = with_untold(read_spec(told).spec, kept, NEWEST, entries)["container"]
    assert "secrets" not in back
    assert back["x-api-key"] == kept["container"]["x-api-key"]
    # What it was not told of stays; what it was told of and left out is gone.
    less = read_spec({**told, "container": {"image": "registry.example/indexer:8"}}).spec
    assert with_untold(less, kept, NEWEST, entries)["container"] == {
        "image": "registry.example/indexer:8",
        "x-api-key": kept["container"]["x-api-key"],
    }
    assert with_untold(less, kept, NEWEST, {})["container"]["secrets"] == ["7d0c-index-keys"]


def test_each_release_gets_its_words() -> None:
    old = known_to(read(SERVICES["old secrets"]).spec, OLDEST)["container"]
    assert old["pull_secret"] == "5b1f-registry"
    assert old["api_key"] == {"role": "admin", "name": "indexer-key"}
    new = known_to(read(SERVICES["old secrets"]).spec, NEWEST)["container"]
    assert new["pull_secret"] == {"id": "5b1f-registry"}
    assert not {"api_key", "x-api-key", "secrets"} & set(new)
    # Nothing of it goes unsaid; and here it is kept whole.
    lost = lost_for(read(SERVICES["old secrets"]).spec, NEWEST)
    assert lost == ["container.api_key.name", "container.api_key.role", "container.secrets[0]"]
    assert "container.api_key.name" not in lost_for(read(SERVICES["old secrets"]).spec, OLDEST)
    assert read(SERVICES["old secrets"]).spec["container"]["secrets"]
    account = read(SERVICES["account"]).spec
    assert known_to(account, OLDEST)["container"]["environment"] == [{"name": "K", "value": ""}]
    assert known_to(account, "0.35.8")["container"]["environment"] == [{"name": "K"}]
    assert lost_for(account, "0.24.6") == [
        "container.environment[0].secret.id",
        "container.run_as.email",
        "container.template",
    ]
    flat = known_to(read(SERVICES["flat"]).spec, NEWEST)
    assert all("annotations" not in one for one in flat["ports"][0]["endpoints"])
    assert "ports[0].endpoints[0].role" in lost_for(read(SERVICES["flat"]).spec, NEWEST)
    # A name of the author's own is told, however it is spelt.
    named = {"x-isolation": {"pids": 9}, "variables": [{"annotations": {"index-of": "a", "x-mine": "b"}}]}
    assert lost_for(named, "0.19") == [f"variables[0].annotations.{name}" for name in ("index-of", "x-mine")]
