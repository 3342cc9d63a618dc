"""Files that lie in memory and that no process has mapped, of a real process."""

from __future__ import annotations

import mmap
import os

import pytest

from runtime.process import procfs
from runtime.supervisor.watch.memory_files import GROWN_BYTES, MemoryFiles, held_bytes, shared_bytes

pytestmark = pytest.mark.process

MIB = 1 << 20


def test_what_is_written_to_a_file_in_memory_counts_until_it_is_mapped_or_closed() -> None:
    members = procfs.tree(os.getpid())[:1]
    files, before = MemoryFiles(), shared_bytes()
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
        assert held_bytes([os.getpid()]) > GROWN_BYTES
    finally:
        os.close(fd)
    assert files.look(members) == 0
    assert held_bytes([os.getpid()]) == 0
    assert held_bytes([2**22 + 1]) == 0  # nobody
