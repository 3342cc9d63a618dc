"""A trace of one webhook, read back from a collector: every step once, in order, with the right parents."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import runtime.telemetry
from runtime.telemetry import names as at
from runtime.telemetry import table
from tests.patience import PATIENCE
from tests.telemetry.conftest import AGENT, Running, running
from tests.telemetry.sink import Seen, Sink

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 * PATIENCE)]

VIEWS = Path(runtime.telemetry.__path__[0]) / "views"
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
STEPS = [
    ("POST /chat", "the caller"),
    ("session chatbot", "POST /chat"),
    ("session.accept", "session chatbot"),
    ("session.queue", "session chatbot"),
    ("session.fork", "session chatbot"),
    ("session.construct", "session chatbot"),
    ("session.join", "session chatbot"),
    ("session.ready", "session chatbot"),
    ("invoke_agent chatbot", "session chatbot"),
    ("chat offline", "invoke_agent chatbot"),
    ("execute_tool tide", "invoke_agent chatbot"),
    ("chat offline", "invoke_agent chatbot"),
]


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink() as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("traced")
    (folder / "agents").mkdir()
    (folder / "agents" / "chat.py").write_text(AGENT)
    quick = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_BLRP_SCHEDULE_DELAY": "100"}
    more = {"OTEL_ENDPOINT": sink.url, "OTEL_METRIC_EXPORT_INTERVAL": "500", **quick}
    with running(folder, folder / "agents", **more) as made:
        yield made


def steps_of(spans: list[Seen], caller: str = CALLER) -> list[tuple[str, str]]:
    """Each span with its parent, the session before its steps, whose first begins with it."""
    known = {span.span_id: span.name for span in spans} | {caller: "the caller"}
    rank = {"server": 0}
    ordered = sorted(spans, key=lambda one: (one.began_ns, rank.get(one.name, 1), len(one.parent_id)))
    told = [(span.name, known.get(span.parent_id, "nobody")) for span in ordered]
    session = next((one for one in told if one[0].startswith("session ")), None)
    if session is not None:
        told.remove(session)
        told.insert(1, session)
    return told


def talk(server: Running, sink: Sink, room: str, trace: str, flags: str = "01") -> str:
    """Call the agent, have it use its tool, end it; its session."""
    session = server.call("/chat", room, traceparent=f"00-{trace}-{CALLER}-{flags}")["session"]
    assert "at noon" in server.chat(room, "use the tide tool for the harbour Rostock")
    server.stop(str(session))
    return str(session)


def test_a_webhooks_trace_has_every_step_once_in_order_with_right_parents(
    server: Running, sink: Sink
) -> None:
    session = talk(server, sink, "myroom", TRACE)
    spans = sink.wait(
        lambda: (
            len(found := sink.spans(TRACE)) >= len(STEPS)
            and any(one.name.startswith("session ") for one in found)
            and found
        )
    )
    assert steps_of(spans) == STEPS
    for span in spans:
        row = table.row_of(span.name)
        assert row is not None, span.name
        assert set(span.attributes) - {at.SESSION_ID} <= set(row.attributes), span.name
        assert span.attributes[at.SESSION_ID] == session
        assert span.ended_ns >= span.began_ns
        assert span.error == ""
        within = span.name.startswith(("invoke", "chat", "execute", "session.con", "session.j", "session.r"))
        assert span.resource["service.name"] == ("harbour" if within else "bulkhead")
        assert (span.resource.get("session"), span.resource.get("room")) == (
            (session, "myroom") if within else (None, None)
        )
    whole = next(span for span in spans if span.name == "session chatbot")
    assert whole.attributes[at.REASON] == "stopped"
    asked = next(span for span in spans if span.name == "chat offline")
    assert asked.attributes[at.INPUT_TOKENS] > 0
    assert "Rostock" not in str(spans)  # content is not sent unasked


def test_lines_of_the_log_say_where_they_belong(server: Running, sink: Sink) -> None:
    trace = "1" * 32
    session = talk(server, sink, "logged", trace)
    lines = sink.wait(
        lambda: [one for one in sink.lines() if one.trace_id == trace and "asked for" in one.body]
    )
    (line,) = lines
    (tool,) = sink.wait(lambda: [one for one in sink.spans(trace) if one.name == "execute_tool tide"])
    assert line.span_id == tool.span_id
    assert (line.resource["service.name"], line.resource["session"]) == ("harbour", session)
    accepted = sink.wait(lambda: [one for one in sink.lines() if one.body == "webhook.accepted"])
    assert {one.trace_id for one in accepted} >= {trace}
    written = server.log.read_text()
    assert f'"trace_id":"{trace}"' in written


def test_a_caller_who_does_not_record_is_not_recorded(server: Running, sink: Sink) -> None:
    trace, after = "2" * 32, "3" * 32
    talk(server, sink, "silent", trace, flags="00")
    server.call("/chat", "silent", traceparent=f"00-{after}-{CALLER}-01")
    assert sink.wait(lambda: sink.spans(after))
    assert sink.spans(trace) == []


def test_metrics_go_to_the_collector_and_examples_lead_to_traces(server: Running, sink: Sink) -> None:
    trace = "4" * 32
    server.call("/chat", "measured", traceparent=f"00-{trace}-{CALLER}-01")
    expected = {table.otlp_name(row.name)[0] for row in table.METRICS}
    sent = sink.wait(lambda: "bulkhead.session_start" in sink.metrics() and sink.metrics())
    assert set(sent) <= expected
    asked = urllib.request.Request(
        f"{server.url}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        text = answer.read().decode()
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")
    starts = [line for line in text.splitlines() if line.startswith("bulkhead_session_start_seconds_bucket")]
    assert any(f'trace_id="{trace}"' in line for line in starts)


def test_nobodys_call_begins_a_trace_of_its_own(server: Running, sink: Sink) -> None:
    session = str(server.call("/chat", "own")["session"])
    server.stop(session)

    def found() -> list[Seen]:
        mine = [one for one in sink.spans() if one.attributes.get(at.SESSION_ID) == session]
        return mine if any(one.name == "session chatbot" for one in mine) and len(mine) == 8 else []

    spans = sink.wait(found)
    assert steps_of(spans, "")[0] == ("POST /chat", "the caller")
    assert len({one.trace_id for one in spans}) == 1


def test_what_ends_badly_says_why(server: Running, sink: Sink) -> None:
    trace = "5" * 32
    body = b'{"event": "room.call", "data": {"room_name": "bad"}}'
    headers = {"Prefer": "wait=60", "Content-Type": "application/json"}
    headers["traceparent"] = f"00-{trace}-{CALLER}-01"
    asked = urllib.request.Request(f"{server.url}/broken", body, headers)
    with pytest.raises(urllib.error.HTTPError, match="502") as told:
        urllib.request.urlopen(asked, timeout=90)
    assert json.loads(told.value.read())["trace_id"] == trace
    spans = sink.wait(lambda: {one.name: one for one in sink.spans(trace) if one.error} if len(
        [one for one in sink.spans(trace) if one.error]) >= 2 else {})  # fmt: skip
    assert spans["session.construct"].error == "KeyError"
    assert spans["POST /broken"].error == "502"


def test_a_real_prometheus_scrapes_it_and_keeps_its_examples(
    server: Running, tmp_path: Path, free_port: int
) -> None:
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        pytest.skip("SCRAPING NOT TESTED: no prometheus (apt-get install prometheus)")
    server.call("/chat", "scraped", traceparent=f"00-{'6' * 32}-{CALLER}-01")
    told = yaml.safe_load((VIEWS / "prometheus.yml").read_text())
    job = told["scrape_configs"][0]
    (tmp_path / "token").write_text("none")
    job |= {"static_configs": [{"targets": [server.url.removeprefix("http://")]}], "scrape_interval": "1s"}
    job["authorization"] = {"credentials_file": str(tmp_path / "token")}
    told |= {"scrape_configs": [job], "rule_files": [str(VIEWS / "rules.yml")]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(told))
    command = [prometheus, f"--config.file={tmp_path / 'prometheus.yml'}", "--log.level=error"]
    command += [f"--web.listen-address=127.0.0.1:{free_port}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    process = subprocess.Popen([*command, "--enable-feature=exemplar-storage"])

    def ask(path: str, **query: str) -> Any:
        url = f"http://127.0.0.1:{free_port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.loads(answer.read())["data"]
        except OSError:
            return None

    def until(ask_for: Callable[[], Any]) -> Any:
        ends = time.monotonic() + 60 * PATIENCE
        while not (found := ask_for()) and time.monotonic() < ends:
            assert process.poll() is None
            time.sleep(0.2)
        return found

    try:
        measured = "bulkhead_session_start_seconds"
        assert until(lambda: (ask("query", query=f"{measured}_count") or {}).get("result"))
        names = until(lambda: ask("label/__name__/values"))
        ours = {name for name in names if name.startswith("bulkhead_")}
        assert ours <= table.known_series()
        examples = until(lambda: ask("query_exemplars", query=f"{measured}_bucket", start="0", end="9e9"))
        found = {one["labels"]["trace_id"] for series in examples for one in series["exemplars"]}
        assert "6" * 32 in found
        rules = until(lambda: ask("rules"))["groups"][0]["rules"]
        assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    finally:
        process.terminate()
        process.wait(30)
