"""Which rules come of a policy, on a real disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.process.confine import landlock
from runtime.process.confine.files import closed, grants, installed

pytestmark = pytest.mark.unit


def ground(folder: Path, **over: Any) -> Ground:
    facts: dict[str, Any] = {
        "folder": str(folder),
        "home": str(folder / "home"),
        "state": str(folder / ".bulkhead"),
        "real": lambda path: os.path.realpath(path, strict=True),
    }
    return Ground(**{**facts, **over})


def given(source: Path, on: Ground, **asked: Any) -> dict[str, int]:
    """Path to rights."""
    made: dict[str, int] = {}
    for path, rights, _ in grants.rules(Policy(Level.BASIC, **asked), on, source, sys.executable, {}):
        made[path] = made.get(path, 0) | rights
    return made


def test_whoever_computes_on_a_gpu_writes_no_settings_of_other_processes(tmp_path: Path) -> None:
    (tmp_path / "main.py").touch()
    rules = given(tmp_path, ground(tmp_path), gpu=True)
    assert [path for path in rules if path == "/proc"], "it may be read"
    assert not [path for path in rules if path.startswith("/proc") and rules[path] & landlock.WRITE_FILE]


def environment(folder: Path, base: Path, private: Path) -> str:
    """One whose packages lead to `private` in each of the ways there are; its interpreter."""
    packages = folder / "lib" / "python3.13" / "site-packages"
    (packages / "x.dist-info").mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(base / "bin" / "python3")
    (folder / "pyvenv.cfg").write_text(f"home = {private}/bin\n")
    (packages / "x.pth").write_text(f"{private}\n")
    url = f'{{"url": "file://{private}", "dir_info": {{"editable": true}}}}'
    (packages / "x.dist-info" / "direct_url.json").write_text(url)
    return str(folder / "bin" / "python")


def test_packages_of_an_environment_of_ours_lead_only_to_an_installation_of_python(tmp_path: Path) -> None:
    state, base, private = tmp_path / "state", tmp_path / "base", tmp_path / "private"
    bundle = tmp_path / "agents" / "a"
    for made in (base / "bin", base / "lib" / "python3.13", private / "bin", bundle):
        made.mkdir(parents=True)
    (base / "bin" / "python3").touch()
    (base / "lib" / "python3.13" / "os.py").touch()
    python = environment(state / "environments" / "a", base, private)
    on = ground(bundle, state=str(state))
    found = {path for path, *_ in grants.rules(Policy(), on, bundle, python, {"PATH": "/usr/bin"})}
    assert str(private) not in found
    assert {str(base), str(state / "environments" / "a"), str(bundle)} <= found
    # One that whoever runs the server made leads where they want it to.
    operators = environment(tmp_path / "venv", base, private)
    assert str(private) in installed.led_to(operators)


def test_what_links_for_names_and_times_lead_to_may_be_read_wherever_it_is(tmp_path: Path) -> None:
    etc, elsewhere = tmp_path / "etc", tmp_path / "mnt" / "wsl"
    etc.mkdir()
    elsewhere.mkdir(parents=True)
    (elsewhere / "resolv.conf").touch()
    (etc / "resolv.conf").symlink_to(elsewhere / "resolv.conf")
    (etc / "hosts").touch()
    assert grants.linked(str(etc)) == [str(elsewhere / "resolv.conf")]
    (tmp_path / "main.py").touch()
    rules = given(tmp_path, ground(tmp_path))
    everybodys = {path for path, *_ in grants.everyday({})}
    for path in grants.linked():
        assert not os.path.exists(path) or (path in rules and path in everybodys)


def reached(rules: dict[str, int], path: Path) -> bool:
    """Whether a file may be read: by a rule for it, or for a folder above."""
    places = (path, *path.parents)
    return any(rules.get(str(one), 0) & landlock.READ_FILE for one in places)


@pytest.mark.parametrize("place", ["home", "."])
def test_a_program_in_somebodys_home_is_not_given_what_is_theirs(tmp_path: Path, place: str) -> None:
    names = (".env", ".ssh/id", ".netrc", "tools.py", "notes/.hidden", "one.py")
    home, folder = tmp_path / "home", tmp_path / place
    for name in (*(home / name for name in names), *(folder / name for name in names)):
        name.parent.mkdir(parents=True, exist_ok=True)
        name.touch()
    rules = given(folder / "one.py", ground(folder, home=str(home), state=str(tmp_path / ".bulkhead")))
    given_of = {name for name in names if reached(rules, folder / name)}
    assert given_of == {".env", "tools.py", "notes/.hidden", "one.py"}
    assert not reached(rules, home / ".ssh" / "id")
    assert not reached(rules, folder / "new"), "what comes later may be anything"
    alone = given(folder / "one.py", ground(folder, home="/nowhere", state=str(tmp_path / ".bulkhead")))
    assert reached(alone, folder / ".ssh" / "id"), "where it is nobody's home, it is the bundle's"


def test_of_packages_that_are_worked_on_only_what_can_be_imported_is_given(tmp_path: Path) -> None:
    checkout, base, bundle = tmp_path / "checkout", tmp_path / "base", tmp_path / "agents" / "a"
    names = ("tool/__init__.py", "src/inner/__init__.py", "one.py", "loose/x.py", "x.dist-info/METADATA")
    others = (".git/config", ".env", "notes.txt", "data/x.db", "docs/reference/page.md")
    for name in (*names, *others):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).touch()
    for made in (base / "bin", base / "lib" / "python3.13", bundle):
        made.mkdir(parents=True)
    (base / "lib" / "python3.13" / "os.py").touch()
    python = environment(tmp_path / "venv", base, checkout)
    (tmp_path / "venv" / "pyvenv.cfg").write_text(f"home = {base}/bin\n")
    made: dict[str, int] = {}
    for path, rights, _ in grants.rules(Policy(), ground(bundle), bundle, python, {"PATH": "/usr/bin"}):
        made[path] = made.get(path, 0) | rights
    assert [name for name in names if not reached(made, checkout / name)] == []
    assert [name for name in others if reached(made, checkout / name)] == []
    assert made[str(checkout)] == landlock.READ_DIR


def test_our_own_checkout_is_found_by_who_has_a_home_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a container of processes has, in the state folder of who works on a checkout."""
    checkout = Path(installed.__file__).parents[4]
    python = environment(tmp_path / "venv", tmp_path, checkout)
    monkeypatch.setenv("HOME", str(checkout / ".bulkhead" / "boxes" / "b_1"))
    assert installed.led_to(python) == [str(checkout)]
    monkeypatch.setattr(installed, "_OURS", "/elsewhere")
    assert installed.led_to(python) == []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What everybody reads is ``opt``, in which not all is for everybody."""
    opt = tmp_path / "opt"
    for name, mode in (("tool/bin/run", 0o755), ("tool/key", 0o600), ("vault/deep/key", 0o644)):
        (opt / name).parent.mkdir(parents=True, exist_ok=True)
        (opt / name).touch()
        (opt / name).chmod(mode)
    (opt / "vault").chmod(0o700)
    monkeypatch.setattr(grants, "_SYSTEM", (str(opt),))
    monkeypatch.setattr(closed, "_ALWAYS", (str(opt),))
    return opt


def test_what_root_keeps_from_others_is_kept_from_its_sessions(machine: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "agents" / "a"
    bundle.mkdir(parents=True)
    rules = given(bundle, ground(bundle))
    assert reached(rules, machine / "tool" / "bin" / "run")
    assert not reached(rules, machine / "tool" / "key")
    assert not reached(rules, machine / "vault" / "deep" / "key")
    errand: dict[str, int] = {}
    for path, rights, _ in grants.everyday({}):
        errand[path] = errand.get(path, 0) | rights
    assert reached(errand, machine / "tool" / "bin" / "run")
    assert not reached(errand, machine / "tool" / "key")


def test_a_bundle_has_what_is_in_its_folder_though_nobody_else_may_read_it(
    machine: Path, tmp_path: Path
) -> None:
    rules = given(machine / "vault", ground(machine / "vault"))
    assert reached(rules, machine / "vault" / "deep" / "key")
    assert not reached(rules, machine / "tool" / "key")
    (machine / "one.py").touch()
    beside = given(machine / "one.py", ground(machine))
    assert reached(beside, machine / "one.py")
    assert not reached(beside, machine / "tool" / "key"), "the folder itself is the system's"


def test_who_runs_as_another_user_is_given_folders_as_a_whole(machine: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "agents" / "a"
    bundle.mkdir(parents=True)
    made = grants.rules(Policy(Level.BASIC), ground(bundle), bundle, sys.executable, {}, is_other_user=True)
    assert (str(machine), landlock.READ, False) in made, "so that what is renamed into it can be read"
