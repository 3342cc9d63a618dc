"""The program behind every zygote and worker: ``python -m runtime.worker``.

As a zygote it imports the bundle, describes it to the front and forks workers on request.  With
``--once`` it is a worker itself, in a fresh interpreter: for bundles that cannot be forked from.
"""

from __future__ import annotations

import argparse
import faulthandler
import functools
import os
import signal
import socket
import sys
from pathlib import Path

from runtime import logs
from runtime.errors import BundleError
from runtime.process import zygote
from runtime.process.child import open_fds
from runtime.process.plumbing import WorkerEnds
from runtime.wire import control
from runtime.worker import bundle, failure, imported, main


def run(arguments: list[str] | None = None) -> int:
    """Parse the command line of a zygote or a single worker and be it."""
    parser = argparse.ArgumentParser(prog="runtime.worker")
    parser.add_argument("--source", type=Path, required=True, help="the bundle's file or folder")
    parser.add_argument("--front-fd", type=int, help="datagram socket to the front")
    parser.add_argument("--once", help="control,log,lifeline,box descriptors of a single worker")
    parser.add_argument("--replay", action="store_true", help="one call in the foreground; see replay.py")
    parser.add_argument("--log-line-bytes", type=int, help="how long a line the front reads of a worker")
    options = parser.parse_args(arguments)
    if options.log_line_bytes:
        logs.bound_lines(options.log_line_bytes)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if options.replay:
        from runtime.worker import replay  # nobody else needs a debugger

        return replay.run(options.source)
    if options.once:
        ends = WorkerEnds(*(int(fd) for fd in options.once.split(",")))
        return main.run_once(ends, options.source)
    return _serve(socket.socket(fileno=options.front_fd), options.source)


def _serve(front: socket.socket, source: Path) -> int:
    faulthandler.enable()  # what ends it in native code, it prints; a worker has this from `settle`
    misses = imported.Misses()
    try:
        main.preload()
        misses.note()
        loaded = bundle.load(source)
        main.warm_up()
    except BaseException as error:  # noqa: BLE001 - the edge of the bundle's program: all of it is reported
        zygote.report(front, _import_failed(error, source, imported.files(misses, error)))
        return main.ExitCode.IMPORT_FAILED
    threads = zygote.running_threads()
    if not threads:  # else it will not fork, and cannot be prepared for it
        main.rehearse(loaded)
    zygote.report(front, _described(loaded, threads, imported.files(misses)))
    sys.stdout.flush()
    sys.stderr.flush()
    zygote.Zygote(front, functools.partial(main.run_worker, loaded)).serve()
    return 0


def _described(
    loaded: bundle.LoadedBundle, threads: list[str], files: dict[str, list[str]]
) -> control.Described:
    return control.Described(
        main.declarations(loaded), threads, loaded.name, loaded.sha256, loaded.modified_at, files
    )


def _import_failed(error: BaseException, source: Path, files: dict[str, list[str]]) -> control.ImportFailed:
    folder = bundle.program_of(source).resolve().parent
    told = failure.describe(error, folder)
    missing = (error.name or "").split(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    message = told.message
    if isinstance(error, SystemExit):
        message = f"the program called exit({error.code!r}) before it declared an endpoint"
    where = "" if isinstance(error, BundleError) else told.where
    return control.ImportFailed(told.kind, message, where, told.traceback, missing, files)


if __name__ == "__main__":
    # `open_fds` is called once here so that its own imports are done before a bundle's program runs.
    open_fds()
    code = run()
    # No finalizers of the bundle: a zygote that ends takes nothing with it and waits for nothing.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
