"""The SDK's command line, whose imports take seconds: made once, and forked for each command of a test.

Reads a command a line, ``{"words": [...], "env": {...}, "cwd": "...", "out": "a file"}``, and answers with
its exit status.
"""

import contextlib
import io
import json
import os
import sys
import traceback

from meshagent.cli.cli import app

_known = set()


def import_for(words):
    """Have this process import what such a command does: asking for its help needs the same."""
    group = tuple(word for word in words if not word.startswith("-"))[:3]
    if group not in _known:
        _known.add(group)
        nowhere = io.StringIO()
        with (
            contextlib.suppress(SystemExit, Exception),
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            app([*group, "--help"])


def be(ask):
    """Be the command, as it would be in a process of its own; does not return."""
    out = os.open(ask["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(ask["cwd"])
    os.environ.clear()
    os.environ.update(ask["env"])
    sys.argv[1:] = ask["words"]
    status = 1
    try:
        app()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - the interpreter would print it, too
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


sys.argv[0] = "meshagent"
for line in sys.stdin:
    asked = json.loads(line)
    import_for(asked["words"])
    if (child := os.fork()) == 0:
        be(asked)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
