"""Which environment a bundle asks for, and whether it can be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import BundleError, EnvironmentUnusable
from runtime.supervisor.bundles.environment import (
    UNUSED_S,
    Environment,
    Stamp,
    cache_of,
    environment_of,
    own_launch,
    remove_unused,
    wants_of,
)

pytestmark = pytest.mark.unit


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "agents" / "chat"
    folder.mkdir(parents=True)
    (folder / "main.py").touch()
    return folder


def made(bundle: Path, tmp_path: Path) -> Environment:
    """The bundle's environment, as a complete installation leaves it."""
    environment = environment_of("chat", bundle, tmp_path / "environments")
    assert environment is not None
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to("/bin/true")
    Stamp("3.13.0", "0.7.1", environment.wants.fingerprint()).write(environment.folder)
    return environment


def test_a_file_or_a_folder_that_asks_for_nothing_runs_in_the_servers(bundle: Path, tmp_path: Path) -> None:
    assert wants_of(bundle / "main.py") is None
    assert wants_of(bundle) is None
    (bundle / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    (bundle / "bulkhead.toml").write_text("[server]\nport = 1\n")
    assert wants_of(bundle) is None
    assert own_launch("chat", bundle, tmp_path, {}) is None


def test_each_of_the_three_files_asks(bundle: Path) -> None:
    (bundle / "bulkhead.toml").write_text('python = "3.13"\n')
    wants = wants_of(bundle)
    assert wants is not None
    assert (wants.python, wants.requirements, wants.file, wants.says) == ("3.13", (), None, "bulkhead.toml")
    (bundle / "pyproject.toml").write_text(
        '[project]\nname = "chat"\nrequires-python = ">=3.12"\ndependencies = ["meshagent-agents"]\n'
    )
    wants = wants_of(bundle)
    assert wants is not None
    # What is said to us goes before what is said to everybody.
    assert (wants.python, wants.requirements, wants.says) == ("3.13", ("meshagent-agents",), "pyproject.toml")
    (bundle / "bulkhead.toml").unlink()
    (bundle / "requirements.txt").write_text("meshagent-agents==0.7.1\n")
    wants = wants_of(bundle)
    assert wants is not None
    assert (wants.python, wants.file, wants.says) == (
        ">=3.12",
        bundle / "requirements.txt",
        "requirements.txt",
    )


def test_a_file_of_comments_asks_for_nothing(bundle: Path) -> None:
    (bundle / "requirements.txt").write_text("\n# what main.py imports\n")
    assert wants_of(bundle) is None


def test_a_path_is_taken_from_the_bundles_folder(bundle: Path) -> None:
    (bundle / "bulkhead.toml").write_text('python = "./bin/python"\n')
    wants = wants_of(bundle)
    assert wants is not None
    assert wants.python == str(bundle / "bin" / "python")


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("pyproject.toml", "[project\n", "chat/pyproject.toml is no TOML"),
        ("pyproject.toml", '[project]\ndependencies = "one"\n', "dependencies is no list"),
        ("bulkhead.toml", "python = 3.13\n", "python is no text"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(bundle: Path, file: str, text: str, told: str) -> None:
    (bundle / file).write_text(text)
    with pytest.raises(BundleError, match=told):
        wants_of(bundle)
    with pytest.raises(EnvironmentUnusable, match=told):
        own_launch("chat", bundle, bundle, {})


def test_a_missing_one_says_which_command_makes_it(bundle: Path, tmp_path: Path) -> None:
    (bundle / "requirements.txt").write_text("x\n")
    with pytest.raises(
        EnvironmentUnusable, match=f"no environment yet. Run: bulkhead bundle install {bundle}"
    ):
        own_launch("chat", bundle, tmp_path, {})


def test_one_that_is_complete_is_used_without_the_servers_packages(bundle: Path, tmp_path: Path) -> None:
    (bundle / "requirements.txt").write_text("x\n")
    environment = made(bundle, tmp_path)
    assert environment.state() == "ready"
    env = {"PATH": "/bin", "PYTHONPATH": "/front", "PYTHONHOME": "/front", "KEY": "k"}
    launch = own_launch("chat", bundle, tmp_path / "environments", env)
    assert launch is not None
    assert launch.python == str(environment.python)
    assert launch.env == {
        "PATH": f"{environment.folder}/bin:/bin",
        "KEY": "k",
        "VIRTUAL_ENV": str(environment.folder),
    }


def test_changed_requirements_make_it_stale_and_a_lost_interpreter_broken(
    bundle: Path, tmp_path: Path
) -> None:
    (bundle / "requirements.txt").write_text("x\n")
    environment = made(bundle, tmp_path)
    (bundle / "requirements.txt").write_text("y\n")
    assert environment.state() == "stale"
    with pytest.raises(EnvironmentUnusable, match=r"requirements\.txt of chat was changed"):
        environment.launch({})
    (bundle / "requirements.txt").write_text("x\n")
    environment.python.unlink()
    environment.python.symlink_to("/there/is/no/python")
    assert environment.state() == "broken"
    with pytest.raises(EnvironmentUnusable, match=r"incomplete\. Run: bulkhead bundle install"):
        environment.launch({})


def test_an_installation_that_was_cut_off_left_a_broken_one(bundle: Path, tmp_path: Path) -> None:
    (bundle / "requirements.txt").write_text("x\n")
    environment = made(bundle, tmp_path)
    (environment.folder / "bulkhead-environment.json").write_text('{"python": ')
    assert environment.state() == "broken"


def test_bundles_of_one_name_in_two_folders_have_one_each(bundle: Path, tmp_path: Path) -> None:
    other = tmp_path / "others" / "chat"
    other.mkdir(parents=True)
    for folder in (bundle, other):
        (folder / "requirements.txt").write_text("x\n")
    one, two = (environment_of("chat", folder, tmp_path) for folder in (bundle, other))
    assert one is not None
    assert two is not None
    assert one.folder != two.folder


def test_environments_of_bundles_that_are_gone_are_removed_after_a_while(tmp_path: Path) -> None:
    environments, bundles = tmp_path / "environments", tmp_path / "agents"

    def make(name: str, bundle: str = "", *, stamped: bool = True) -> Path:
        folder = environments / name
        folder.mkdir(parents=True)
        (folder / "pyvenv.cfg").write_text("")
        if stamped:
            Stamp("3.13.0", "", "f", bundle).write(folder)
        return folder

    for name in ("there", "away", "used"):
        (bundles / name).mkdir(parents=True)
    make("there", str(bundles / "there"))
    away = make("away", str(bundles / "away"))
    used = make("used", stamped=False)  # by a bundle of this server, as it is being installed anew
    make("gone", str(bundles / "gone"))
    make("older")
    make("cut", stamped=False)
    (environments / "foreign").mkdir()
    (environments / "linked").symlink_to(bundles / "there")
    (bundles / "away").rename(tmp_path / "elsewhere")
    assert remove_unused(environments, {used}, 1e9) == []
    assert remove_unused(environments, {used}, 1e9 + UNUSED_S - 1) == []
    (tmp_path / "elsewhere").rename(bundles / "away")
    assert remove_unused(environments, {used}, 1e9 + UNUSED_S) == ["cut", "gone", "older"]
    assert sorted(entry.name for entry in environments.iterdir()) == [
        "away",
        "foreign",
        "linked",
        "there",
        "used",
    ]
    assert Stamp.read(away).bundle == str(bundles / "away")
    (bundles / "away").rename(tmp_path / "elsewhere")  # again: it counts from now on
    assert remove_unused(environments, {used}, 1e9 + 2 * UNUSED_S) == []
    for folder in (away, used):
        cache_of(folder).mkdir(parents=True)
    assert remove_unused(environments, {used}, 1e9 + 3 * UNUSED_S) == ["away"]
    assert [entry.name for entry in (environments / ".cache").iterdir()] == [used.name]
    assert remove_unused(tmp_path / "nothing", set(), 0.0) == []
