from __future__ import annotations

import inspect

import pytest

from runtime import errors
from runtime.containers import errors as of_containers
from runtime.errors import BundleImportFailed, RuntimeServiceError

pytestmark = pytest.mark.unit

CLASSES = {
    item
    for module in (errors, of_containers)
    for _, item in inspect.getmembers(module, inspect.isclass)
    if issubclass(item, RuntimeServiceError)
}


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [item.code for item in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all("code" in vars(item) for item in CLASSES)


def test_every_error_says_what_it_is_for() -> None:
    assert all(inspect.getdoc(item) for item in CLASSES)


def test_the_text_is_what_happened_and_then_the_cure() -> None:
    assert str(RuntimeServiceError("it broke")) == "it broke"
    assert str(RuntimeServiceError("it broke", cure="Mend it.")) == "it broke. Mend it."
    assert BundleImportFailed("no", detail="Traceback").detail == "Traceback"
