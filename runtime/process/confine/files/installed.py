"""Where programs lie that bundles run: interpreters, their packages, what is on the path."""

from __future__ import annotations

import glob
import json
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from runtime.confinement.ground import SYSTEM
from runtime.confinement.paths import first_above, is_below

_MODULES: Final = (".py", ".pyc", ".so", ".pth", ".egg")
_METADATA: Final = (".dist-info", ".egg-info")
_OURS: Final = os.path.abspath(__file__).partition("/runtime/process/")[0]
"""The folder that our package is in, which may be a checkout."""


def programs(python: str, env: Mapping[str, str], *, of_others: bool = False) -> list[str]:
    """Folders of an interpreter, its packages, and the programs on its path.

    Args:
        of_others: Code that is to be held may have written what lies around it, and leads to nothing by that
            but to installations of Python.
    """
    found = list(_with_what_they_run(env.get("PATH", os.defpath).split(os.pathsep)))
    found += env.get("PYTHONPATH", "").split(os.pathsep)
    near = installation_of(python)
    found += filter(_is_python, near) if of_others and python != sys.executable else near
    home = os.path.expanduser("~")
    return [path for path in found if os.path.isabs(path) and not is_below(home, os.path.normpath(path))]


def installation_of(python: str) -> list[str]:
    """The folders that an interpreter and its packages are installed in."""
    if python == sys.executable:
        found = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix]
        if (user := os.path.join(os.path.expanduser("~"), ".local", "lib")) in " ".join(sys.path):
            found.append(user)
        return found
    folder = os.path.dirname(os.path.dirname(python))
    near = [folder, os.path.dirname(os.path.realpath(os.path.dirname(python)))]
    return [*near, os.path.dirname(os.path.dirname(os.path.realpath(python))), *_base_of(folder)]


def _with_what_they_run(folders: Iterable[str]) -> Iterator[str]:
    """Folders of programs, with what lies beside them for these: of pyenv's shims, of node."""
    for folder in folders:
        yield folder
        above, name = os.path.split(os.path.normpath(folder))
        if name == "shims":
            yield above
        elif name == "bin":
            yield os.path.join(above, "lib")


def packages_of(python: str) -> str:
    """The folder of an interpreter's packages; empty when there is none to be found."""
    if python == sys.executable:
        return sysconfig.get_paths()["purelib"]
    folder = glob.escape(os.path.dirname(os.path.dirname(python)))
    return next(iter(glob.glob(f"{folder}/lib/python3*/site-packages")), "")


def _base_of(environment: str) -> Iterator[str]:
    """The installation that a virtual environment was made from."""
    try:
        with open(os.path.join(environment, "pyvenv.cfg"), encoding="utf-8") as file:
            for line in file:
                key, _, value = line.partition("=")
                if key.strip() == "home":
                    yield os.path.dirname(os.path.realpath(value.strip()))
    except OSError:
        return


def is_all_of_one(folder: str) -> bool:
    """Whether all that is in a folder belongs to one installation of Python; not so of ``/usr/local``."""
    return first_above(folder, SYSTEM) is None and _is_python(folder)


def _is_python(folder: str) -> bool:
    """Whether it is an installation of Python, or an environment."""
    return os.path.isfile(os.path.join(folder, "pyvenv.cfg")) or bool(
        glob.glob(f"{glob.escape(folder)}/lib*/python3*/os.py")
    )


def led_to(python: str) -> list[str]:
    """Folders elsewhere that packages of an interpreter are in: those installed to be edited.

    One that somebody's home lies in is left out; not our own, where a container's home may lie.
    """
    packages = packages_of(python)
    found: list[str] = []
    for file in glob.glob(f"{glob.escape(packages)}/*.pth") if packages else ():
        try:
            with open(file, encoding="utf-8", errors="replace") as lines:
                found += [line for text in lines if os.path.isdir(line := text.strip())]
        except OSError:
            continue
    for file in glob.glob(f"{glob.escape(packages)}/*.dist-info/direct_url.json") if packages else ():
        try:
            with open(file, encoding="utf-8") as told:
                url = json.load(told)
            if url.get("dir_info", {}).get("editable") and url["url"].startswith("file:"):
                found.append(unquote(urlsplit(url["url"]).path))
        except (OSError, ValueError, KeyError, AttributeError):
            continue
    home = os.path.expanduser("~")
    return [
        path
        for path in dict.fromkeys(found)
        if os.path.isabs(path) and (path == _OURS or not is_below(home, os.path.normpath(path)))
    ]


def importable(folder: str) -> Iterator[str]:
    """What of a folder can be imported: a checkout has more in it (``.git``, ``.env``, data)."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if not entry.is_dir():
            is_ours = entry.name.endswith(_MODULES)
        elif entry.name.endswith(_METADATA):
            is_ours = True
        else:
            is_ours = entry.name.isidentifier() and _is_package(entry.path)
        if is_ours:
            yield entry.path


def _is_package(folder: str) -> bool:
    """Whether it has modules in it, or another package; a package need not say that it is one."""
    if os.path.exists(os.path.join(folder, "__init__.py")):
        return True
    pattern = glob.escape(folder)
    return bool(glob.glob(f"{pattern}/*.py") or glob.glob(f"{pattern}/*/__init__.py"))
