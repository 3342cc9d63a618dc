"""LiveKit Agents, the nearest rival: its real process pool, in a virtual environment of its own.

The environment is made when a benchmark first needs it, from the package index; where that does not work
the benchmarks say so and go on without the rival.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

VERSION = os.environ.get("BENCH_LIVEKIT") or "1.8.9"
VENV = Path(__file__).resolve().parents[1] / ".venv-rival"
_INSTALL_S = 300.0


class NoRival(Exception):
    """It cannot be measured here; says why."""


@cache
def python() -> str:
    """An interpreter that has the rival installed.  Raises NoRival."""
    found = VENV / "bin" / "python"
    check = [str(found), "-c", f"import livekit.agents as l; assert l.__version__ == {VERSION!r}"]
    try:
        if found.exists() and subprocess.run(check, capture_output=True).returncode == 0:
            return str(found)
        print(f"installing livekit-agents {VERSION} into {VENV.name} (once)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True, capture_output=True)
        install = [str(found), "-m", "pip", "install", "-q", f"livekit-agents=={VERSION}"]
        subprocess.run(install, check=True, capture_output=True, timeout=_INSTALL_S)
        subprocess.run(check, check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise NoRival(f"LiveKit Agents {VERSION} could not be installed here: {error}") from error
    return str(found)


class Rival:
    """One pool in a process of its own, told what to do line by line."""

    def __init__(self, *options: str) -> None:
        program = Path(__file__).with_name("rival_livekit.py")
        self._process = subprocess.Popen(
            [python(), str(program), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._answer()

    def ask(self, *words: object) -> Any:
        """One command, and its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End it and its processes."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise NoRival("LiveKit's pool ended before it answered")
        return json.loads(line)


@contextmanager
def rivals(**options: tuple[str, ...]) -> Iterator[dict[str, Rival]]:
    """``rivals(warm=("--idle", "2"))``; empty where there is no rival."""
    pools: dict[str, Rival] = {}
    try:
        for name, words in options.items():
            pools[name] = Rival(*words)
    except NoRival as missing:
        print(f"  {missing}", file=sys.stderr)
    try:
        yield pools
    finally:
        for pool in pools.values():
            pool.close()
