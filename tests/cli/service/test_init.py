"""``bulkhead init``: what it writes runs at once, and it writes over nothing."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime import __version__
from runtime.cli.service.init import image_name
from runtime.cli.service.init_files import FILES
from runtime.settings import load_settings

pytestmark = pytest.mark.unit


def test_the_new_service_has_a_test_and_it_passes(bulkhead: Any, tmp_path: Path) -> None:
    folder = tmp_path / "My Agent"
    made = bulkhead("init", str(folder))
    assert made.status == 0
    assert "created  main.py  requirements.txt  Dockerfile  .dockerignore  docker-compose.yml" in made.out
    assert re.search(rf"next +cd '{folder}' && \S+ service run main\.py --room=myroom\n", made.err)
    printed = re.search(r"test +(.*)\n", made.err)
    assert printed
    # Nothing is installed for it, and no folder is entered: it runs as printed.
    tried = subprocess.run(
        printed[1], shell=True, capture_output=True, text=True, timeout=240, cwd=tmp_path, env=bare()
    )
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert "Ran 1 test" in tried.stderr


def bare() -> dict[str, str]:
    """The environment of a new shell: what this run's interpreter finds is not told."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def test_nothing_that_is_secret_or_made_is_committed_or_built_in(bulkhead: Any, tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    bulkhead("init", str(folder))
    for name in (".env", "agents.env", ".bulkhead/server.json", "__pycache__/main.pyc"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "add", "."], cwd=folder, check=True)
    listed = subprocess.run(["git", "ls-files"], cwd=folder, check=True, capture_output=True, text=True)
    assert {*listed.stdout.split()} == {*FILES, f"wheels/bulkhead_runtime-{__version__}-py3-none-any.whl"}
    left_out = (folder / ".dockerignore").read_text().split()
    assert {".env", "**/*.env", ".bulkhead", ".git", ".venv"} <= {*left_out}


def test_its_image_needs_nothing_but_the_folder(bulkhead: Any, tmp_path: Path) -> None:
    bulkhead("init", str(tmp_path / "agent"))
    dockerfile = (tmp_path / "agent" / "Dockerfile").read_text()
    assert re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE) == ["python:3.13-slim"]
    assert "COPY . /app" in dockerfile, "every module, not main.py alone"
    assert f"bulkhead-runtime[openai]=={__version__}" in dockerfile


def test_its_image_is_built_on_ours_where_that_is_wanted(bulkhead: Any, tmp_path: Path) -> None:
    made = bulkhead("init", str(tmp_path / "agent"), "--docker")
    dockerfile = (tmp_path / "agent" / "Dockerfile").read_text()
    base = re.search(r"^ARG BASE=bulkhead:(\S+)\nFROM \$\{BASE\}$", dockerfile, re.MULTILINE)
    assert base
    ours = (Path(__file__).resolve().parents[3] / "Dockerfile").read_text()
    assert f" AS {base[1]}\n" in ours
    assert ours.rstrip().endswith("\nFROM runtime"), "what is built if no target is named"
    assert dockerfile.rindex("USER 10001:10001") > dockerfile.index("USER 0:0")
    assert "wheels" not in made.out


def test_its_container_is_hardened_and_named_after_it(bulkhead: Any, tmp_path: Path) -> None:
    bulkhead("init", str(tmp_path / "My Agent"))
    composed = yaml.safe_load((tmp_path / "My Agent" / "docker-compose.yml").read_text())
    service = composed["services"]["my-agent"]
    assert (composed["name"], service["image"]) == ("my-agent", "my-agent:local")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["ports"] == ["127.0.0.1:${BULKHEAD_PORT:-8080}:8080"]
    load_settings(env=dict.fromkeys(service["environment"], ""))  # raises where a name is none of ours
    assert 'service_name="my-agent"' in (tmp_path / "My Agent" / "main.py").read_text()
    assert load_settings(env={}, file=tmp_path / "My Agent" / "bulkhead.toml").limits.memory == "512MiB"


def test_a_folder_with_something_in_it_stays_as_it_is(bulkhead: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "main.py").write_text("my work")
    refused = bulkhead("init", str(tmp_path / "mine"))
    assert refused.status == 1
    assert "is not empty" in refused.err
    assert "Name a folder that is empty" in refused.err
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["main.py"]
    assert (tmp_path / "mine" / "main.py").read_text() == "my work"


def test_where_nothing_can_be_made_it_says_so(bulkhead: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = bulkhead("init", str(tmp_path / "file" / "agent"))
    assert refused.status == 1
    assert "cannot write" in refused.err


@pytest.mark.parametrize(
    ("folder", "name"), [("My Agent", "my-agent"), ("a__b", "a-b"), ("Ünï", "n"), ("…", "agent")]
)
def test_names_of_images(folder: str, name: str) -> None:
    assert image_name(folder) == name


def test_every_file_ends_with_a_line() -> None:
    assert all(text.endswith("\n") and not text.startswith("\n") for text in FILES.values())
