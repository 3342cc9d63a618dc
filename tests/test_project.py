"""What others meet before the code: workflows that can run, locks that fit, settings that somebody reads."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from runtime.settings import knobs

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CALLED_BY_CI = {"lint", "test", "test-interop", "ui-check", "docs"}
_PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def workflow(path: Path) -> dict[str, Any]:
    """A workflow; YAML reads its key ``on`` as a truth value."""
    read = yaml.safe_load(path.read_text())
    return {("on" if key is True else key): value for key, value in read.items()}


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in workflow(path)["jobs"].values() for step in job["steps"]]


def targets() -> set[str]:
    """The targets of the Makefile that are meant to be called."""
    listed = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert listed
    return set(listed[1].split())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_little_and_ends(path: Path) -> None:
    read = workflow(path)
    assert read["on"]
    assert read["permissions"] == {"contents": "read"}, "a job that needs more says so itself"
    for name, job in read["jobs"].items():
        assert 0 < job["timeout-minutes"] <= 60, name
        assert "secrets." not in str(job).replace("secrets.GITHUB_TOKEN", ""), name
        assert job.get("needs", name) in read["jobs"], name
    for line in path.read_text().splitlines():
        if "uses:" in line:
            assert _PINNED.search(line), f"pin it to a commit, and name its version: {line.strip()}"


def test_workflows_call_what_people_call() -> None:
    called = {
        target
        for path in WORKFLOWS
        for step in steps(path)
        for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))
    }
    assert called <= targets()
    assert called >= CALLED_BY_CI
    matrix = workflow(ROOT / ".github" / "workflows" / "checks.yml")["jobs"]["test"]["strategy"]["matrix"]
    supported = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    assert matrix["python"] == [
        one.rpartition(" ")[2] for one in supported if re.search(r":: Python :: 3\.", one)
    ]


def test_a_release_pushes_and_attests_every_image_that_is_made_to_be_used() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    made = set(re.findall(r"^FROM \S+ AS (runtime\S*)$", dockerfile, re.MULTILINE))
    baked = (ROOT / ".ci" / "docker-bake.hcl").read_text()
    assert set(re.findall(r"^ +target = \"(\S+)\"$", baked, re.MULTILINE)) == made
    released = str(steps(ROOT / ".github" / "workflows" / "release.yml"))
    assert "buildx bake -f .ci/docker-bake.hcl --push" in released
    assert set(re.findall(r"steps\.push\.outputs\.([\w-]+)", released)) == made


def test_templates_and_hooks_can_be_read() -> None:
    for path in (*(ROOT / ".github").rglob("*.yml"), ROOT / ".pre-commit-config.yaml"):
        assert yaml.safe_load(path.read_text()), path
    for form in ("bug", "wish"):
        fields = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{form}.yml").read_text())["body"]
        assert [one for one in fields if one.get("validations", {}).get("required")]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {hook["id"] for repo in hooks for hook in repo["hooks"]} >= {"ruff", "ruff-format", "locks"}


def locked(name: str) -> dict[str, set[str]]:
    """The versions that a lock file names for each package; several where they differ by platform."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([\w.-]+)==([\w.+!-]+)", (ROOT / name).read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(package), set()).add(version)
    return found


def test_the_locks_fit_what_is_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"]]
    asked += [one for extra in project["project"]["optional-dependencies"].values() for one in extra]
    groups = project["dependency-groups"]
    developers = [one for group in groups.values() for one in group if isinstance(one, str)]
    for name, wanted in (("requirements.lock", asked), ("requirements-dev.lock", [*asked, *developers])):
        versions = locked(name)
        for line in wanted:
            requirement = Requirement(line)
            found = versions.get(canonicalize_name(requirement.name), set())
            assert found, f"{name} has no {requirement.name}: make lock"
            assert all(requirement.specifier.contains(one) for one in found), f"{line}: {name} has {found}"


def test_both_locks_name_the_same_versions() -> None:
    run, develop = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {name: versions for name, versions in run.items() if develop.get(name) != versions} == {}


def test_every_setting_is_read_by_somebody() -> None:
    read = set()
    for path in (ROOT / "runtime").rglob("*.py"):
        if path.parent.name != "settings":
            tree = ast.parse(path.read_text())
            read |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            # Limits are read by their names.
            read |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    unread = [key for key, item in knobs() if item.name not in read]
    assert unread == [], "a setting that nobody reads promises what is not done"


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "ARCHITECTURE.md"])
def test_links_and_paths_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text()
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", text)
    # What stands in code and looks like a path of ours; one with a capital NAME is a pattern.
    paths = re.findall(r"`((?:runtime|tests|docs|ui|agents|bench|\.ci|\.github)/[\w./-]+)`", text)
    gone = [one for one in [*links, *paths] if not (ROOT / one).exists() and not re.search(r"[A-Z]{3}", one)]
    assert gone == []
