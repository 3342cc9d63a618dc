"""`bulkhead bundle install` and `bulkhead bundle list`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from runtime.cli.main import run
from runtime.cli.service.install_progress import Progress
from runtime.supervisor.bundles.environment import Stamp, environment_of

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of agents in an otherwise empty working directory: one bundle of each sort."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "agents"
    for name in ("plain", "own"):
        (folder / name).mkdir(parents=True)
        (folder / name / "main.py").touch()
    (folder / "own" / "requirements.txt").write_text("x\n")
    return folder


def pretend(agents: Path) -> None:
    """Leave what a complete installation leaves."""
    environment = environment_of("own", agents / "own", Path(".bulkhead/environments"))
    assert environment is not None
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to("/bin/true")
    Stamp("3.13.0", "0.7.1", environment.wants.fingerprint()).write(environment.folder)


def test_the_list_says_what_is_missing_and_how_to_make_it(
    agents: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bundle", "list", "-o", "json"]) == 0
    rows = {row["bundle"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["plain"]["environment"] == "the server's"
    assert rows["own"]["environment"] == "missing"
    assert rows["own"]["cure"] == f"Run: bulkhead bundle install {agents / 'own'}"
    pretend(agents)
    assert run(["bundle", "list", str(agents), "-o", "json"]) == 0
    rows = {row["bundle"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["own"]["environment"], rows["own"]["python"], rows["own"]["sdk"]) == (
        "ready",
        "3.13.0",
        "0.7.1",
    )


def test_the_list_says_what_a_server_makes_of_them(
    agents: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = "SyntaxError: x (main.py:3). Mend that line."
    plain = {"source": str(agents / "plain"), "state": "failed", "error": error}
    monkeypatch.setattr("runtime.cli.service.bundle._running", lambda _: {str(agents / "plain"): plain})
    assert run(["bundle", "list", "-o", "json"]) == 0
    rows = {row["bundle"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["plain"]["state"], rows["plain"]["cure"]) == ("failed", error)
    assert rows["own"]["state"] == ""


def test_install_makes_those_that_are_asked_for(
    agents: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def install(environment: object, env: object, say: object, *, is_held: bool) -> Stamp:
        made.append(environment.name)  # type: ignore[attr-defined]
        say("Collecting x")  # type: ignore[operator]
        return Stamp("3.13.0", "0.7.1", "")

    monkeypatch.setattr("runtime.supervisor.bundles.installation.install", install)
    # All of a folder, one of it by name, and one by its own folder, as errors name it.
    for arguments in ([], ["agents", "own"], [str(agents / "own")]):
        assert run(["bundle", "install", *arguments]) == 0
        written = capsys.readouterr()
        assert written.out == "own: Python 3.13.0, MeshAgent SDK 0.7.1\n"
        assert "own: Collecting x" in written.err
    assert made == ["own"] * 3


def test_a_failure_is_told_with_its_cure(agents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (agents / "own" / "bulkhead.toml").write_text('python = ">=3.99"\n')
    assert run(["bundle", "install"]) == 1
    assert "own wants Python >=3.99" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["nowhere"], 2, "there is no folder nowhere"),
        (["agents", "other"], 2, "agents has no bundle other"),
        (["agents", "plain"], 1, "plain asks for no environment of its own"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: list[str], status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bundle", "install", *arguments]) == status
    assert told in capsys.readouterr().err


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_one_changing_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream = _Terminal()
    progress = Progress("own", stream, clock=iter([0.0, 3.0, 5.0]).__next__)
    progress.line("Collecting x\x1b[31m")
    progress.line("   ")
    progress.line("Installing")
    progress.end()
    progress.end()
    assert stream.getvalue() == "\r\x1b[Kown: 3s Collecting x[31m\r\x1b[Kown: 5s Installing\r\x1b[K"
