"""What an engine is sent, as data."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest

from runtime.containers.contract import Bind, BoxId, Credential, FileAt, ImageAt, Most, RunSpec
from runtime.containers.docker.body import (
    archive_of,
    auth_for,
    body_of,
    name_of,
    registry_of,
    unheld,
    whole,
    without_credentials,
)

pytestmark = pytest.mark.unit


def body(**more: Any) -> dict[str, Any]:
    how = {name: more.pop(name) for name in ("user", "files_from") if name in more}
    spec = RunSpec(**{"id": BoxId("ab" * 16), "name": "box", "image": "debian:12", **more})
    return body_of(
        spec,
        run="r1",
        most=Most(memory_bytes=1 << 20, cpu=0.5, pids=7),
        log_bytes=1 << 16,
        publish="127.0.0.1",
        **how,
    )


def test_nothing_is_loose_unless_it_was_asked_for() -> None:
    host = body()["HostConfig"]
    assert (host["CapDrop"], host["SecurityOpt"]) == (["ALL"], ["no-new-privileges"])
    assert (host["ReadonlyRootfs"], host["Init"], host["AutoRemove"]) == (True, True, False)
    assert host["RestartPolicy"] == {"Name": "no"}
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (1 << 20, 1 << 20, 7)
    assert host["NanoCpus"] == 500_000_000
    assert host["Binds"] == []
    assert "NetworkMode" not in host
    assert "Privileged" not in host
    assert body(writable=True)["HostConfig"]["ReadonlyRootfs"] is False
    assert "Cmd" not in body()
    assert body(argv=("sh", "-c", "a b"))["Cmd"] == ["sh", "-c", "a b"]


def test_ports_are_published_where_it_was_said() -> None:
    made = body(ports={80: 8080, 81: 0})
    assert made["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
        "81/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}],
    }
    assert set(made["ExposedPorts"]) == {"80/tcp", "81/tcp"}
    assert "MESHAGENT_PORT=80" in made["Env"]


def test_what_is_mounted_and_what_wins() -> None:
    made = body(
        binds=(Bind("/rooms/lab", "/data"), Bind("/rooms/lab/docs", "/docs", read_only=True)),
        files=(FileAt("/etc/conf", "x"),),
        files_from="/state/box",
        images=(ImageAt("tools:1", "/tools", "bin"),),
        empty_dirs=("/scratch",),
        env={"MESHAGENT_DATA": "/mine"},
        labels={"server": "s", "room": "lab"},
        user="1:2",
    )
    host = made["HostConfig"]
    assert host["Binds"] == ["/rooms/lab:/data:rw", "/rooms/lab/docs:/docs:ro", "/state/box/0:/etc/conf:ro"]
    assert host["Mounts"][0]["ImageOptions"] == {"Subpath": "bin"}
    assert set(host["Tmpfs"]) == {"/tmp", "/scratch"}
    assert "MESHAGENT_DATA=/mine" in made["Env"]
    assert made["Labels"] == {"bulkhead.server": "s", "bulkhead.room": "lab", "bulkhead.run": "r1"}
    assert made["User"] == "1:2"


def test_a_folder_whose_place_may_be_taken_is_a_part_of_a_volume_or_is_not_mounted() -> None:
    bind = Bind("/rooms/lab/docs/new", "/docs", read_only=True, within="/rooms/lab")
    made = body(binds=(Bind("/rooms/lab", "/data"), bind))
    assert made["HostConfig"]["Binds"] == ["/rooms/lab:/data:rw"]
    (mount,) = made["HostConfig"]["Mounts"]
    options = mount["VolumeOptions"]
    assert (mount["Target"], mount["ReadOnly"], options["Subpath"]) == ("/docs", True, "docs/new")
    assert options["DriverConfig"]["Options"]["device"] == "/rooms/lab"
    spec = RunSpec(id=BoxId("b0"), name="", image="", binds=(bind,))
    assert unheld(spec, made) == ""
    # Engines before Docker 26 leave out what they do not know, and Podman says nothing of it.
    del options["Subpath"]
    assert unheld(spec, made) == unheld(spec, {"HostConfig": {"Mounts": None}}) == "/docs"


def test_its_name_is_one_that_engines_take() -> None:
    spec = RunSpec(id=BoxId("ab" * 16), name="Grüße an alle!", image="x", labels={"room": "my room/1"})
    assert name_of(spec) == "bh-my-room-1-Gr-e-an-alle-ababab"


def test_files_are_an_archive_of_the_root() -> None:
    with tarfile.open(fileobj=io.BytesIO(archive_of([FileAt("/etc/app/conf", "é")]))) as archive:
        (entry,) = archive.getmembers()
        assert (entry.name, entry.size, entry.mode) == ("etc/app/conf", 2, 0o644)


@pytest.mark.parametrize(
    ("reference", "registry", "full"),
    [
        ("debian:12", "docker.io", "docker.io/library/debian:12"),
        ("me/mine", "docker.io", "docker.io/me/mine"),
        ("docker.io/me/mine", "docker.io", "docker.io/me/mine"),
        ("ghcr.io/me/mine:1", "ghcr.io", "ghcr.io/me/mine:1"),
        ("localhost:5000/mine", "localhost:5000", "localhost:5000/mine"),
    ],
)
def test_credentials_go_to_their_registry_alone(reference: str, registry: str, full: str) -> None:
    assert registry_of(reference) == registry
    assert whole(reference) == full
    mine, others = Credential(registry, "u", "p"), Credential("other.example", "x", "y")
    assert auth_for(reference, [others]) is None
    assert auth_for(reference, [others, mine]) == {
        "username": "u",
        "password": "p",
        "serveraddress": registry,
    }


def test_what_a_registry_says_is_told_without_what_it_was_asked_with() -> None:
    said = without_credentials("denied for bob:hunter22 at x", [Credential(None, "bob", "hunter22")])
    assert said == "denied for •••:••• at x"
