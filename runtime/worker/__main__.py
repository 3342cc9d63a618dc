"""The program behind every zygote and worker; `boot` starts it.

As a zygote it imports the bundle, describes it to the front and forks workers on request.  With
``--once`` it is a worker itself, in a fresh interpreter: for bundles that cannot be forked from.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from runtime import logs
from runtime.confinement.level import Level
from runtime.errors import BundleError
from runtime.process import child as its_child
from runtime.process import zygote
from runtime.process.child import open_fds
from runtime.process.confine import landlock, launch, narrow, privileges, probe
from runtime.process.confine.inner import Inner
from runtime.process.confine.inner import rehearse as rehearse_entry
from runtime.process.fork import generators
from runtime.process.leftovers.forkability import Fork, is_forkable
from runtime.process.leftovers.opened import Import
from runtime.process.plumbing import WorkerEnds
from runtime.wire import control
from runtime.worker import bundle, failure, main
from runtime.worker.program import imported, leaving, pools, within
from runtime.worker.program.main_program import Bare, Program
from runtime.worker.program.outer_loop import OuterLoop
from runtime.worker.refused import causes, granted


def start(bare: Bare) -> NoReturn:
    """Be what the command line says.

    Args:
        bare: What the interpreter had before anything of ours.
    """
    open_fds()  # so that its own imports are done before a bundle's program runs
    leaving.leave(run(bare=bare))


def run(arguments: list[str] | None = None, *, bare: Bare) -> int:
    """Parse the command line of a zygote or a single worker and be it."""
    parser = argparse.ArgumentParser(prog="runtime.worker")
    parser.add_argument("--source", type=Path, required=True, help="the bundle's file or folder")
    parser.add_argument("--flat", action="store_true", help="it is one of several programs of its folder")
    parser.add_argument("--front-fd", type=int, help="datagram socket to the front")
    parser.add_argument("--fork", default="auto", help="what the bundle says of being forked from")
    parser.add_argument("--counted", action="store_true", help="count references to what sessions share")
    parser.add_argument("--once", help="control,log,lifeline,box descriptors of a single worker")
    parser.add_argument("--replay", action="store_true", help="one call in the foreground; see replay.py")
    parser.add_argument("--log-line-bytes", type=int, help="how long a line the front reads of a worker")
    parser.add_argument("--held", type=int, help="descriptor of what holds this process")
    parser.add_argument("--argv", default="[]", help="the program's own arguments, as JSON")
    options = parser.parse_args(arguments)
    if options.log_line_bytes:
        logs.bound_lines(options.log_line_bytes)
    held = _held(options.held) if options.held is not None else None
    program = Program(options.source, is_flat=options.flat, bare=bare, arguments=json.loads(options.argv))
    if held is not None and (options.replay or options.once):
        causes.know(granted.calls_below(held))
        causes.install()
        causes.hear()
        causes.begin(held["private"])
    if options.replay:
        from runtime.worker import replay  # nobody else needs a debugger

        return replay.run(program)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if options.once:
        ends = WorkerEnds(*(int(fd) for fd in options.once.split(",")))
        return main.run_once(ends, program)
    front = socket.socket(fileno=options.front_fd)
    zygote_of_it = _Zygote(front, program, Fork(options.fork), is_counted=options.counted)
    if held is not None:
        zygote_of_it.hold(held)
    return zygote_of_it.run()


def _held(fd: int) -> dict[str, Any]:
    found = launch.read(fd)
    os.close(fd)
    if found["users"]:
        privileges.keep_to_itself()  # before the program can start anything
    return found


class _Zygote:
    """Describe the program to the front, then fork sessions on request, from within the program."""

    def __init__(self, front: socket.socket, program: Program, fork: Fork, *, is_counted: bool) -> None:
        self._front = front
        self._uncounted = None if is_counted else program.folder
        self._program = program
        self._fork = fork
        self._misses = imported.Misses(program.folder)
        self._import = Import(program.folder)
        self._inner: Inner | None = None
        self._held: dict[str, Any] | None = None

    def hold(self, held: dict[str, Any]) -> None:
        """Make sure that what holds this process does, and tell the front; does not return where it must."""
        inner = Inner(held)
        found = probe.got_through(held, inner)
        landlock_version = int(held["landlock"])
        missing = [str(held["failed"])] if held["failed"] else landlock.missing(landlock_version)
        if not held["seccomp"]:
            missing.append("system calls (a kernel with seccomp, and x86-64 or aarch64)")
        zygote.report(self._front, control.Confined(landlock_version, bool(held["seccomp"]), missing, found))
        if held["level"] == Level.STRICT and (found or missing):
            leaving.at_once(main.ExitCode.IMPORT_FAILED)  # the front says why
        self._inner, self._held = inner, held
        its_child.first_steps.append(rehearse_entry)
        causes.know(granted.calls_below(held))

    def run(self) -> int:
        """Run the program; returns the exit code, of a session or of a zygote that came to nothing."""
        faulthandler.enable()  # what ends it in native code, it prints; a worker has this from `settle`
        try:
            main.preload()
            pools.lead(self._program)
            self._misses.note()
            self._import.begin()
            return bundle.run(self._program, self)
        except BaseException as error:  # noqa: BLE001 - the edge of the bundle's program: all of it is reported
            self.failed(error)

    def live(self, loaded: bundle.LoadedBundle, outer: OuterLoop) -> int:
        try:
            main.warm_up()
            opened = self._import.end() + within.bound_to(outer, self._program.folder)
            forks = zygote.Zygote(self._front, self._inner, self._uncounted)
            if is_forkable(self._fork, opened):  # else it will not fork, and need not be prepared for it
                main.rehearse(loaded, outer)
                causes.install()
                self._prepare_endpoints()
                forks.settle()
                causes.hear()
            zygote.report(self._front, _described(loaded, opened, imported.files(self._misses)))
            sys.stdout.flush()
            sys.stderr.flush()
            child = forks.serve()
        except BaseException:  # noqa: BLE001 - a zygote does not unwind the program, whatever happens
            traceback.print_exc()
            leaving.at_once(1)
        if child is None:
            leaving.at_once(0)  # it takes nothing with it and waits for nothing
        main.settle(child.ends, child.inherited, child.entry)
        if child.entry is not None:
            causes.begin(child.entry.folder)
        return main.live(main.Worker(child.ends, loaded, parked=child.parked), outer)

    def _prepare_endpoints(self) -> None:
        """For those whose sessions may use less; the program has run, and can change nothing of it."""
        if self._held is not None:
            private = self._held["private"]
            for path, rules in narrow.prepare(self._held).items():
                reach = granted.reach_of(rule for rule in rules if rule[0] not in (private, narrow.ITSELF))
                causes.narrower[path] = reach, not self._held["narrower"][path]["strict"]

    def live_within(self, loaded: bundle.LoadedBundle) -> None:
        return None

    def failed(self, error: BaseException) -> NoReturn:
        zygote.report(self._front, _import_failed(error, self._program, imported.files(self._misses, error)))
        leaving.at_once(main.ExitCode.IMPORT_FAILED)

    def ended_by(self, error: BaseException) -> None:
        pass  # the session has told it


def _described(
    loaded: bundle.LoadedBundle, opened: list[control.Opened], files: dict[str, list[str]]
) -> control.Described:
    return control.Described(
        main.declarations(loaded),
        opened,
        generators.alike(),
        loaded.name,
        loaded.sha256,
        loaded.modified_at,
        files,
    )


def _import_failed(
    error: BaseException, program: Program, files: dict[str, list[str]]
) -> control.ImportFailed:
    told = failure.describe(error, program.folder)
    missing, near = told.trace.missing, told.trace.near
    message = told.message
    if program.has_sibling(missing):
        message = (
            f"{missing}.py beside it is an agent of its own, so it is no module ({told.where}). Call it "
            f"_{missing}.py, or make a folder of the two, with this program as its main.py."
        )
        return control.ImportFailed("BundleError", message, "", told.traceback, files=files)
    if isinstance(error, SystemExit):
        message = f"the program called exit({error.code!r}) before it declared an endpoint"
    where = "" if isinstance(error, BundleError) else told.where
    return control.ImportFailed(
        told.kind,
        message,
        where,
        told.traceback,
        missing,
        files,
        near,
        told.trace.refused,
        told.trace.shared,
    )
