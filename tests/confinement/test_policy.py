"""What is asked for, layer by layer, and the policy that comes of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from runtime.confinement.confine import Confine
from runtime.confinement.ground import Ground
from runtime.confinement.hosts import host_covers, parse_host
from runtime.confinement.layers import Asked, policy_of, union_of
from runtime.confinement.level import Level
from runtime.confinement.paths import absolute, is_below
from runtime.confinement.policy import Policy
from runtime.errors import BundleError, ConfigError

pytestmark = pytest.mark.unit

LINKS = {"/srv/agents/chat/latest": "/srv/.bulkhead/rooms"}


def real(path: str) -> str:
    """A disk on which all is there but what is called so, with one link into the state folder."""
    if "missing" in path:
        raise FileNotFoundError(2, "No such file or directory", path)
    if "locked" in path:
        raise PermissionError(13, "Permission denied", path)
    return LINKS.get(path, path)


def ground(**over: Any) -> Ground:
    facts: dict[str, Any] = {
        "folder": "/srv/agents/chat",
        "home": "/home/bulkhead",
        "state": "/srv/.bulkhead",
        "others": ("/srv/agents/helper", "/srv/agents/mail.py"),
        "ours": ("/opt/venv", "/srv/agents/chat/.venv"),
        "real": real,
    }
    return Ground(**{**facts, **over})


def held(*confines: Confine, on: Ground | None = None) -> Policy:
    names = ("the server's settings", "chat.toml", '@service.path("/chat")')
    layers = [
        Asked(confine, name, is_servers=name == names[0])
        for confine, name in zip(confines, names, strict=False)
    ]
    return policy_of(layers, on or ground())


BASIC = Confine(level="basic")


# ---- words


def test_levels_stand_in_the_order_of_their_strictness_and_not_of_the_alphabet() -> None:
    assert Level.OFF < Level.BASIC < Level.STRICT
    assert sorted(["strict", "off", "basic"], key=Level) == ["off", "basic", "strict"]
    assert min(Level.STRICT, Level.BASIC) is Level.BASIC
    assert Level.STRICT >= "off"
    assert not Level.OFF >= "basic"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"level": "tight"}, "One of: off, basic, strict"),
        ({"write": "data"}, 'Write write=["data"]'),
        ({"read": [""]}, "no path"),
        ({"read": ["~other/x"]}, "the whole path"),
        ({"read": ["data/*.csv"]}, "the folder that holds them"),
        ({"read": [3]}, "a list of files"),
        ({"read": ["x" * 5000]}, "a list of files"),
        ({"read": [f"d{n}" for n in range(65)]}, "at most 64"),
        ({"network": "api.openai.com"}, "a list of hosts"),
        ({"network": ["https://api.openai.com"]}, "api.openai.com:443"),
        ({"network": ["host:0"]}, "is no host"),
        ({"shm": "yes"}, "shm=True"),
        ({"writes": ["data"]}, "Did you mean 'write'?"),
        ({"grants": ["data"]}, "Known: level, network, read"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_write(said: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Confine.of(said)
    assert told in str(refused.value)
    assert len(str(refused.value)) < 400


def test_what_was_said_travels_as_data() -> None:
    said = Confine(
        level="strict", network=["a.example:443"], read=["~/x"], write=["data"], shm=False, gpu=True
    )
    assert Confine.of(said.plain()) == said
    assert said.plain() == {
        "level": "strict",
        "network": ["a.example:443"],
        "read": ["~/x"],
        "write": ["data"],
        "shm": False,
        "gpu": True,
    }
    assert Confine().plain() == {}
    assert Confine.of({"grantable": ["/x"], "shm": True}, ignored=("grantable",)) == Confine(shm=True)
    assert Confine(network=[]).network == "none", "a list of nobody"


@pytest.mark.parametrize(
    ("entry", "other", "covers"),
    [
        ("api.example.com", "api.example.com:443", True),
        ("api.example.com:443", "api.example.com", False),
        ("API.example.com:443", "api.example.com:443", True),
        ("*.example.com", "a.b.example.com:443", True),
        ("*.example.com", "*.eu.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "badexample.com", False),
        ("[::1]:80", "[::1]:80", True),
        ("api.example.com", "*.example.com", False),
    ],
)
def test_a_host_covers_what_it_names(entry: str, other: str, covers: bool) -> None:
    assert host_covers(entry, other) is covers


def test_a_host_is_read_into_name_and_port() -> None:
    assert parse_host("Api.Example.com:443") == ("api.example.com", 443)
    assert parse_host("[::1]") == ("[::1]", None)
    for wrong in ("", ":443", "a b", "a/b", "host:x", "host:70000", "::1", "*.", "²:1"):
        with pytest.raises(ValueError, match="no host"):
            parse_host(wrong)


def test_paths_are_made_absolute_and_compared_by_their_parts() -> None:
    place = {"folder": "/srv/chat", "home": "/home/x"}
    assert absolute("data/../out", **place) == "/srv/chat/out"
    assert absolute("~/models", **place) == "/home/x/models"
    assert absolute("//etc", **place) == "/etc"
    assert absolute(".", **place) == "/srv/chat"
    assert is_below("/srv/chat/x", "/srv/chat")
    assert is_below("/srv", "/")
    assert is_below("/srv", "/srv")
    assert not is_below("/srv/chatter", "/srv/chat")


# ---- layers


def test_files_add_up_and_are_made_absolute() -> None:
    policy = held(
        Confine(level="basic", read=["/opt/models"]),
        Confine(write=["data"]),
        Confine(read=["~/.cache/huggingface"], write=["/var/out", "data/inner"]),
    )
    assert policy.read == ("/opt/models", "/home/bulkhead/.cache/huggingface")
    assert policy.write == ("/srv/agents/chat/data", "/var/out"), "one inside another is in it already"


def test_the_defaults_of_a_level() -> None:
    assert held(BASIC) == Policy(level=Level.BASIC, shm=True, network="all")
    assert held(Confine(level="strict")) == Policy(level=Level.STRICT, shm=False, network="none")
    assert held(Confine(level="strict"), Confine(shm=True)).shm, "asked for"
    assert held(Confine(level="off"), Confine(write=["missing"])) == Policy(), (
        "nothing is kept, nothing looked at"
    )


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ([BASIC, Confine(level="off")], 'chat.toml: level = "off" is looser than "basic"'),
        ([BASIC, Confine(level="strict"), BASIC], 'which chat.toml asks for'),
        ([BASIC, Confine(network="none")], 'kept at level "strict" alone'),
        ([Confine(level="off"), Confine(network=["a.example"])], 'kept at level "strict" alone'),
        ([Confine(level="strict", network="none"), Confine(network="all")], '"all" is wider than "none"'),
        (
            [Confine(level="strict", network=["*.a.example:443"]), Confine(), Confine(network=["b.example"])],
            '@service.path("/chat"): network = [b.example] is wider than [*.a.example:443]',
        ),
        ([Confine(level="basic", shm=False), Confine(shm=True)], "shm = true, but it is forbidden by"),
        ([Confine(level="basic", gpu=False), Confine(gpu=True)], "gpu = true"),
    ],
)  # fmt: skip
def test_nobody_widens_what_was_said_before(layers: list[Confine], told: str) -> None:
    with pytest.raises(BundleError) as refused:
        held(*layers)
    assert told in str(refused.value)
    assert refused.value.cure


def test_everybody_may_narrow() -> None:
    policy = held(
        Confine(level="basic", network="all"),
        Confine(level="strict", network=["*.a.example"]),
        Confine(network=["x.a.example:443"], shm=False),
    )
    assert policy == Policy(level=Level.STRICT, network=("x.a.example:443",), shm=False)


# ---- what is never granted


@pytest.mark.parametrize(
    ("key", "path", "told"),
    [
        ("write", "missing", "there is no /srv/agents/chat/missing. Make it"),
        ("read", "/locked/x", "cannot be reached: Permission denied"),
        ("read", "/srv", "contains the server's state folder /srv/.bulkhead"),
        ("read", "/", "contains the server's state folder"),
        ("read", "/srv/.bulkhead/rooms", "lies in the server's state folder"),
        ("read", "latest", "lies in the server's state folder"),
        ("read", "/srv/.bulkhead/../.bulkhead", "lies in the server's state folder"),
        ("read", "../helper", "another bundle's /srv/agents/helper"),
        ("read", "/srv/agents", "another bundle's /srv/agents/helper"),
        ("write", "/srv/agents/mail.py", "another bundle's /srv/agents/mail.py"),
        ("write", "/opt", "the server's processes run what is in /opt/venv"),
        ("write", "/opt/venv/lib", "the server's processes run"),
        ("write", ".", "the server's processes run what is in /srv/agents/chat/.venv"),
        ("write", "/etc/cron.d", "is the system's (/etc)"),
        ("write", "/dev/shm", "is the system's (/dev)"),
        ("write", "/proc/self", "is the system's (/proc)"),
    ],
)
def test_what_is_never_granted(key: str, path: str, told: str) -> None:
    with pytest.raises(BundleError) as refused:
        held(BASIC, Confine.of({key: [path]}))
    assert told in str(refused.value)
    assert "chat.toml" in str(refused.value)
    assert refused.value.cure


def test_what_is_near_to_those_is_granted() -> None:
    policy = held(
        BASIC, Confine(read=["/opt/venv", "/etc", "."], write=["/dev/ttyUSB0", "/srv/.bulkhead2", "data"])
    )
    assert policy.write == ("/dev/ttyUSB0", "/srv/.bulkhead2", "/srv/agents/chat/data")
    within = held(BASIC, Confine(write=["."]), on=ground(folder="/usr/src/app", ours=("/usr/local",)))
    assert within.write == ("/usr/src/app",), "a bundle may live below a folder of the system"


def test_whoever_runs_the_server_bounds_the_grants() -> None:
    bounded = ground(grantable=("/data",))
    assert held(BASIC, Confine(write=["/data/x"]), on=bounded).write == ("/data/x",)
    for asked in (Confine(write=["/database"]), Confine(read=["data"]), Confine(gpu=True)):
        with pytest.raises(BundleError, match=r"confinement\.grantable"):
            held(BASIC, asked, on=bounded)
    servers = held(Confine(level="basic", gpu=True, write=["/other"]), on=bounded)
    assert servers.gpu, "the server itself says so"
    assert servers.write == ("/other",)
    with pytest.raises(BundleError, match="state folder"):
        held(BASIC, Confine(read=["/srv/.bulkhead"]), on=ground(grantable=("/srv",)))


# ---- policies


def widest() -> Iterable[Policy]:
    yield Policy(level=Level.BASIC, read=("/a",), write=("/b",))
    yield Policy(level=Level.STRICT, read=("/b/c", "/d"), gpu=True, network=("x.example:1",), shm=False)
    yield Policy(level=Level.STRICT, network="none", shm=False, write=("/d",))


def test_a_union_covers_each_of_its_parts_and_nothing_more() -> None:
    both = union_of(widest())
    assert all(both.covers(one) for one in widest())
    assert both == Policy(
        level=Level.BASIC, read=("/a",), write=("/b", "/d"), shm=True, gpu=True, network="all"
    )
    lists = Policy(level=Level.STRICT, network=("a.example",), shm=False)
    one, two, none = lists, Policy(level=Level.STRICT, network=("b.example",), shm=False), list(widest())[2]
    assert union_of([one, two, none]).network == ("a.example", "b.example")
    assert union_of([none]).network == "none"


@pytest.mark.parametrize(
    "wider",
    [
        Policy(level=Level.OFF),
        Policy(level=Level.STRICT, read=("/ab",)),
        Policy(level=Level.STRICT, write=("/a",)),
        Policy(level=Level.STRICT, shm=False, gpu=True),
        Policy(level=Level.STRICT, network=("other.example",)),
        Policy(level=Level.STRICT, network="all"),
        Policy(level=Level.STRICT, network="none", shm=True),
    ],
)
def test_what_is_wider_in_one_thing_is_not_covered(wider: Policy) -> None:
    given = Policy(level=Level.STRICT, read=("/a",), write=("/b",), shm=False, network=("x.example",))
    assert not given.covers(wider)
    assert Policy().covers(wider), "off holds nobody"


def test_a_policy_travels_as_data_and_is_never_read_as_a_looser_one() -> None:
    for policy in (*widest(), Policy(), Policy(level=Level.BASIC).with_private("/srv/.bulkhead/sessions/x")):
        assert Policy.from_plain(policy.plain()) == policy
    assert Policy.from_plain({}) == Policy()
    with pytest.raises(KeyError):
        Policy.from_plain({"level": "strict"})
    with pytest.raises(ValueError, match="tight"):
        Policy.from_plain({**Policy().plain(), "level": "tight"})
