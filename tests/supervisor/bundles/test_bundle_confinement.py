"""What a bundle may reach, on a real disk: its file, its neighbours, the server's own file."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.errors import BundleError, ConfigError
from runtime.process.confine.files import grants
from runtime.process.confine.hold import Hold
from runtime.process.confine.home.private import PrivateFolders
from runtime.process.leftovers.forkability import Fork
from runtime.process.program.as_user import cure_of
from runtime.session.limit_layers import SourcedLimits
from runtime.settings import ConfinementSettings
from runtime.supervisor.bundles.bundle_file import fork_of
from runtime.supervisor.bundles.bundle_limits import limits_of
from runtime.supervisor.bundles.confined.bundle_confinement import Confinement, what_runs
from runtime.supervisor.bundles.confined.held import Held
from runtime.supervisor.bundles.dotenv import with_dotenv

pytestmark = pytest.mark.unit


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    folder = tmp_path / "agents"
    for name in ("chat/main.py", "chat/data/x", "helper/main.py", "flat.py", "other.py", "shared/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (tmp_path / ".bulkhead" / "rooms").mkdir(parents=True)
    return folder


def held(source: Path, *, file: Path | None = None, declared: Any = None, **settings: Any) -> Held:
    confinement = Confinement(
        ConfinementSettings(**{"level": "basic", **settings}),
        state=source.parents[1] / ".bulkhead",
        file=file,
    )
    others = [source.parent / name for name in ("chat", "helper", "flat.py", "other.py")]
    return confinement.held(source, [one for one in others if one != source], declared or {})


def test_a_bundle_gets_what_its_endpoints_declare_and_each_of_them_its_own(agents: Path) -> None:
    (agents / "chat" / "bulkhead.toml").write_text(
        '[confinement]\nread = ["../shared"]\ngrantable = ["/x"]\n'
    )
    found = held(agents / "chat", declared={"/w": {"write": ["data"]}, "/s": {"level": "strict"}, "/": {}})
    shared, data = (str(agents / "shared"),), (str(agents / "chat" / "data"),)
    assert found.bundle == Policy(Level.BASIC, read=shared, write=data)
    assert found.of("/w") == found.of("/unknown") == found.bundle
    assert found.of("/") == Policy(Level.BASIC, read=shared)
    assert found.of("/s") == Policy(Level.STRICT, read=shared, network="none", shm=False)
    assert set(found.narrower) == {"/", "/s"}
    assert found.apart == {}
    assert all(found.bundle.covers(found.of(path)) for path in found.endpoints)


def test_a_flat_bundle_may_have_neither_its_folder_nor_its_neighbours(agents: Path) -> None:
    for path in (".", "other.py", "chat", ".."):
        with pytest.raises(BundleError) as refused:
            held(agents / "flat.py", declared={"/x": {"read": [path]}})
        assert '@service.path("/x"): read names' in str(refused.value)
    assert held(agents / "flat.py", declared={"/x": {"write": ["shared"]}}).of("/x").write


def test_a_bundle_inside_another_ones_folder_has_what_is_its_own(agents: Path) -> None:
    (agents / "main.py").touch()
    confinement = Confinement(ConfinementSettings(level="basic"), state=agents.parent / ".bulkhead")
    inner = confinement.held(agents / "chat", [agents], {"/x": {"write": ["data"]}})
    assert inner.of("/x").write == (str(agents / "chat" / "data"),)
    with pytest.raises(BundleError, match=r"another bundle's .*agents/main\.py"):
        confinement.held(agents / "chat", [agents], {"/x": {"read": ["../main.py"]}})
    with pytest.raises(BundleError, match=r"another bundle's .*agents/chat"):
        confinement.held(agents, [agents / "chat"], {"/x": {"write": ["."]}})


def test_a_link_is_judged_by_where_it_leads(agents: Path) -> None:
    (agents / "chat" / "link").symlink_to(agents.parent / ".bulkhead" / "rooms")
    (agents / "chat" / "dead").symlink_to(agents / "nowhere")
    for name, told in (("link", "lies in the server's state folder"), ("dead", "there is no")):
        with pytest.raises(BundleError, match=told):
            held(agents / "chat", declared={"/x": {"read": [name]}})


def test_a_link_that_sessions_may_have_made_leads_nowhere_else(agents: Path) -> None:
    chat, elsewhere = agents / "chat", agents.parent / "secrets"
    (elsewhere / "models").mkdir(parents=True)
    (chat / "data" / "models").symlink_to(elsewhere)
    (chat / "models").symlink_to("data/models")
    (chat / "own").symlink_to(elsewhere)
    for path in ("data/models", "models", "data/models/models"):
        with pytest.raises(BundleError, match="its sessions may write, leads out of"):
            held(chat, declared={"/w": {"write": ["data"]}, "/r": {"read": [path]}})
        assert held(chat, declared={"/r": {"read": [path]}}), "nobody but its author made it"
    with pytest.raises(BundleError, match="leads out of"):
        held(chat, declared={"/w": {"write": ["data", "data/models"]}})
    assert held(chat, declared={"/w": {"write": ["data"], "read": ["own"]}}).bundle.read == (str(elsewhere),)
    (chat / "data" / "models").unlink()
    (chat / "data" / "models").symlink_to("real")
    (chat / "data" / "real").mkdir()
    assert held(chat, declared={"/w": {"write": ["data"], "read": ["models"]}})


@pytest.mark.parametrize("key", ["read", "write"])
@pytest.mark.parametrize("path", [".", "bulkhead.toml", "../chat/bulkhead.toml"])
def test_the_servers_own_file_is_not_granted(agents: Path, key: str, path: str) -> None:
    file = agents / "chat" / "bulkhead.toml"
    file.touch()
    with pytest.raises(BundleError, match=r"the server's own file .*bulkhead\.toml"):
        held(agents / "chat", file=file, declared={"/x": {key: [path]}})
    assert held(agents / "chat", declared={"/x": {key: [path]}}), "its own, where it is not the server's"


def test_variables_are_read_from_nothing_that_is_anothers(agents: Path) -> None:
    chat, aside = agents / "chat", agents.parent / "aside.env"
    for place in (agents / "helper" / ".env", agents.parent / ".bulkhead" / "rooms" / "x", aside):
        place.write_text("KEY=secret\n")
    for leads_to, told in (
        (agents / "helper" / ".env", "is another bundle's"),
        (agents.parent / ".bulkhead" / "rooms" / "x", "lies in the server's state folder"),
    ):
        (chat / ".env").symlink_to(leads_to)
        with pytest.raises(BundleError, match=told):
            with_dotenv(chat, {}, held(chat).ground)
        assert with_dotenv(chat, {})[1] == ("KEY",), "where nobody is held"
        (chat / ".env").unlink()
    (chat / ".env").symlink_to(aside)
    assert with_dotenv(chat, {}, held(chat).ground)[0] == {"KEY": "secret"}
    with pytest.raises(BundleError, match="leads out of"):
        with_dotenv(chat, {}, held(chat, declared={"/w": {"write": ["."]}}).ground)


def test_what_the_server_runs_is_not_writable_and_needs_no_grant(agents: Path) -> None:
    runs = what_runs()
    assert os.path.realpath(sys.executable) in runs
    assert os.path.dirname(os.path.realpath(os.__file__)) in runs
    for path in (sys.prefix, os.path.dirname(os.__file__)):
        with pytest.raises(BundleError):
            held(agents / "chat", declared={"/x": {"write": [path]}})


def test_the_servers_own_file_is_no_second_word_of_a_bundle(agents: Path) -> None:
    file = agents / "chat" / "bulkhead.toml"
    file.write_text('[confinement]\nlevel = "off"\n')
    with pytest.raises(BundleError, match='"off" is looser than "basic"'):
        held(agents / "chat")
    assert held(agents / "chat", file=file).bundle.level is Level.BASIC, "the environment said so, say"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[confinement]\nwrites = ["x"]\n', "Did you mean 'write'"),
        ("confinement = 3\n", "Write [confinement] on a line of its own"),
        ("[confinement\n", "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used_is_an_error_of_the_bundle(agents: Path, text: str, told: str) -> None:
    (agents / "flat.toml").write_text(text)
    with pytest.raises(BundleError) as refused:
        held(agents / "flat.py")
    assert told in str(refused.value)
    assert "flat.toml" in str(refused.value)


def test_a_file_that_says_nothing_of_it_is_told_of_elsewhere(agents: Path) -> None:
    (agents / "flat.toml").write_text("[limits\n")
    assert held(agents / "flat.py").bundle == Policy(Level.BASIC)


@pytest.mark.parametrize("leads_to", ["", "/dev/zero", "/proc/self/pagemap"])
def test_a_file_that_never_ends_is_an_error_too(agents: Path, leads_to: str) -> None:
    file = agents / "chat" / "bulkhead.toml"
    file.symlink_to(leads_to) if leads_to else os.mkfifo(file)
    with pytest.raises(BundleError, match=r"bulkhead\.toml cannot be read: .*(Not a regular|Larger)"):
        held(agents / "chat")
    assert fork_of(agents / "chat") is Fork.AUTO
    assert limits_of(agents / "chat") == SourcedLimits()


def test_what_was_declared_before_is_given_only_as_long_as_it_may(agents: Path) -> None:
    confinement = Confinement(ConfinementSettings(level="basic"), state=agents.parent / ".bulkhead")
    last = {"/x": {"write": ["data"]}}
    assert confinement.before_import(agents / "chat", [], last).bundle.write
    (agents / "chat" / "data" / "x").unlink()
    (agents / "chat" / "data").rmdir()
    assert not confinement.before_import(agents / "chat", [], last).bundle.write


def test_settings_of_the_server_become_its_layer() -> None:
    with pytest.raises(ConfigError, match="no host"):
        Confinement(ConfinementSettings(level="strict", network=("https://x",)))
    assert Confinement(ConfinementSettings(level="strict", network=("none",)))


def test_a_bundle_that_lives_in_a_home_is_told_of_once(agents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(agents))
    confinement = Confinement(ConfinementSettings(level="basic"), state=agents.parent / ".bulkhead")
    with capture_logs() as logs:
        for _ in range(2):
            confinement.held(agents / "flat.py", [], {})
        confinement.held(agents / "chat", [], {})
    assert [one["event"] for one in logs] == ["bundle.lives_at_home"]


def test_of_what_a_user_cannot_reach_the_folder_is_named_that_is_shut() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:  # pytest's own folders are shut, too
        top = Path(made)
        home, agents = top / "home", top / "agents"
        (home / "pythons" / "bin").mkdir(parents=True)
        agents.mkdir()
        (home / "pythons" / "bin" / "python").touch()
        (agents / "python").symlink_to(home / "pythons" / "bin" / "python")
        for folder in (top, home, home / "pythons", home / "pythons" / "bin", agents):
            folder.chmod(0o755)
        home.chmod(0o700)
        cure = cure_of(f"run {agents}/python", 12345)
        assert cure == f"chmod o+x {home}, on the way to {home}/pythons/bin/python; or keep that elsewhere."
        home.chmod(0o711)
        assert cure_of(f"run {agents}/python", 12345) == f"chmod -R o+rX {home}/pythons/bin/python."
        assert cure_of(f"write {agents}", 12345).startswith(f"chown -R 12345:12345 {agents}, or")


def granted(held: Held, source: Path) -> set[str]:
    assert held.ground is not None
    return {path for path, *_ in grants.rules(held.bundle, held.ground, source, sys.executable, {})}


def test_what_other_programs_of_its_folder_write_is_not_granted_with_that(agents: Path) -> None:
    for name in ("data", "logs", "both"):
        (agents / name).mkdir()
    (agents / "other.toml").write_text('[confinement]\nwrite = ["logs"]\n')
    confinement = Confinement(ConfinementSettings(level="basic"), state=agents.parent / ".bulkhead")
    confinement.note(agents / "other.py", {"/o": {"write": ["data", "both", str(agents.parent)]}})
    confinement.note(agents / "helper", {"/h": {"write": ["data"]}})
    found = confinement.held(agents / "flat.py", [agents / "other.py", agents / "helper"], {})
    assert found.ground is not None
    assert set(found.ground.foreign) == {str(agents / one) for one in ("data", "both", "logs", "helper/data")}
    rules = {
        path for path, *_ in grants.rules(found.bundle, found.ground, agents / "flat.py", sys.executable, {})
    }
    assert str(agents / "shared") in rules
    assert not rules & {str(agents / name) for name in ("data", "both", "logs")}
    asks = confinement.held(agents / "flat.py", [agents / "other.py"], {"/f": {"write": ["both"]}})
    rules = {
        path for path, *_ in grants.rules(asks.bundle, asks.ground, agents / "flat.py", sys.executable, {})
    }
    assert str(agents / "both") in rules, "they trust each other with it"


def test_where_sessions_write_files_it_is_no_news_that_some_came(agents: Path) -> None:
    confinement = Confinement(ConfinementSettings(level="basic"), state=agents.parent / ".bulkhead")
    flat, other = agents / "flat.py", agents / "other.py"

    def followed(held: Held) -> bool:
        assert held.ground is not None
        folders = PrivateFolders(str(agents.parent / "private"))
        hold = Hold.of(held.bundle, held.ground, flat, sys.executable, {}, narrower={}, folders=folders)
        folders.remove()
        assert hold.entries is not None
        return str(agents) in hold.entries.folders

    assert followed(confinement.held(flat, [other], {}))
    assert not followed(confinement.held(flat, [], {"/f": {"write": ["."]}}))
    confinement.note(other, {"/o": {"write": ["."]}})
    shared = confinement.held(flat, [other], {})
    assert not followed(shared)
    assert shared.ground is not None
    assert shared.ground.foreign == (), "its folder is still its own to read"
