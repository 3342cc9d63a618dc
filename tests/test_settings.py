from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import ConfigError
from runtime.knob import parse_bytes, parse_seconds, parse_uids
from runtime.process.program.as_user import NEEDED
from runtime.settings import ConfinementSettings, env_names, knobs, load_settings, shown

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[1]


def toml(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "bulkhead.toml"
    file.write_text(text)
    return file


def test_each_source_wins_over_the_next_and_is_named(tmp_path: Path) -> None:
    file = toml(tmp_path, "[server]\nport = 1001\nhost = '0.0.0.0'\ndrain_s = '1m'\n")
    env = {"BULKHEAD_PORT": "1002", "BULKHEAD_DRAIN_S": "2m"}
    settings = load_settings(flags={"server.port": 1003, "server.room": None}, env=env, file=file)
    assert (settings.server.port, settings.origins["server.port"]) == (1003, "flag --port")
    assert (settings.server.drain_s, settings.origins["server.drain_s"]) == (120.0, "env BULKHEAD_DRAIN_S")
    assert (settings.server.host, settings.origins["server.host"]) == ("0.0.0.0", "file bulkhead.toml")
    assert settings.origins["server.room"] == "default"


def test_our_own_name_wins_over_the_one_of_another_tool() -> None:
    assert load_settings(env={"MESHAGENT_PORT": "1", "BULKHEAD_PORT": "2"}).server.port == 2
    assert load_settings(env={"MESHAGENT_PORT": "1"}).server.port == 1
    assert load_settings(env={"MESHAGENT_PORT": ""}).server.port == 8080


@pytest.mark.parametrize("beside", ["MESHAGENT_ROOM_URL", "MESHAGENT_SESSION_ID"])
def test_the_room_that_a_container_was_started_for_is_not_one_to_call_into(beside: str) -> None:
    env = {"MESHAGENT_ROOM": "lab"}
    assert load_settings(env=env).server.room == "lab"
    assert load_settings(env=env | {beside: "somewhere"}).server.room == ""
    assert load_settings(env=env | {beside: "somewhere", "BULKHEAD_ROOM": "hall"}).server.room == "hall"
    assert load_settings(env=env | {beside: "somewhere"}, flags={"server.room": "hall"}).server.room == "hall"


def test_a_server_for_one_room_prepares_nothing_for_many_sessions() -> None:
    there = {"MESHAGENT_ROOM_URL": "http://127.0.0.1/rooms"}
    assert load_settings(env={}).supervisor.immortal
    assert not load_settings(env=there).supervisor.immortal
    assert load_settings(env=there | {"BULKHEAD_SUPERVISOR_IMMORTAL": "1"}).supervisor.immortal


def test_a_secret_is_read_from_a_file_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    settings = load_settings(env={"BULKHEAD_WEBHOOK_SECRET_FILE": str(tmp_path / "secret")})
    assert settings.server.webhook_secret == "hush"
    assert "hush" not in repr(settings)
    with pytest.raises(ConfigError, match="cannot read"):
        load_settings(env={"BULKHEAD_WEBHOOK_SECRET_FILE": str(tmp_path / "nothing")})


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"BULKHEAD_PROT": "1"}, ["BULKHEAD_PROT", "BULKHEAD_PORT"]),
        ({"BULKHEAD_PORT": "http"}, ["server.port", "env BULKHEAD_PORT"]),
        ({"MESHAGENT_PORT": "8080x"}, ["env MESHAGENT_PORT"]),
        ({"BULKHEAD_PORT": "70000"}, ["no port"]),
        ({"BULKHEAD_PORT": "-1"}, ["too small"]),
        ({"BULKHEAD_INSECURE": "maybe"}, ["true or false"]),
        ({"BULKHEAD_DRAIN_S": "5 parsecs"}, ["length of time"]),
        ({"BULKHEAD_MAX_BODY_BYTES": "1"}, ["too small"]),
        ({"BULKHEAD_LOG_LEVEL": "loud"}, ["loud", "debug"]),
    ],
)
def test_a_mistake_is_named_with_its_place_and_its_cure(env: dict[str, str], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(env=env)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("text", ["[sever]\nport = 1\n", "[server]\nprot = 1\n", "port = 1\n", "[server\n"])
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"bulkhead\.toml"):
        load_settings(file=toml(tmp_path, text))


def test_a_projects_file_may_be_a_bundles_too(tmp_path: Path) -> None:
    file = toml(tmp_path, 'python = "3.13"\nfork = "always"\n[server]\nport = 1001\n')
    assert load_settings(file=file).server.port == 1001


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_settings(file=tmp_path / "none.toml")


def test_other_programs_variables_are_none_of_our_business() -> None:
    load_settings(env={"PATH": "/bin", "MESHAGENT_ANYTHING": "x"})


def test_every_knob_has_its_sentence_and_names() -> None:
    names = [name for key, item in knobs() for name in env_names(key, item)]
    assert len(set(names)) == len(names)
    assert all(item.metadata["help"] for _, item in knobs())
    assert "BULKHEAD_SUPERVISOR_STOP_S" in names
    assert "BULKHEAD_PORT" in names


