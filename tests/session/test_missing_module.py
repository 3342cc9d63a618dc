"""What is advised where a module is missing: what can be followed, and never a name that nobody checked."""

from __future__ import annotations

import pytest

from runtime.session.cures.missing_module import cure_by_sdk, cure_for_missing, sentence_for_missing

pytestmark = pytest.mark.unit

RUN = "Run: bulkhead bundle install agents/chat"


@pytest.mark.parametrize(
    ("name", "more", "pieces"),
    [
        ("tools", {}, ["Is it a file of yours? Then put it beside", "Else write the package that has it"]),
        (
            "tols",
            {"near": "tools.py"},
            ["file of yours? The nearest is tools.py.", "requirements.txt"],
        ),
        ("yaml", {}, ["Write PyYAML into requirements.txt", "run: bulkhead bundle install"]),
        (
            "numpyy",
            {"install": RUN},
            ["requirements.txt of the bundle. Run: bulkhead bundle install"],
        ),
        ("numpy.linalgg", {}, ["The version of numpy that is installed does not have it"]),
        ("pkg.mdo", {"near": "pkg/mod.py"}, ["The nearest is pkg/mod.py."]),
        ("google.genai", {"shared": True}, ["Several packages share google,", "write google-genai into"]),
        (
            "acme.tools",
            {"shared": True},
            ["Several packages share acme,", "write the package that has it into"],
        ),
        ("meshagent.anthropic", {"shared": True}, ["share meshagent,", "write meshagent-anthropic into"]),
        ("meshagent.mcp", {}, ["Or bring the SDK", "requirements.txt", "bulkhead bundle install"]),
        ("meshagent", {"install": RUN}, ["Or bring the SDK", "agents/chat"]),
    ],
)
def test_the_advice_can_be_followed(name: str, more: dict[str, str], pieces: list[str]) -> None:
    cure = cure_for_missing(name, **more)
    assert all(piece in cure for piece in pieces), cure
    assert "pip install" not in cure
    assert name not in cure


def test_what_is_missing_is_named() -> None:
    assert sentence_for_missing("tools") == "there is no module 'tools'"
    assert sentence_for_missing("pkg.mdo") == "'pkg' has no module 'pkg.mdo'"
    assert cure_by_sdk().startswith("Or bring the SDK")
