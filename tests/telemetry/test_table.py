"""One table names all that is emitted: the registry has nothing else, and no view asks for anything else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import runtime.telemetry
from docs.reference.metrics import rows
from runtime.telemetry import names, table

VIEWS = Path(runtime.telemetry.__path__[0]) / "views"
_NAME = re.compile(r"\b(?:bulkhead|up)[a-z0-9_:]*\b(?=\s*[{\[()=<>!/,\s*]|$)")


@pytest.mark.unit
def test_the_registry_is_the_table() -> None:
    measured = {
        (name.strip("`").removesuffix("_total" if kind == "counter" else ""), kind,
         tuple(sorted(re.findall(r"`(\w+)`", labels))))
        for name, kind, labels, _ in rows()
    }  # fmt: skip
    assert measured == {(row.name, row.kind, tuple(sorted(row.labels))) for row in table.METRICS}


@pytest.mark.unit
def test_each_attribute_has_its_sentence_and_each_parent_its_row() -> None:
    own = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    assert own == set(table.ATTRIBUTES)
    assert {one for row in table.SPANS for one in row.attributes} == own
    begins = {row.begins for row in table.SPANS}
    assert {row.parent for row in table.SPANS[1:]} <= begins


@pytest.mark.unit
@pytest.mark.parametrize(
    ("name", "otlp"),
    [
        ("bulkhead_session_start_seconds", ("bulkhead.session_start", "s")),
        ("bulkhead_headroom_bytes", ("bulkhead.headroom", "By")),
        ("bulkhead_session_memory_byte_seconds", ("bulkhead.session_memory_byte_seconds", "")),
        ("bulkhead_sessions", ("bulkhead.sessions", "")),
    ],
)
def test_a_unit_stands_apart_in_otlp(name: str, otlp: tuple[str, str]) -> None:
    assert table.otlp_name(name) == otlp


def asked() -> Iterator[tuple[str, str]]:
    """Each name that a shipped view asks for, with the expression that does."""
    rules = yaml.safe_load((VIEWS / "rules.yml").read_text())
    board = json.loads((VIEWS / "grafana" / "dashboards" / "bulkhead.json").read_text())
    expressions = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    expressions += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    expressions += [one["query"]["query"] for one in board["templating"]["list"]]
    tests = yaml.safe_load((VIEWS / "rules.test.yml").read_text())
    expressions += [one["series"] for test in tests["tests"] for one in test["input_series"]]
    for expression in expressions:
        for name in _NAME.findall(re.sub(r'"[^"]*"', '""', expression)):
            yield name, expression


@pytest.mark.unit
def test_views_ask_for_nothing_that_is_not_emitted() -> None:
    rules = yaml.safe_load((VIEWS / "rules.yml").read_text())
    recorded = {rule["record"] for group in rules["groups"] for rule in group["rules"] if "record" in rule}
    known = table.known_series() | recorded | {"up"}
    found = list(asked())
    assert len(found) > 40
    assert [(name, where) for name, where in found if name not in known] == []


@pytest.mark.unit
def test_labels_of_views_are_those_of_the_metrics() -> None:
    labels = {series: set(row.labels) for row in table.METRICS for series in row.series}
    for _, expression in asked():
        for name, matchers in re.findall(r"(bulkhead_\w+)\{([^}]*)\}", expression):
            given = set(re.findall(r"(\w+)\s*[=!]~?", re.sub(r'"[^"]*"', '""', matchers)))
            assert given <= labels[name] | {"instance", "job", "le"}, expression


@pytest.mark.process
def test_each_rule_fires_when_it_should() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("ALERT RULES NOT TESTED: no promtool (apt-get install prometheus)")
    done = subprocess.run(
        [promtool, "test", "rules", "rules.test.yml"], cwd=VIEWS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tested: dict[str, Any] = yaml.safe_load((VIEWS / "rules.test.yml").read_text())["tests"][0]
    rules = yaml.safe_load((VIEWS / "rules.yml").read_text())["groups"][0]["rules"]
    fires = {one["alertname"] for one in tested["alert_rule_test"] if "exp_alerts" in one}
    assert fires == {rule["alert"] for rule in rules if "alert" in rule}
