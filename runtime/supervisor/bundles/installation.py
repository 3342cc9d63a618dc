"""Make the environment of a bundle: an interpreter that suits it, and the packages it asks for.

With uv where it is installed, else with the standard library's venv and pip.  What our worker needs is
resolved together with what the bundle asks for, so a conflict is found here and not when a session starts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from runtime.errors import BundleError, BundleImportFailed
from runtime.process.confine.files.installed import programs
from runtime.process.confine.hold import Errand
from runtime.supervisor.bundles.environment import (
    SDK_REQUIREMENTS,
    WORKER_REQUIREMENTS,
    Environment,
    Stamp,
    cache_of,
)
from runtime.supervisor.bundles.interpreter import OLDEST, Interpreter, ask, choose, interpreters

Say = Callable[[str], None]

_KEPT_LINES: Final = 30
_LINE_CHARS: Final = 300  # pip lists every release that wants another Python, in one line
_COMPLAINT: Final = "ERROR: "
_OTHER_PYTHON: Final = ("Requires-Python", "requires a different Python", "requires Python")
_BOOT: Final = Path(__file__).resolve().parents[2] / "worker" / "boot.py"
_SDK: Final = (
    "import importlib.metadata as m\n"
    "try: print(m.version('meshagent-api'))\n"
    "except m.PackageNotFoundError: print()"
)


class _ToolFailed(Exception):
    """A command of the installation failed; its last lines are the message."""


def install(environment: Environment, env: Mapping[str, str], say: Say, *, is_held: bool = False) -> Stamp:
    """Make the environment, or bring it up to date.

    Args:
        is_held: Have the tools, and whatever code of packages they run, write nothing but the environment,
            a cache of its own and temporary files of their own.
        env: Where interpreters and tools are looked for, and what they are started with.
        say: Takes each line of progress.

    Raises:
        BundleError: No interpreter suits, or the packages cannot be installed; the cure says what to do.
    """
    suitable = _suitable(environment, env, is_held=is_held)
    errand = None
    if is_held:
        # Tools link what they install from their caches: code that writes one changes whatever came from it.
        cache = cache_of(environment.folder)
        cache.mkdir(parents=True, exist_ok=True)
        env = {**env, "UV_CACHE_DIR": str(cache / "uv"), "PIP_CACHE_DIR": str(cache / "pip")}
        errand = _errand(environment, env, suitable, cache)
    tools = _Tools(environment, dict(env), say, errand)
    for number, interpreter in enumerate(suitable):
        try:
            return tools.make(interpreter)
        except _ToolFailed as error:
            said = str(error)
            is_last = number == len(suitable) - 1
            if is_last or not any(word in said for word in _OTHER_PYTHON):
                raise BundleImportFailed(
                    f"the packages of {environment.name} cannot be installed with Python {interpreter.text}",
                    cure=_cure(environment, said),
                    detail=said,
                ) from None
            say(f"its packages want another Python than {interpreter.text}")
    raise AssertionError("there is always one to try")


def _cure(environment: Environment, said: str) -> str:
    if any(word in said for word in _OTHER_PYTHON):
        return 'They want another Python: install one, and name it in bulkhead.toml: python = "3.13".'
    return f"Mend {environment.wants.says}, then: {environment.cure.removeprefix('Run: ')}"


def _suitable(environment: Environment, env: Mapping[str, str], *, is_held: bool) -> list[Interpreter]:
    """The interpreter to use; with a second to try where the bundle does not say which it wants."""
    wanted = environment.wants.python
    if "/" in wanted:
        named = ask(wanted, _to_ask(environment, env) if is_held else None, env)
        if named is None or named.version < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise BundleError(
                f"{environment.name} wants {wanted}, which is no Python {oldest} or newer",
                cure="Name one in its bulkhead.toml.",
            )
        return [named]
    found = interpreters(env)
    if not wanted:
        newest = max(found, key=lambda one: one.version)
        return list(dict.fromkeys([found[0], newest]))
    chosen = choose(wanted, found)
    if chosen is not None:
        return [chosen]
    have = ", ".join(one.text for one in sorted(found, key=lambda one: one.version))
    raise BundleError(
        f"{environment.name} wants Python {wanted}; there is {have}",
        cure="Install one (uv python install, pyenv install, or your system's packages) and run this again.",
    )


def _errand(
    environment: Environment, env: Mapping[str, str], suitable: Sequence[Interpreter], cache: Path
) -> Errand:
    """What the tools need: the bundle to read, the environment and its own cache to write."""
    home = Path(env.get("HOME") or os.path.expanduser("~"))
    data, settings = home / ".local/share", home / ".config"
    of_bundle = "/" in environment.wants.python
    read = (
        environment.wants.folder, Path(__file__).parents[2], data / "uv", settings / "uv", settings / "pip",
        home / ".pip", home / ".netrc", home / ".gitconfig", *(one.path for one in suitable),
        *(grant for one in suitable for grant in programs(one.path, env, of_others=of_bundle)),
    )  # fmt: skip
    return Errand(tuple(map(str, read)), (str(environment.folder), str(cache)))


def _to_ask(environment: Environment, env: Mapping[str, str]) -> Errand:
    """What an interpreter needs that the bundle names, and may have written, to say its version."""
    wants = environment.wants
    return Errand((str(wants.folder), wants.python, *programs(wants.python, env, of_others=True)), ())


class _Tools:
    """The commands of one installation."""

    def __init__(
        self, environment: Environment, env: dict[str, str], say: Say, errand: Errand | None
    ) -> None:
        self._environment = environment
        self._folder = environment.folder
        self._python = str(environment.python)
        # A foreign PYTHONPATH would count as installed what the bundle will not see.
        self._env = {key: value for key, value in env.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
        self._say = say
        self._errand = errand
        self._uv = shutil.which("uv", path=env.get("PATH", os.defpath))

    def make(self, interpreter: Interpreter) -> Stamp:
        before = self._environment.stamp()
        is_usable = before is not None and before.python == interpreter.text and self._starts()
        if is_usable:
            (self._folder / "bulkhead-environment.json").unlink()  # until it is complete again
        else:
            self._create(interpreter)
        wants = self._environment.wants
        asked = [*wants.requirements, *WORKER_REQUIREMENTS]
        if wants.file is not None:
            asked = ["-r", str(wants.file), *asked]
        self._say(f"installing the packages of {self._environment.name}")
        self._install(asked)
        sdk = self._output([self._python, "-P", "-c", _SDK])
        if not sdk:
            self._install(list(SDK_REQUIREMENTS))
        # The worker's program starts, so whatever fails later is the bundle's own.
        self._output([self._python, "-P", str(_BOOT), "--help"])
        stamp = Stamp(interpreter.text, sdk, wants.fingerprint(), str(wants.folder))
        stamp.write(self._folder)
        return stamp

    def _starts(self) -> bool:
        return ask(self._python, self._errand, self._env) is not None

    def _create(self, interpreter: Interpreter) -> None:
        self._say(f"making an environment with Python {interpreter.text} ({interpreter.path})")
        if self._folder.exists():
            shutil.rmtree(self._folder)
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        if self._errand is not None:  # it may be written, and what is beside it not
            self._folder.mkdir()
        if self._uv:
            self._run([self._uv, "venv", "--quiet", "--python", interpreter.path, str(self._folder)])
        else:
            self._run([interpreter.path, "-I", "-m", "venv", str(self._folder)])

    def _install(self, asked: Sequence[str]) -> None:
        if self._uv:
            # Compiled now: the processes that run it may not write what they compile.
            self._run([self._uv, "pip", "install", "--compile-bytecode", "--python", self._python, *asked])
        else:
            pip = ["-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off"]
            self._run([self._python, *pip, *asked])

    def _run(self, argv: Sequence[str]) -> list[str]:
        """Run a command, telling its lines as they come.  Raises _ToolFailed with the last of them."""
        lines: list[str] = []
        with (
            self._held(argv) as (argv, fds, env),
            subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=env,
                pass_fds=fds,
                cwd=self._environment.wants.folder,
            ) as process,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                text = line.rstrip()
                lines.append(text if len(text) <= _LINE_CHARS else f"{text[: _LINE_CHARS - 1]}…")
                del lines[:-_KEPT_LINES]
                # Of what fails for good they are the detail; another interpreter may be the cure.
                if not text.startswith(_COMPLAINT):
                    self._say(lines[-1])
        if process.returncode != 0:
            raise _ToolFailed("\n".join(lines) or f"{argv[0]} ended with {process.returncode}")
        return lines

    @contextmanager
    def _held(self, argv: Sequence[str]) -> Iterator[tuple[Sequence[str], Sequence[int], Mapping[str, str]]]:
        if self._errand is None:
            yield argv, (), self._env
            return
        with self._errand.held(argv, self._env) as (instead, fd):
            yield instead, (fd,), {}

    def _output(self, argv: Sequence[str]) -> str:
        with self._held(argv) as (argv, fds, env):
            done = subprocess.run(
                argv,
                capture_output=True,
                text=True,
                errors="replace",
                env=env,
                pass_fds=fds,
                check=False,
                timeout=120,
            )
        if done.returncode != 0:
            raise _ToolFailed("\n".join(done.stderr.splitlines()[-_KEPT_LINES:]))
        return done.stdout.strip()
