"""How to start programs of a bundle: whose interpreter, with which environment, where."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.errors import SpawnFailed, SystemShort, lacking
from runtime.process import descriptors
from runtime.process.confine import denied, seccomp
from runtime.process.confine.hold import LAUNCH, Hold, Private
from runtime.process.confine.watch import Heard, Watch
from runtime.settings import SupervisorSettings

_BOOT = Path(__file__).resolve().parents[2] / "worker" / "boot.py"


class Launch(msgspec.Struct, frozen=True):
    """An interpreter of a bundle's own.

    Attributes:
        cure: How to mend it, or what is installed in it.
    """

    python: str
    env: Mapping[str, str]
    cure: str


class Alone(msgspec.Struct, frozen=True):
    """How somebody started the program that a bundle is: ``python -O main.py --room x``, and where.

    Attributes:
        flags: The interpreter's.
        argv: The program's ``sys.argv``.
        file: Its ``__file__``.
        folder: Where it was started.
    """

    flags: tuple[str, ...]
    argv: tuple[str, ...]
    file: str
    folder: Path

    @classmethod
    def started(cls, source: Path) -> Alone | None:
        """How this process was started, if it runs `source`; None if that is somebody else's program."""
        file = getattr(sys.modules.get("__main__"), "__file__", None)
        if not file or Path(file).resolve() != source.resolve():
            return None
        # As the standard library's own children get them.
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        return cls(tuple(flags), tuple(sys.argv), os.path.abspath(file), Path.cwd())


class Command(msgspec.Struct, frozen=True):
    """How to start programs of a bundle: its interpreter, its environment, its folder.

    Attributes:
        python: The interpreter of a bundle that has none of its own.
        own: Asked at every start, with `env`: the bundle's own interpreter, None when it has none.  Raises
            EnvironmentUnusable when it should have one and that cannot be used.
        log_line_bytes: How long a line is read of what it writes.
        immortal: What its sessions share is not counted, where the interpreter can do without.
        is_flat: It is one of several programs of its folder, which are no modules to it.
        alone: How its program was started, when it is its own server.
        policy: What the program may reach while it is imported, and all its sessions together.
        ground: What lies where; None where nothing is held back.
        hold: What its processes are held by; None likewise.
        heard: Called in a thread, for each call of its processes that waits to be answered for.
    """

    python: str
    source: Path
    env: Mapping[str, str]
    own: Callable[[Mapping[str, str]], Launch | None] = lambda _: None
    log_line_bytes: int = SupervisorSettings().log_line_bytes
    immortal: bool = True
    is_flat: bool = False
    alone: Alone | None = None
    policy: Policy = msgspec.field(default_factory=Policy)
    ground: Ground | None = None
    hold: Hold | None = None
    heard: Heard | None = None

    @property
    def folder(self) -> Path:
        return self.source if self.source.is_dir() else self.source.parent

    def spawn(
        self,
        arguments: Sequence[str],
        pass_fds: Sequence[int],
        output: int,
        *,
        private: Private | None = None,
        endpoint: str = "",
    ) -> subprocess.Popen[bytes]:
        """Start the worker's program in a session, and a process group, of its own.

        Args:
            private: Its private folder, if it is a session.
            endpoint: The path that it serves then.

        Raises:
            SystemShort: The system has no more of what a process takes.
            SpawnFailed: The interpreter cannot be started.
            EnvironmentUnusable: The same, of an interpreter of the bundle's own.
            OSError: What is to hold it could not be prepared.
        """
        own = self.own(self.env)
        python, env = (self.python, self.env) if own is None else (own.python, own.env)
        alone = self.alone
        argv = [python, *(alone.flags if alone else ()), str(_BOOT)]
        argv += ["--source", alone.file if alone else str(self.source)]
        argv += ["--flat"] if self.is_flat else []
        argv += [] if self.immortal else ["--counted"]
        argv += ["--argv", json.dumps(alone.argv)] if alone else []
        argv += ["--log-line-bytes", str(self.log_line_bytes), *arguments]
        held_fd = -1
        watch: Watch | None = None
        try:
            watch = self._watch()
            if self.hold is not None:
                hold, watch_fd = self.hold, -1 if watch is None else watch.child_fd
                held_fd = (
                    hold.for_session(env, private, watch_fd, endpoint=endpoint)
                    if private
                    else hold.for_zygote(env, watch_fd)
                )
                env = {}  # it is in there
                argv = [sys.executable, "-I", "-S", LAUNCH, str(held_fd), *argv, "--held", str(held_fd)]
                pass_fds = [*pass_fds, held_fd, *([] if watch is None else [watch_fd])]
            try:
                popen = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=dict(env),
                    cwd=alone.folder if alone else self.folder,
                    pass_fds=pass_fds,
                    start_new_session=True,
                )
            except OSError as error:
                if lacking(error):
                    raise
                raise SpawnFailed(
                    f"{python} cannot be started: {error.strerror}",
                    cure="Check the bundle's interpreter." if own is None else own.cure,
                ) from error
            if watch is not None:
                watch.begin()
                watch = None
            descriptors.give_back(popen.pid)
            return popen
        except OSError as error:
            if lacks := lacking(error):
                told = f"no interpreter could be started: {error.strerror}"
                raise SystemShort(lacks, told) from error
            raise
        finally:
            if held_fd >= 0:
                os.close(held_fd)
            if watch is not None:
                watch.close()

    def _watch(self) -> Watch | None:
        """What hears of its calls, where there is somebody to answer for them."""
        if self.hold is None or self.hold.level is not Level.STRICT or self.heard is None:
            return None
        if not seccomp.is_there():
            return None  # then it cannot be held so, and says it
        return Watch(denied.watched(), self.policy, self.heard)
