"""The openai package made ready before the fork."""

from __future__ import annotations

import os
import sys

import pytest

from runtime.sdk.llm.openai_model import preload
from runtime.sdk.llm.warm_up import warm_up

pytestmark = pytest.mark.process


def test_it_works_and_leaves_no_thread_behind() -> None:
    threads = len(os.listdir("/proc/self/task"))
    assert warm_up()
    assert len(os.listdir("/proc/self/task")) == threads


@pytest.mark.asyncio
async def test_inside_a_running_loop_it_does_nothing() -> None:
    assert not warm_up()


def test_only_a_configured_provider_is_made_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[bool] = []
    monkeypatch.setattr("runtime.sdk.llm.openai_model.warm_up", lambda: called.append(True))
    preload()
    assert called == []
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    preload()
    assert called == [True]
    monkeypatch.setitem(sys.modules, "openai", None)  # as if it were not installed
    preload()
    assert called == [True]
