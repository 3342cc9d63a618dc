"""The manifests for Kubernetes: who gets which secret, and what their NATS lets a node say."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.clock import SystemClock
from runtime.placement.cluster import messages as say
from runtime.placement.cluster.engine.connection import Engine, NoAnswer, NobodyThere, connected
from runtime.placement.cluster.engine.home import program
from runtime.placement.cluster.engine.subjects import Subjects
from runtime.placement.cluster.memory import Memory
from runtime.placement.cluster.node import NodeServer
from runtime.placement.cluster.opening import access_of
from runtime.placement.cluster.remote import RemotePlacement
from tests.patience import PATIENCE
from tests.placement.cluster.conftest import free_port, has_engine, machine

pytestmark = [pytest.mark.process]

_FETCH = say.encoded(say.Fetch(digest="0" * 64, at=0))
FOLDER = Path(__file__).resolve().parents[3] / "docs" / "kubernetes"


def test_a_node_is_given_no_secret_but_its_own() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    found = [one for file in listed["resources"] for one in yaml.safe_load_all((FOLDER / file).read_text())]
    keys = {}
    for one in found:
        if one["kind"] == "Deployment":
            (container,) = one["spec"]["template"]["spec"]["containers"]
            given = [env.get("valueFrom", {}).get("secretKeyRef", {}).get("key") for env in container["env"]]
            keys[one["metadata"]["name"]] = {key for key in given if key}
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert keys["bulkhead-node"] == {"node-url"}
    assert keys["bulkhead-front"] == {"front-url", "api-token", "webhook-secret"}
    kinds = {one["kind"] for one in found}
    assert kinds >= {"PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy"}


@pytest.mark.asyncio
@pytest.mark.skipif(not has_engine(), reason="SEVERAL MACHINES NOT TESTED: no nats-server was found")
async def test_nodes_of_a_nats_that_is_not_ours_run_sessions_and_place_none(tmp_path: Path) -> None:
    port = free_port()
    words = {"FRONT_PASSWORD": "f" * 32, "NODE_PASSWORD": "n" * 32}
    nats = subprocess.Popen(
        [program(), "-c", str(FOLDER / "nats.conf"), "-a", "127.0.0.1", "-p", str(port)],
        env={**os.environ, **words},
        stderr=subprocess.DEVNULL,
    )
    engines = {
        user: Engine(access_of(f"nats://{user}:{word}@127.0.0.1:{port}"), name=user)
        for user, word in (("front", "f" * 32), ("node", "n" * 32))
    }
    try:
        for engine in engines.values():
            await connected(engine, 10.0 * PATIENCE)
        n1: Any = machine("n1")
        node = NodeServer(n1, engines["node"], cluster="main")
        front = RemotePlacement(
            engines["front"],
            cluster="main",
            front="f1",
            lease_s=60.0,
            clock=SystemClock(),
            memory=Memory(tmp_path / "nodes.json"),
        )
        await node.start()
        await front.start([], watch=False)
        await front.adopt([])
        async with asyncio.timeout(30 * PATIENCE):
            await front.loaded()
        assert front.serves("/chat")
        asked = engines["node"].ask(Subjects("main").fetch("f1", "n1"), _FETCH, 10.0 * PATIENCE)
        assert say.decoded(say.Answer, await asked).code == "not_found"  # it may ask for bundles
        with pytest.raises((NobodyThere, NoAnswer)):
            await engines["node"].ask(Subjects("main").do("n1"), b"", 1.0)
        await node.aclose()
        await front._follower.aclose()
    finally:
        for engine in engines.values():
            await engine.aclose()
        nats.terminate()
        nats.wait(10)


@pytest.mark.parametrize("by", ["cpu", "keda"])
def test_the_chart_gives_each_the_same_as_the_manifests(tmp_path: Path, by: str) -> None:
    helm = shutil.which("helm")
    if helm is None:
        pytest.skip("CHART NOT TESTED: no helm")
    chart = tmp_path / "chart"
    shutil.copytree(FOLDER / "chart", chart)
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    assert [one["name"] for one in about.pop("dependencies")] == ["nats"]  # it cannot be fetched here
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about))
    subprocess.run([helm, "lint", "--strict", chart], check=True, capture_output=True)
    words = [helm, "template", "bulkhead", str(chart), "--set", f"autoscaling.by={by},node.drainSeconds=90"]
    made = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    found = [one for one in yaml.safe_load_all(made) if one]
    pods = {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]
        for one in found
        if one["kind"] == "Deployment"
    }
    for name, keys in (
        ("bulkhead-node", {"node-url"}),
        ("bulkhead-front", {"front-url", "api-token", "webhook-secret"}),
    ):
        (container,) = pods[name]["containers"]
        plain = next(
            one
            for one in yaml.safe_load_all((FOLDER / f"{name.partition('-')[2]}.yaml").read_text())
            if one["kind"] == "Deployment"
        )["spec"]["template"]["spec"]
        given = [env.get("valueFrom", {}).get("secretKeyRef", {}).get("key") for env in container["env"]]
        assert {key for key in given if key} == keys
        assert container["securityContext"] == plain["containers"][0]["securityContext"]
        assert pods[name]["securityContext"] == plain["securityContext"]
    assert pods["bulkhead-node"]["terminationGracePeriodSeconds"] == 120
    kinds = [one["kind"] for one in found]
    assert kinds.count("NetworkPolicy") == 2
    assert "PodDisruptionBudget" in kinds
    assert ("ScaledObject" if by == "keda" else "HorizontalPodAutoscaler") in kinds


def test_nats_lets_nodes_of_the_chart_say_what_those_of_the_manifests_may() -> None:
    values = yaml.safe_load((FOLDER / "chart" / "values.yaml").read_text())
    (_, node) = values["nats"]["config"]["merge"]["authorization"]["users"]
    plain = (FOLDER / "nats.conf").read_text()
    allowed = [*node["permissions"]["publish"]["allow"], *node["permissions"]["subscribe"]["allow"]]
    assert all(f'"{one}"' in plain for one in allowed)
    for subject in (Subjects("main").fetch("f1", "n1"), *Subjects("main").permissions("n1")["subscribe"]):
        pattern = re.escape(subject).replace("n1", "*").replace("f1", "*").replace("main", "*")
        assert pattern.replace("\\", "") in allowed