@pytest.mark.parametrize(
    ("text", "count"),
    [("512MiB", 512 << 20), ("1GB", 10**9), ("1.5 k", 1500), (4096, 4096), ("0", 0), ("2gi", 2 << 30)],
)
def test_sizes(text: str | int, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize(
    ("text", "length_s"), [("30m", 1800), ("250ms", 0.25), ("1.5s", 1.5), (3, 3), ("1d", 86400)]
)
def test_lengths(text: str | int, length_s: float) -> None:
    assert parse_seconds(text) == length_s


@given(st.text(max_size=12))
def test_any_other_text_is_a_value_error(text: str) -> None:
    for parse in (parse_bytes, parse_seconds):
        try:
            parse(text)
        except ValueError:
            pass


def test_policies_and_sizes_of_the_supervisor_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"supervisor\.restart"):
        load_settings(flags={"supervisor.restart": "sometimes"})
    with pytest.raises(ConfigError, match="reserve_memory"):
        load_settings(env={"BULKHEAD_SUPERVISOR_RESERVE_MEMORY": "much"})


def test_the_compose_file_passes_settings_that_there_are() -> None:
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["runtime"]
    passed = set(service["environment"])
    load_settings(env=dict.fromkeys(passed, ""))  # raises where a name is none of ours
    wanted = {env_names(key, item)[0] for key, item in knobs() if key.startswith("limits.")}
    wanted |= {"BULKHEAD_PUBLIC_URL", "BULKHEAD_MODEL_KEY", "MESHAGENT_API_KEY", "BULKHEAD_AGENTS_ENV"}
    wanted |= {"BULKHEAD_WEBHOOK_SECRET_FILE", "BULKHEAD_API_TOKEN_FILE", "BULKHEAD_SUPERVISOR_STOP_S"}
    assert wanted <= passed
    assert service["env_file"] == [{"path": ".env", "required": False}]


def test_the_override_for_users_of_their_own_adds_what_the_server_asks_for() -> None:
    service = yaml.safe_load((ROOT / "docker-compose.uids.yml").read_text())["services"]["runtime"]
    assert set(service["cap_add"]) == set(NEEDED)
    assert service["user"] == "0:0"
    settings = load_settings(
        env={name: value.split(":-")[-1].rstrip("}") for name, value in service["environment"].items()}
    )
    assert parse_uids(settings.confinement.uids) == (200000, 265535)
    assert settings.confinement.level == "basic"


@pytest.mark.parametrize(
    ("name", "value"),
    [("MEMORY", "lots"), ("FILE_SIZE", "1 mile"), ("TIMEOUT", "soon"), ("CPU_TOTAL", "x"), ("CPU", "two")],
)
def test_a_limit_that_cannot_be_read_is_refused_with_the_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(env={f"BULKHEAD_LIMITS_{name}": value})
    assert all(word in str(caught.value) for word in (f"env BULKHEAD_LIMITS_{name}", value))


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bulkhead.toml"
    file.write_bytes(b"[server]\nroom = '\xff'\n")
    with pytest.raises(ConfigError, match=r"bulkhead\.toml is not UTF-8"):
        load_settings(file=file)


def test_lists_are_arrays_in_the_file_and_words_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "bulkhead.toml"
    file.write_text('[confinement]\nlevel = "basic"\nread = ["/a b", "/c"]\nwrite = "/x /y"\nshm = false\n')
    settings = load_settings(file=file, env={"BULKHEAD_CONFINEMENT_GRANTABLE": "/a /b"})
    assert settings.confinement == ConfinementSettings(
        level="basic", read=("/a b", "/c"), write=("/x", "/y"), shm=False, grantable=("/a", "/b")
    )
    assert settings.file == file
    values = {key: value for key, _, value in shown(settings)}
    assert values["confinement.grantable"] == "/a /b"
    file.write_text("[confinement]\nread = 3\n")
    with pytest.raises(ConfigError, match="Expected a list"):
        load_settings(file=file)


def test_a_network_that_no_level_keeps_is_refused() -> None:
    with pytest.raises(ConfigError, match="level strict alone"):
        load_settings(env={"BULKHEAD_CONFINEMENT_LEVEL": "basic", "BULKHEAD_CONFINEMENT_NETWORK": "none"})
    with pytest.raises(ConfigError, match="One of: off, basic, strict"):
        load_settings(env={"BULKHEAD_CONFINEMENT_LEVEL": "tight"})


def test_a_number_above_all_bounds_is_told() -> None:
    with pytest.raises(ConfigError, match="no port"):
        load_settings(env={"BULKHEAD_PORT": "9" * 400})


@pytest.mark.parametrize(
    ("name", "raw", "told", "cure"),
    [
        ("PORT", "abc", "it is not a whole number", "a whole number: port"),
        ("PORT", "1.5", "it is not a whole number", "a whole number: port"),
        ("PORT", "9" * 5000, "it is not a whole number", "a whole number: port"),
        ("CPU", "nan", "it is not a number", "a number: "),
        ("DRAIN_S", "soon", "not a length of time", "a time such as 30s"),
    ],
)
def test_what_is_no_number_is_told_in_words(name: str, raw: str, told: str, cure: str) -> None:
    key = {"CPU": "BULKHEAD_LIMITS_CPU"}.get(name, f"BULKHEAD_{name}")
    with pytest.raises(ConfigError, match=told) as refused:
        load_settings(env={key: raw})
    assert f"Expected {cure}" in refused.value.cure
