"""The profile `observability`: what its containers are told is there, held and reachable from here alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
VIEWS = ROOT / "runtime" / "telemetry" / "views"
COMPOSED: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OBSERVING = {name for name, one in COMPOSED["services"].items() if one.get("profiles") == ["observability"]}


@pytest.mark.unit
def test_the_profile_is_whole_and_nothing_of_it_starts_without_it() -> None:
    assert {"collector", "jaeger", "prometheus", "grafana"} == OBSERVING
    assert {name for name, one in COMPOSED["services"].items() if "profiles" not in one} == {"runtime"}
    for name in OBSERVING:
        one = COMPOSED["services"][name]
        image, _, tag = one["image"].rpartition(":")
        assert image
        assert tag[0].isdigit() or tag[0] == "v", "an image has its version"
        assert (one["read_only"], one["cap_drop"]) == (True, ["ALL"])
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ()))
        for volume in one.get("volumes", ()):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSED["volumes"]


@pytest.mark.unit
def test_what_they_are_told_fits_together() -> None:
    services = COMPOSED["services"]
    scraped = yaml.safe_load((VIEWS / "prometheus.yml").read_text())
    targets = [one["static_configs"][0]["targets"][0] for one in scraped["scrape_configs"]]
    assert targets == ["runtime:8080", "collector:8888"]
    assert scraped["scrape_configs"][0]["authorization"]["credentials_file"] == "/run/bulkhead_api_token"
    assert services["prometheus"]["configs"][0]["target"] == "/run/bulkhead_api_token"
    collector = yaml.safe_load((VIEWS / "collector.yml").read_text())
    used = {part for line in collector["service"]["pipelines"].values() for part in line["exporters"]}
    assert used == set(collector["exporters"])
    assert collector["exporters"]["otlp/jaeger"]["endpoint"] == "jaeger:4317"
    assert collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"].endswith(":4318")
    sources = yaml.safe_load((VIEWS / "grafana/provisioning/datasources/bulkhead.yml").read_text())
    known = {one["uid"]: one["url"] for one in sources["datasources"]}
    assert known == {"prometheus": "http://prometheus:9090", "jaeger": "http://jaeger:16686"}
    board = (VIEWS / "grafana/dashboards/bulkhead.json").read_text()
    assert '"uid": "bulkhead"' in board


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({}, ""),
        ({"COMPOSE_PROFILES": "observability"}, "http://collector:4318"),
        ({"OTEL_ENDPOINT": "http://mine:4318", "COMPOSE_PROFILES": "observability"}, "http://mine:4318"),
    ],
)
def test_compose_itself_reads_it_and_points_the_server_to_the_collector(
    variables: dict[str, str], endpoint: str
) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "COMPOSE_"))}
    try:
        done = subprocess.run(
            ["docker", "compose", "config", "--format", "json"],
            cwd=ROOT,
            env={**env, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as reason:
        if "error" in str(getattr(reason, "stderr", "")).lower():
            raise
        pytest.skip("COMPOSE NOT TESTED: no docker compose here")
    composed = yaml.safe_load(done.stdout)
    assert composed["services"]["runtime"]["environment"]["OTEL_ENDPOINT"] == endpoint
    expected = OBSERVING if "COMPOSE_PROFILES" in variables else set()
    assert set(composed["services"]) == {"runtime"} | expected
