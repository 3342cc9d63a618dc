"""Every field of a manifest is in the reference, with its sentence; the example on the page is one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from docs.reference import manifests
from runtime.wire.manifest.manifest import read
from runtime.wire.manifest.sandbox import FILTERS
from runtime.wire.manifest.vocabulary.whole import MANIFEST

pytestmark = pytest.mark.unit

PAGE = Path(__file__).resolve().parents[2] / "docs/pages/reference/manifests.md"


def test_every_field_has_its_sentence_and_is_on_the_page() -> None:
    page = manifests.page()
    for path, record in manifests.records(MANIFEST, ""):
        assert record.doc.endswith(".")
        for field in record.fields:
            assert field.doc.endswith("."), f"{path}.{field.name}"
            assert f"`{field.name}`" in page


def test_the_example_can_be_used_and_all_filters_are_named() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert read(example).name == "greeter"
    (named,) = re.findall(r"filters of Jinja: `([^`]+)`", PAGE.read_text(), re.DOTALL)
    assert set(named.split()) == FILTERS


def test_the_published_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(manifests.json_schema()))
