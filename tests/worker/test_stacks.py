"""Stacks of a process whose threads are busy: taken as often as anybody likes, without harm to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from runtime.process.plumbing import TASKS_SIGNAL, Box
from runtime.session.native import threads_in
from runtime.worker.program.stacks import MAX_FRAMES, stacks_now
from tests.patience import PATIENCE

LOOKS = 1_000
BUSY = """
import sys, threading, time
from pathlib import Path
from runtime.process.child import write_stacks_to
from runtime.process.plumbing import Box
from runtime.worker.tasks import answer_in

def deep(depth):
    return depth and deep(depth - 1)

def busy():
    while True:
        deep(30), list(map(deep, range(20)))

box = Box(int(sys.argv[1]))
write_stacks_to(box.fd)
answer_in(box, Path("/nowhere"))
threading.Thread(target=busy, daemon=True).start()
print("up", flush=True)
while True:
    time.sleep(0.001), deep(20)
"""


@pytest.mark.process
def test_a_thousand_looks_at_a_busy_thread_end_nobody() -> None:
    box = Box.create()
    command = [sys.executable, "-c", BUSY, str(box.fd)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[box.fd], text=True) as victim:
        try:
            assert victim.stdout is not None
            assert victim.stdout.readline() == "up\n"
            ended = os.pidfd_open(victim.pid)
            for _ in range(LOOKS):
                box.clear_text()
                box.ask_for_tasks()
                signal.pidfd_send_signal(ended, TASKS_SIGNAL)
                while box.told_tasks() is None:
                    assert victim.poll() is None, box.text()
                busy, *_ = [frames for frames in threads_in(box.text()) if frames[-1].function != "<module>"]
                assert "busy" in [frame.function for frame in busy]
            os.close(ended)
        finally:
            victim.kill()
            box.close()


@pytest.mark.unit
def test_they_are_told_in_the_words_of_the_fault_handler() -> None:
    go, here = threading.Event(), threading.Event()

    def waits(depth: int) -> None:
        if depth:
            waits(depth - 1)
        else:
            here.set()
            go.wait(30 * PATIENCE)

    other = threading.Thread(target=waits, args=(2 * MAX_FRAMES,))
    other.start()
    here.wait(30 * PATIENCE)
    text = stacks_now(sys._getframe())
    go.set()
    other.join()
    mine, *others = threads_in(text)
    assert text.startswith("Current thread 0x")
    assert mine[0].where.startswith(f"{Path(__file__)}:")
    assert mine[0].function == "test_they_are_told_in_the_words_of_the_fault_handler"
    assert MAX_FRAMES in [len(frames) for frames in others]
