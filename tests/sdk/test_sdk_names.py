"""What ``from runtime.sdk import …`` offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import runtime.sdk

pytestmark = pytest.mark.unit


def test_every_name_is_there_and_the_list_is_sorted() -> None:
    assert list(runtime.sdk.__all__) == sorted(runtime.sdk.__all__)
    for name in runtime.sdk.__all__:
        assert getattr(runtime.sdk, name) is not None
    assert set(runtime.sdk.__all__) <= set(dir(runtime.sdk))


def test_an_unknown_name_is_the_usual_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        _ = runtime.sdk.Nope
    with pytest.raises(ImportError):
        from runtime.sdk import Nope  # noqa: F401


def test_the_decorator_is_not_hidden_by_a_module() -> None:
    program = (
        "import runtime.sdk.tools.toolkit, runtime.sdk.tools.function_tool\n"
        "from runtime.sdk import tool\n"
        "print(type(tool).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "function"
