"""``bulkhead init``: what it writes runs at once, and it writes over nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.cli.service.init import image_name
from runtime.cli.service.init_files import FILES
from runtime.settings import load_settings

pytestmark = pytest.mark.unit


def test_the_new_service_has_a_test_and_it_passes(bulkhead: Any, tmp_path: Path) -> None:
    folder = tmp_path / "My Agent"
    made = bulkhead("init", str(folder))
    assert made.status == 0
    assert "created  main.py  Dockerfile  docker-compose.yml  bulkhead.toml  tests/test_main.py" in made.out
    assert f"cd '{folder}' && bulkhead service run main.py --room=myroom" in made.err
    # Without the plugins and settings of the tests that run it.
    quiet = ["-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:xdist", "-c", os.devnull]
    tried = subprocess.run(
        [sys.executable, "-m", "pytest", *quiet, "--rootdir", str(folder), str(folder)],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert tried.returncode == 0, tried.stdout + tried.stderr


def test_its_container_is_hardened_and_named_after_it(bulkhead: Any, tmp_path: Path) -> None:
    bulkhead("init", str(tmp_path / "My Agent"))
    composed = yaml.safe_load((tmp_path / "My Agent" / "docker-compose.yml").read_text())
    service = composed["services"]["my-agent"]
    assert (composed["name"], service["image"]) == ("my-agent", "my-agent:local")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["ports"] == ["127.0.0.1:8080:8080"]
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
