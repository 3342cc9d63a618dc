"""The file of variables that agents alone see: what can be read is, what cannot is an error with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import ConfigError
from runtime.process import agents_env
from runtime.process.environment import bundle_environment

pytestmark = pytest.mark.unit

TEXT = """\
# a comment
WEATHER_KEY=abc  # of the test account
export LANG=de_DE

EMPTY=
SPACED = a b c
HASH=a#b$HOME
SINGLE='as \\n it is # no comment'
DOUBLE="two\\tparts \\"and\\" a \\\\"   # a comment
PEM="-----BEGIN-----
line
-----END-----"
BULKHEAD_OFFLINE_SCRIPT=turns.yaml
"""


def test_each_form_of_a_value_is_read() -> None:
    assert agents_env.parse(TEXT) == {
        "WEATHER_KEY": "abc",
        "LANG": "de_DE",
        "EMPTY": "",
        "SPACED": "a b c",
        "HASH": "a#b$HOME",
        "SINGLE": "as \\n it is # no comment",
        "DOUBLE": 'two\tparts "and" a \\',
        "PEM": "-----BEGIN-----\nline\n-----END-----",
        "BULKHEAD_OFFLINE_SCRIPT": "turns.yaml",
    }
    assert agents_env.parse(TEXT.replace("\n", "\r\n")) == agents_env.parse(TEXT)
    assert agents_env.parse("A=1") == {"A": "1"}, "the last line needs no end"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A=1\nsk-secret\n", ["line 2", "no variable"]),
        ("1A=1\n", ["line 1", "no variable"]),
        ("A-B=1\n", ["line 1"]),
        ("A=1\n\nA=2\n", ["line 3", "sets A again"]),
        ('A="open\nB=1\n', ["line 1", '"']),
        ("A='x' y\n", ["line 1", "'"]),
        ('P="1\n2"\nA="\\q"\n', ["line 3", "\\q"]),
        ("BULKHEAD_API_TOKEN=t\n", ["line 1", "BULKHEAD_API_TOKEN", "setting of the server"]),
        ("A=\0\n", ["line 1", "NUL"]),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        agents_env.parse(text)
    assert all(word in str(caught.value) for word in words), caught.value
    assert "secret" not in str(caught.value), "a line that cannot be read may be a secret"


def test_what_others_read_too_may_hold_settings_and_nothing_that_they_would_replace() -> None:
    text = "BULKHEAD_PORT=1\nPRICE='${not}'\nHASH=$HOME\n"
    assert agents_env.parse(text, is_shared=True) == {
        "BULKHEAD_PORT": "1",
        "PRICE": "${not}",
        "HASH": "$HOME",
    }
    for value in ("${HOME}/data", '"${HOME}/data"'):
        assert agents_env.parse(f"A={value}\n") == {"A": "${HOME}/data"}
        with pytest.raises(ConfigError, match=r"line 1: \$\{…\} is not replaced here"):
            agents_env.parse(f"A={value}\n", is_shared=True)


def test_what_is_too_large_or_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "agents.env"
    file.write_bytes(b"A=" + b"x" * agents_env.MAX_BYTES)
    with pytest.raises(ConfigError, match="larger than 256 KiB"):
        agents_env.read(file)
    file.write_bytes(b"A=\xff\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        agents_env.read(file)
    file.write_text("".join(f"A{number}=\n" for number in range(agents_env.MAX_VARIABLES + 1)))
    with pytest.raises(ConfigError, match="more than 1000"):
        agents_env.read(file)
    with pytest.raises(ConfigError, match="cannot read"):
        agents_env.read(tmp_path)


def test_the_file_named_wins_then_this_folder_then_the_agents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    agents = tmp_path / "agents"
    agents.mkdir()
    program = agents / "chat.py"
    assert agents_env.find("", [agents]) is None
    assert agents_env.in_force("", [agents]) == {}
    (agents / "agents.env").write_text("A=beside\n")
    assert agents_env.in_force("", [agents]) == agents_env.in_force("", [program]) == {"A": "beside"}
    Path("agents.env").write_text("A=here\n")
    assert agents_env.in_force("", [agents]) == {"A": "here"}
    with pytest.raises(ConfigError, match=r"nothing\.env"):
        agents_env.in_force("nothing.env", [agents])


def test_agents_see_all_of_it_over_the_server_s_own() -> None:
    front = {"PATH": "/bin", "KEY": "front", "MESHAGENT_API_KEY": "ma-server"}
    seen = bundle_environment(front, names="PATH", agents={"KEY": "agent", "MESHAGENT_API_KEY": "ma-agent"})
    assert (seen["PATH"], seen["KEY"], seen["MESHAGENT_API_KEY"]) == ("/bin", "agent", "ma-agent")
