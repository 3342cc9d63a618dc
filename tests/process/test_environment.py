"""What a bundle sees of the front's environment."""

from __future__ import annotations

import pytest

from runtime.process.environment import bundle_environment

pytestmark = pytest.mark.unit

FRONT = {
    "PATH": "/bin",
    "OPENAI_API_KEY": "sk-1",
    "MY_KEY": "k",
    "BULKHEAD_WEBHOOK_SECRET": "s",
    "BULKHEAD_API_TOKEN": "s",
    "MESHAGENT_WEBHOOK_SECRET": "s",
    "MESHAGENT_SECRET": "s",
    "MESHAGENT_API_KEY": "ma-1",
    "MESHAGENT_API_KEY_FILE": "/run/secrets/ma",
    "BULKHEAD_API_KEY": "s",
    "BULKHEAD_MODEL_KEY": "s",
    "BULKHEAD_OFFLINE_SCRIPT": "turns.yaml",
}


def test_our_secrets_are_left_out_and_theirs_are_kept() -> None:
    seen = bundle_environment(FRONT)
    assert {name for name in seen if name in FRONT} == {
        "PATH",
        "OPENAI_API_KEY",
        "MY_KEY",
        "BULKHEAD_OFFLINE_SCRIPT",
    }
    assert "s" not in seen.values()


def test_a_list_of_names_narrows_it() -> None:
    seen = bundle_environment(FRONT, names="OPENAI_* OTHER")
    assert {name for name in seen if name in FRONT} == {"PATH", "OPENAI_API_KEY"}
    # Naming one of our own secrets does not hand it out.
    assert "BULKHEAD_API_TOKEN" not in bundle_environment(FRONT, names="BULKHEAD_API_TOKEN")
