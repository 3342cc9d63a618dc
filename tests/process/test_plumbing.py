"""The box of a worker: a pulse and a bounded text, whatever the worker does to it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from runtime.process import descriptors
from runtime.process.plumbing import Box, Plumbing

pytestmark = pytest.mark.process


@pytest.fixture
def box() -> Iterator[Box]:
    made = Box.create()
    yield made
    made.close()
    made.close()


def test_the_pulse_is_read_from_shared_memory(box: Box) -> None:
    assert box.heartbeat() is None
    child = os.fork()
    if child == 0:
        box.beat(12.5, 0.003, 12.625)
        os._exit(0)
    os.waitpid(child, 0)
    beat = box.heartbeat()
    assert beat is not None
    assert (beat.at, beat.lag_s, beat.asleep_at) == (12.5, 0.003, 12.625)
    box.beat(13.5, 0.0)
    assert (beat := box.heartbeat()) is not None
    assert (beat.at, beat.asleep_at) == (13.5, None)


def test_a_worker_cannot_make_the_box_grow(box: Box) -> None:
    with pytest.raises(OSError, match="Operation not permitted"):
        os.ftruncate(box.fd, 1 << 30)
    written = 0
    with pytest.raises(OSError):
        while True:
            written += os.write(box.fd, b"x" * 65536)
    assert written <= 128 << 10
    box.clear_text()
    assert box.text() == ""
    os.write(box.fd, b"again")
    assert box.text() == "again"


def test_a_front_has_few_descriptors_for_a_session() -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = count()
    plumbing = Plumbing()
    plumbing.release_child_ends()
    assert count() - before == descriptors.PER_SESSION - 3  # less a pidfd and the sockets of its room
    plumbing.close()
    assert count() == before


def test_closing_twice_leaves_nothing_open() -> None:
    plumbing = Plumbing()
    plumbing.release_child_ends()
    plumbing.close()
    plumbing.close()
