"""Landlock in real children: what they gave up is refused, the rest goes on, whoever they are."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.process.confine import landlock
from runtime.process.confine.landlock import Ruleset

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(landlock.abi() == 0, reason="the kernel has no Landlock"),
]

Confined = Callable[[Callable[[], object]], str]
needs_scopes = pytest.mark.skipif(landlock.abi() < 6, reason="signals need Linux 6.12")


def tried(*works: Callable[[], object]) -> str:
    """Each one's result, or the number of its error."""
    said = []
    for work in works:
        try:
            said.append(str(work()))
        except OSError as error:
            said.append(f"E{error.errno}")
    return " ".join(said)


def test_files_outside_are_neither_read_nor_written(confined: Confined, folder: Path) -> None:
    inside, outside = folder / "inside", folder / "outside"
    for each in (inside, outside):
        each.mkdir(mode=0o777)
        each.chmod(0o777)
        (each / "file").write_text("x")
        (each / "file").chmod(0o666)

    def work() -> str:
        with Ruleset(files=landlock.ALL_FILES) as rules:
            rules.allow_path(str(inside), landlock.ALL_FILES)
            rules.restrict()
        return tried(
            lambda: (inside / "file").read_text(),
            lambda: (inside / "new").write_text("y"),
            lambda: os.rename(inside / "new", inside / "newer"),
            lambda: (outside / "file").read_text(),
            lambda: (outside / "new").write_text("y"),
            lambda: os.truncate(outside / "file", 0),
            lambda: os.unlink(outside / "file"),
            lambda: os.link(inside / "file", outside / "link"),
        )

    assert confined(work) == "x 1 None E13 E13 E13 E13 E13"


def test_a_rule_for_a_file_leaves_out_what_is_for_folders(confined: Confined, folder: Path) -> None:
    (folder / "file").write_text("x")
    (folder / "file").chmod(0o666)

    def work() -> str:
        with Ruleset(files=landlock.ALL_FILES) as rules:
            rules.allow_path(str(folder / "file"), landlock.ALL_FILES)
            rules.restrict()
        return tried(lambda: (folder / "file").read_text(), lambda: os.listdir(folder))

    assert confined(work) == "x E13"


def test_an_open_descriptor_of_a_folder_serves_as_its_path(confined: Confined, folder: Path) -> None:
    (folder / "file").write_text("x")

    def work() -> str:
        fd = os.open(folder, os.O_PATH)
        with Ruleset(files=landlock.ALL_FILES) as rules:
            rules.allow_path(fd, landlock.READ_FILE)
            rules.restrict()
        return tried(lambda: (folder / "file").read_text(), lambda: os.listdir(folder))

    assert confined(work) == "x E13"


@needs_scopes
def test_signals_reach_what_it_started_and_nobody_else(confined: Confined, uid: int) -> None:
    def work() -> str:
        victim = os.fork()  # beside it, not below its rules
        if victim == 0:
            signal.pause()
            os._exit(0)
        with Ruleset(scopes=landlock.ALL_SCOPES) as rules:
            rules.restrict()
        child = subprocess.Popen(["sleep", "60"])
        said = tried(
            lambda: os.kill(victim, 0),
            lambda: os.kill(victim, signal.SIGKILL),
            lambda: signal.pidfd_send_signal(os.pidfd_open(victim), signal.SIGSTOP),
            lambda: os.kill(os.getpid(), 0),
            child.kill,
        )
        return f"{said} {child.wait()}"

    said = confined(work).split()
    assert said == ["E1", "E1", "E1", "None", "None", "-9"]


@needs_scopes
def test_a_socket_without_a_file_is_out_of_reach(confined: Confined) -> None:
    name = f"\0bulkhead-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()

        def work() -> str:
            with Ruleset(scopes=landlock.SCOPE_ABSTRACT_UNIX_SOCKET) as rules:
                rules.restrict()
            mine = socket.socket(socket.AF_UNIX)
            mine.bind(f"{name}-mine")
            mine.listen()
            return tried(
                lambda: socket.socket(socket.AF_UNIX).connect(name),
                lambda: socket.socket(socket.AF_UNIX).connect(f"{name}-mine"),
            )

        assert confined(work) == "E1 None"


def test_what_others_hold_in_memory_is_out_of_reach(confined: Confined) -> None:
    def work() -> str:
        victim = os.fork()
        if victim == 0:
            signal.pause()
            os._exit(0)
        open(f"/proc/{victim}/maps").close()
        with Ruleset(files=landlock.MAKE_FIFO) as rules:  # whatever it is: there is a domain
            rules.restrict()
        return tried(
            lambda: os.open(f"/proc/{victim}/mem", os.O_RDONLY), lambda: os.readlink(f"/proc/{victim}/fd/0")
        )

    said = confined(work).split()
    assert said == ["E13", "E13"]


@pytest.mark.skipif(landlock.abi() < 4, reason="ports need Linux 6.7")
def test_only_ports_with_a_rule_can_be_reached(confined: Confined) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:

        def work() -> str:
            with Ruleset(ports=landlock.CONNECT_TCP | landlock.BIND_TCP) as rules:
                rules.allow_port(one.getsockname()[1], landlock.CONNECT_TCP)
                rules.restrict()
            return tried(
                lambda: socket.create_connection(one.getsockname()).close(),
                lambda: socket.create_connection(other.getsockname()).close(),
                lambda: socket.create_server(("127.0.0.1", 0)).close(),
            )

        assert confined(work) == "None E13 E13"


def test_layers_only_take_away_and_there_are_sixteen(confined: Confined, folder: Path) -> None:
    def work() -> str:
        with Ruleset(files=landlock.MAKE_REG) as all_denied, Ruleset(files=landlock.MAKE_REG) as allows:
            allows.allow_path(str(folder), landlock.MAKE_REG)
            all_denied.restrict()
            for _ in range(15):
                allows.restrict()
            return tried((folder / "new").touch, allows.restrict)

    assert confined(work) == "E13 E7"


def test_by_an_older_kernel_what_it_does_not_know_is_left_out(confined: Confined, folder: Path) -> None:
    (folder / "file").write_text("x")
    (folder / "file").chmod(0o666)

    def work() -> str:
        with Ruleset(files=landlock.ALL_FILES, ports=3, scopes=3, version=1) as rules:
            rules.restrict()
        assert (rules.ports, rules.scopes) == (0, 0)
        return tried(
            lambda: os.truncate(folder / "file", 0),
            lambda: (folder / "file").read_text(),
            lambda: os.kill(os.getppid(), 0) if os.getuid() == 0 else None,
            lambda: socket.create_server(("127.0.0.1", 0)).close(),
        )

    assert confined(work) == "None E13 None None"


@pytest.mark.parametrize(
    ("version", "kinds", "first"),
    [
        (0, 0, "files (Linux 5.13)"),
        (1, (1 << 13) - 1, "moving files between folders (Linux 5.19)"),
        (2, (1 << 14) - 1, "cutting files (Linux 6.2)"),
        (3, (1 << 15) - 1, "ports (Linux 6.7)"),
        (4, (1 << 15) - 1, "devices (Linux 6.10)"),
        (5, (1 << 16) - 1, "signals, and sockets without a file (Linux 6.12)"),
        (6, (1 << 16) - 1, None),
        (99, (1 << 16) - 1, None),
    ],
)
def test_what_a_version_knows(version: int, kinds: int, first: str | None) -> None:
    assert landlock.known_files(version) == kinds
    assert next(iter(landlock.missing(version)), None) == first
