"""Files that lie in memory and that no process has mapped, of a real process."""

from __future__ import annotations

import mmap
import os
import tempfile
from contextlib import closing

import pytest

from runtime.process import procfs
from runtime.supervisor.watch.memory_files import GROWN_BYTES, MemoryFiles, held_bytes, shared_bytes

pytestmark = pytest.mark.process

MIB = 1 << 20


def test_what_is_written_to_a_file_in_memory_counts_until_it_is_mapped_or_closed() -> None:
    members = procfs.tree(os.getpid())[:1]
    files, before = MemoryFiles(0.0), shared_bytes()
    assert files.look(members) == 0
    fd = os.memfd_create("big")
    try:
        os.write(fd, bytes(2 * GROWN_BYTES))
        assert shared_bytes() >= before + GROWN_BYTES
        assert files.look(members) == pytest.approx(2 * GROWN_BYTES, abs=4 * MIB)
        again = os.dup(fd)
        assert files.look(members) == pytest.approx(2 * GROWN_BYTES, abs=4 * MIB), "it is one file"
        os.close(again)
        with mmap.mmap(fd, 2 * GROWN_BYTES) as mapped:
            mapped.read()
            assert files.look(members) == 0, "what is mapped is the process's own memory"
        assert held_bytes([os.getpid()], 0.0) > GROWN_BYTES
    finally:
        os.close(fd)
    assert files.look(members) == 0
    assert held_bytes([os.getpid()], 0.0) == 0
    assert held_bytes([2**22 + 1], 0.0) == 0  # nobody


def test_what_else_is_mapped_hides_no_file() -> None:
    size, pids = 16 * MIB, [os.getpid()]
    shared, hidden = os.memfd_create("shared"), os.memfd_create("hidden")
    try:
        os.write(shared, bytes(size))
        os.write(hidden, bytes(2 * size))
        twice = [mmap.mmap(shared, size) for _ in range(2)]
        with mmap.mmap(-1, 3 * size) as nameless, closing(twice[0]), closing(twice[1]):
            nameless.write(bytes(3 * size))
            for one in twice:
                one.read()
            assert held_bytes(pids, 0.0) == pytest.approx(2 * size, abs=MIB)
            with mmap.mmap(hidden, size) as half:
                half.read()
                assert held_bytes(pids, 0.0) == pytest.approx(size, abs=MIB)
    finally:
        os.close(shared)
        os.close(hidden)


def test_a_file_of_others_that_is_only_read_is_not_held() -> None:
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as model:
        model.write(bytes(2 * GROWN_BYTES))
        model.flush()
        made_at, pids = os.stat(model.fileno()).st_ctime, [os.getpid()]
        assert held_bytes(pids, made_at + 60) == 0
        assert held_bytes(pids, made_at - 60) == pytest.approx(2 * GROWN_BYTES, abs=MIB), "it was changed"
        os.unlink(model.name)
        assert held_bytes(pids, made_at + 60) == pytest.approx(2 * GROWN_BYTES, abs=MIB), "nobody else has it"
        open(model.name, "x").close()  # which is removed at the end
