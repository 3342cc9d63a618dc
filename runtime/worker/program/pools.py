"""Processes of pools that a session starts: they import the program, and need what it needs.

A pool that does not fork (``spawn``, ``forkserver``) starts an interpreter that imports the program's file by
another name, to find the functions it is to run.  Our names, and the modules that programs of one folder
share, exist only in processes that were prepared for them: so it imports `pool_child` instead, which prepares
itself and then runs the program.  Who would serve in each of them is told so before there is one.
"""

from __future__ import annotations

import json
import multiprocessing.spawn
import os
import sys
from pathlib import Path
from types import CodeType
from typing import Any, Final

from runtime.compat import finder
from runtime.sdk.loading import unguarded
from runtime.worker.program.main_program import Program

VARIABLE: Final = "BULKHEAD_INTERNAL_POOL"
"""Tells the child which program it is to run."""

_CHILD: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pool_child.py")


def lead(program: Program) -> None:
    """Lead the pools of this process, and of those forked from it, to children that can import `program`."""
    usual = multiprocessing.spawn.get_preparation_data

    def get_preparation_data(*arguments: Any) -> dict[str, object]:
        if program.is_unguarded:
            raise unguarded(program.served_at)
        data: dict[str, object] = usual(*arguments)
        for key in ("init_main_from_path", "main_path"):
            if data.get(key) == str(program.file):
                os.environ[VARIABLE] = json.dumps([str(program.file), program.is_flat])
                data[key] = _CHILD
        return data

    multiprocessing.spawn.get_preparation_data = get_preparation_data  # type: ignore[assignment]


def code_for_child(file: str, is_flat: bool) -> CodeType:
    """In a pool's child: what it is to run, once its modules can be found."""
    finder.install()
    program = Program(Path(file), is_flat=is_flat)
    sys.path[:] = [entry for entry in sys.path if entry != str(program.folder)]  # it comes first, again
    program.find_modules()
    return program.code()
