"""Telemetry is asked for at import and set up later."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from runtime.sdk import otel

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(otel, "_asked", None)
    monkeypatch.setattr(otel, "_applied", False)
    for name in ("OTEL_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


def test_asking_changes_nothing_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_ENDPOINT", "http://127.0.0.1:9")
    threads, level = threading.active_count(), logging.getLogger().level
    otel.otel_config(service_name="chatbot", level=logging.DEBUG)
    assert otel.asked() == otel.Telemetry("chatbot", logging.DEBUG)
    assert (threading.active_count(), logging.getLogger().level) == (threads, level)


def test_without_an_endpoint_only_the_level_is_set() -> None:
    handlers = list(logging.getLogger().handlers)
    otel.otel_config(level="warning")
    otel.apply()
    assert logging.getLogger().level == logging.WARNING
    assert logging.getLogger().handlers == handlers


def test_a_program_that_did_not_ask_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otel, "_export", lambda *_: pytest.fail("exported"))
    monkeypatch.setenv("OTEL_ENDPOINT", "http://127.0.0.1:9")
    otel.apply()


def test_it_is_applied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(otel, "_export", lambda *given: calls.append(given))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9/")
    otel.otel_config()
    otel.apply()
    otel.apply()
    assert calls == [(otel.Telemetry(), "http://127.0.0.1:9")]


def test_missing_packages_are_one_clear_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)  # type: ignore[arg-type]
    monkeypatch.setenv("OTEL_ENDPOINT", "http://127.0.0.1:9")
    otel.otel_config()
    otel.apply()
    (record,) = caplog.records
    assert "bulkhead-runtime[otel]" in record.getMessage()


def test_the_resource_says_which_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MESHAGENT_PROJECT_ID", raising=False)
    monkeypatch.setenv("MESHAGENT_ROOM", "myroom")
    monkeypatch.setenv("MESHAGENT_SESSION_ID", "s_1")
    assert otel.resource_attributes(otel.Telemetry("chatbot")) == {
        "service.name": "chatbot",
        "room": "myroom",
        "session": "s_1",
    }


def test_an_exporter_s_own_complaints_are_not_exported() -> None:
    class Provider:
        def get_logger(self, name: str) -> Any:
            raise AssertionError(name)

    bridge = otel._LogBridge(Provider(), None, logging.INFO)
    bridge.emit(logging.LogRecord("opentelemetry.exporter", logging.ERROR, "", 1, "failed", None, None))
