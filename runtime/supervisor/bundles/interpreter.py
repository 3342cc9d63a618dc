"""Which Python interpreters this machine has, and which of them a bundle may have.

Versions are asked for as in ``requires-python`` (``>=3.13,<3.15``), as a plain version (``3.13``), or as the
path of an interpreter.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from runtime.errors import BundleError
from runtime.process.confine.hold import Errand

OLDEST: Final = (3, 11)
"""The worker's program needs it."""

_ASK: Final = "import sys; print(*sys.version_info[:3], sys.implementation.name)"
_ASK_S: Final = 10.0
_NAME: Final = re.compile(r"python3\.\d+")
_CLAUSE: Final = re.compile(r"(~=|==|!=|<=|>=|<|>)\s*(\d+(?:\.\d+)*)(\.\*)?")

Version = tuple[int, ...]


class Interpreter(msgspec.Struct, frozen=True):
    """A CPython that can be started.

    Attributes:
        version: Such as ``(3, 13, 0)``.
    """

    path: str
    version: Version

    @property
    def text(self) -> str:
        return ".".join(map(str, self.version))


def satisfies(version: Version, wanted: str) -> bool:
    """Whether a version is among those asked for; everything is, when nothing is asked for.

    Raises:
        BundleError: That is no way to ask for a version.
    """
    if re.fullmatch(r"\d+(\.\d+)*", wanted.strip()):
        wanted = f"=={wanted.strip()}.*"
    for clause in filter(None, (part.strip() for part in wanted.split(","))):
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise BundleError(
                f"{wanted!r} names no Python version", cure='Write for example ">=3.13", or "3.13".'
            )
        if not _holds(version, match[1], tuple(map(int, match[2].split("."))), bool(match[3])):
            return False
    return True


def _holds(version: Version, operator: str, asked: Version, is_prefix: bool) -> bool:
    if operator == "~=":
        return version >= asked and version[: len(asked) - 1] == asked[:-1]
    if is_prefix and operator in ("==", "!="):
        return (version[: len(asked)] == asked) is (operator == "==")
    width = max(len(version), len(asked))
    left = version + (0,) * (width - len(version))
    right = asked + (0,) * (width - len(asked))
    return {
        "==": left == right,
        "!=": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }[operator]


def choose(wanted: str, found: Iterable[Interpreter]) -> Interpreter | None:
    """The first that satisfies; `found` is in order of preference."""
    return next((one for one in found if satisfies(one.version, wanted)), None)


def interpreters(env: Mapping[str, str]) -> list[Interpreter]:
    """The interpreters of this machine, old ones left out: our own version first, then the newest first.

    Looked for on ``PATH``, among the versions of pyenv, and among those that uv installed.
    """
    own = Interpreter(_own_path(), tuple(sys.version_info[:3]))
    by_version = {own.version: own}
    for path in _candidates(env):
        one = ask(path)
        if one is not None and one.version >= OLDEST:
            by_version.setdefault(one.version, one)
    others = sorted(
        (one for version, one in by_version.items() if version != own.version),
        key=lambda one: one.version,
        reverse=True,
    )
    return [own, *others]


def ask(path: str, errand: Errand | None = None, env: Mapping[str, str] = os.environ) -> Interpreter | None:
    """Start a candidate and have it say its version; None when it cannot, or is no CPython.

    Args:
        errand: What it may use, when others may have written it.
        env: What it is started with.
    """
    argv = [path, "-I", "-S", "-c", _ASK]
    try:
        if errand is None:
            said = _said(argv, env)
        else:
            with errand.held(argv, env) as (instead, fd):
                said = _said(instead, {}, fd)
        *version, implementation = said.split()
        return Interpreter(path, tuple(map(int, version))) if implementation == "cpython" else None
    except (OSError, ValueError, subprocess.SubprocessError):
        return None  # such as a shim of pyenv whose version is not selected


def _said(argv: Sequence[str], env: Mapping[str, str], *fds: int) -> str:
    return subprocess.run(
        argv, capture_output=True, text=True, timeout=_ASK_S, check=True, env=env, pass_fds=fds
    ).stdout


def _own_path() -> str:
    """Our interpreter outside of any virtual environment, so that a new one does not hang on ours."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def _candidates(env: Mapping[str, str]) -> list[str]:
    home = Path(env.get("HOME") or "~").expanduser()
    pyenv = Path(env.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    data = Path(env.get("XDG_DATA_HOME") or home / ".local" / "share")
    uv = Path(env.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")
    found = [str(path) for path in sorted(pyenv.glob("3.*/bin/python3"))]
    found += [str(path) for path in sorted(uv.glob("cpython-3.*/bin/python3"))]
    for folder in env.get("PATH", "").split(os.pathsep):
        if folder and os.path.isdir(folder):
            found += [
                os.path.join(folder, name) for name in sorted(os.listdir(folder)) if _NAME.fullmatch(name)
            ]
    return list(dict.fromkeys(found))
