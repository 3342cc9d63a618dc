"""What is not counted any more is as it was; what somebody would notice the end of still ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.process.fork import immortal

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not immortal.is_possible(), reason="Python before 3.12, which counts everything"),
]

_BEGIN = """
import gc, os, sys, weakref
from pathlib import Path
from runtime.process.fork import immortal

def settle(folder=Path("/nowhere")):
    gc.collect()
    gc.disable()
    told = immortal.settle(folder)
    gc.freeze()
    gc.enable()
    return told

def is_counted(each):
    return sys.getrefcount(each) < 1 << 30
"""


def run(program: str, **given: str) -> str:
    """What a process prints that runs a program; it has to end in order."""
    env = {**os.environ, "PYTHONPATH": str(Path(immortal.__file__).parents[3])}
    args = [sys.executable, "-c", _BEGIN + program]
    ran = subprocess.run(args, env=env | given, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_what_nobody_would_miss_is_counted_no_more() -> None:
    told = run("""
class Plain:
    def method(self):
        return [each for each in (1, "a constant of the code", 2.5)]

plain, listed = Plain(), [{"in": ("a", object())}]
assert settle() == ""
shared = [Plain, plain, listed, listed[0], listed[0]["in"][1], os, Plain.method, Plain.method.__code__]
shared += Plain.method.__code__.co_consts
print([each for each in shared if is_counted(each)])
made = [Plain(), [1], "text" + str(os.getpid())]
print(all(is_counted(each) for each in made))
plain.new = made
del listed[0], made
plain.method()
for _ in range(3):
    gc.collect()
print(len(plain.new))
""")
    assert told.splitlines() == ["[]", "True", "3"]


def test_who_would_be_missed_still_ends_whatever_holds_it() -> None:
    told = run("""
class Ending:
    def __init__(self, name): self.name = name
    def __del__(self): print(self.name, "ended")

class Holder:
    pass

def generator():
    try:
        yield
    finally:
        print("generator ended")

def around(held):
    return lambda: held

direct, deep, closed = Ending("direct"), {"a": [(Holder(),)]}, around(Ending("closed"))
deep["a"][0][0].held = Ending("deep")
circle = Holder()
circle.self, circle.held = circle, Ending("circle")
begun = generator()
next(begun)
watched = Holder()
seen = weakref.ref(watched)
weakly = weakref.WeakValueDictionary(key=watched)
room = bytearray(8)
view = memoryview(room)
at_last = Ending("at last")
assert settle() == ""
del direct, deep, closed, begun, watched, circle
gc.unfreeze()  # a program may
gc.collect()
print(seen(), dict(weakly))
del view
room.extend(b"grown")
print(len(room))
""")
    lines = told.splitlines()
    assert sorted(lines[:5]) == [
        "circle ended",
        "closed ended",
        "deep ended",
        "direct ended",
        "generator ended",
    ]
    assert lines[5:] == ["None {}", "13", "at last ended"]


def test_what_a_first_process_does_not_survive_is_not_done() -> None:
    told = run("""
def fails():
    raise MemoryError("seen in its first process")

immortal._live = fails
print(settle())
print(is_counted(Path), is_counted(os))
immortal._live = lambda: os.kill(os.getpid(), 11)
print(settle())
immortal._live = lambda: immortal.signal.pause()
immortal._LONGEST_S = 0.1
print(settle())
print(is_counted(Path))
""")
    ended = "the process that tried it ended with"
    assert told.splitlines() == [f"{ended} 1", "True True", f"{ended} -11", f"{ended} -9", "True"]


def test_of_too_many_objects_none_is_looked_for() -> None:
    told = run("""
immortal._MOST_OBJECTS = 100
print(settle(), is_counted(Path))
""")
    assert told == "the program has made more than 100 objects True\n"


def test_a_program_that_counts_references_keeps_its_counts(tmp_path: Path) -> None:
    program = """
sys.path.insert(0, os.environ["AT"])
import counting
print(settle(Path(os.environ["OF"])) or "uncounted", is_counted(counting))
"""
    installed = tmp_path / ".venv" / "site-packages"
    installed.mkdir(parents=True)
    for folder in (tmp_path, installed):
        (folder / "counting.py").write_text(
            "import sys\ndef is_free(each): return sys.getrefcount(each) < 3\n"
        )
    assert run(program, AT=str(tmp_path), OF=str(tmp_path)) == "the program counts references True\n"
    assert run(program, AT=str(installed), OF=str(tmp_path)) == "uncounted False\n"


def test_nothing_is_written_where_something_was_freed_meanwhile() -> None:
    told = run("""
memory = immortal._Memory()
one, other = object(), object()
at = id(one)
del one
import ctypes
before = ctypes.c_uint64.from_address(at).value
memory.leave_uncounted([at, id(other)])
print(ctypes.c_uint64.from_address(at).value == before, is_counted(other))
""")
    assert told == "True False\n"
