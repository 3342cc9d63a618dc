"""Why something was refused, and what would allow it."""

from __future__ import annotations

import pytest

from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.confinement.reach import Reach
from runtime.confinement.refusal import RULES, Refusal, explain, line

pytestmark = pytest.mark.unit

GROUND = Ground(
    folder="/srv/agents/chat",
    home="/home/bulkhead",
    state="/srv/.bulkhead",
    others=("/srv/agents/helper",),
    ours=("/opt/venv",),
    real=str,
)
BASIC = Policy(Level.BASIC)
STRICT = Policy(Level.STRICT, shm=False, network=("a.example:443",))


NO = "nothing grants it"
IN = "in @service.path"


@pytest.mark.parametrize(
    ("rule", "what", "cure"),
    [
        ("files.write", "/srv/agents/chat/data/x/y.db", f'write=["data"] {IN}, or write to $TMPDIR'),
        ("files.write", "/srv/agents/chat/state.json", 'keep it in a folder of its own and allow that'),
        ("files.write", "/var/lib/agent/x", 'write=["/var/lib/agent"] in @service.path, or write to $TMPDIR'),
        ("files.write", "/home/bulkhead/.cache/hf/x", 'write=["~/.cache/hf"] in @service.path'),
        ("files.write", "/home/bulkhead/notes.txt", 'write=["~/notes.txt"] in @service.path'),
        ("files.write", "/tmp/x", "tempfile, or $TMPDIR instead of /tmp"),
        ("files.write", "/etc/hosts", "nothing grants it: that is the system's; write to $TMPDIR"),
        ("files.write", "/opt/venv/lib/x.py", f"{NO}: the server's processes run what is in /opt/venv"),
        ("files.write", "/srv/.bulkhead/rooms/x", "nothing grants it: that is the server's own"),
        ("files.write", "/dev/shm/x", "shm=True in @service.path"),
        ("files.write", "/proc/123/task/124/comm", f"{NO}: a thread names itself (prctl)"),
        ("files.write", "/proc/123/oom_score_adj", "nothing grants it: other processes"),
        ("files.read", "/dev/nvidia0", "gpu=True in @service.path"),
        ("files.read", "/srv/agents/helper/.env", f"{NO}: /srv/agents/helper is another bundle's"),
        (
            "files.read",
            "/home/bulkhead/.ssh/id_ed25519",
            'read=["~/.ssh/id_ed25519"] in @service.path, and name it by its path: $HOME is',
        ),
        ("files.read", "/mnt/models/llama/weights.bin", 'read=["/mnt/models/llama"] in @service.path'),
        ("files.list", "/mnt/models", 'read=["/mnt/models"] in @service.path'),
        ("processes.signal", "process 7", "nothing grants it: other processes"),
        ("network.socket", "family 17", "nothing grants it: use TCP or UDP"),
        ("memory.shared", "shmget", "nothing grants it: use multiprocessing.shared_memory"),
        ("kernel.call", "unshare", "nothing grants it at level basic"),
        ("made.up", "x", "nothing grants it at level basic"),
    ],
)  # fmt: skip
def test_a_refusal_is_explained_with_what_to_write(rule: str, what: str, cure: str) -> None:
    explained = explain(Refusal(rule, what), "helper", BASIC, GROUND)
    assert explained.cure.startswith(cure)
    assert explained.sentence.startswith("helper may ")


def test_what_a_list_of_hosts_lacks_is_added_to_it() -> None:
    assert (
        explain(Refusal("network.connect", "b.example:443"), "helper", STRICT, GROUND).cure
        == 'network=["a.example:443", "b.example:443"] in @service.path'
    )
    for what, cure in (("AF_INET", 'network=["host:port"]'), ("AF_INET but for TCP", 'network="all"')):
        assert explain(Refusal("network.socket", what), "helper", STRICT, GROUND).cure.startswith(cure)
    assert '"host:port"' in explain(Refusal("network.connect", "\n"), "helper", STRICT, GROUND).cure
    assert (
        explain(Refusal("memory.shared", "/x"), "helper", STRICT, GROUND).cure == "shm=True in @service.path"
    )


def test_all_of_it_is_one_line() -> None:
    refusal = Refusal("files.write", "/srv/agents/chat/data/x")
    assert line(refusal, explain(refusal, "helper", BASIC, GROUND)) == (
        "refused files.write /srv/agents/chat/data/x · helper may write its own folder and what it was "
        'granted · allow: write=["data"] in @service.path, or write to $TMPDIR'
    )
    for rule in RULES:
        assert line(Refusal(rule), explain(Refusal(rule), "", BASIC, GROUND)).startswith(
            f"refused {rule} · it may"
        )


def test_refusals_of_one_folder_are_of_one_kind() -> None:
    assert Refusal("files.read", "/a/x").kind == Refusal("files.read", "/a/y").kind
    assert Refusal("files.read", "/a/x").kind != Refusal("files.write", "/a/x").kind
    assert Refusal("processes.signal", "process 1").kind != Refusal("processes.signal", "process 2").kind


def test_a_reach_covers_what_lies_below_its_grants() -> None:
    reach = Reach(read=("/usr", "/etc/hosts"), write=("/srv/own",), listed=("/srv",))
    assert reach.may_read("/usr/lib/x")
    assert reach.may_read("/etc/hosts")
    assert reach.may_read("/srv/own/x")
    assert not reach.may_read("/etc/hosts2")
    assert not reach.may_read("/etc")
    assert reach.may_write("/srv/own")
    assert not reach.may_write("/usr/lib")
    assert reach.may_list("/srv")
    assert reach.may_list("/usr/lib")
    assert reach.may_list("/srv/other"), "the kernel lists the names of all folders in it"
    assert not reach.may_list("/home")
    assert Reach(read=("/",)).may_read("/x")
    assert not Reach().may_read("/")
