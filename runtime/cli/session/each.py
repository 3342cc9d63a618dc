"""What is done to several sessions or inputs, one after the other: one that fails keeps no other from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def each(names: Sequence[str], act: Callable[[str], str]) -> int:
    """Do something to each that is named, and say what it was; the exit status.

    Args:
        act: Gives the line to say; raises CommandFailed.
    """
    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.cli.terminal import note_failure, say

    failed = 0
    for name in dict.fromkeys(names):
        try:
            say(act(name))
        except CommandFailed as error:
            failed += 1
            note_failure(error)
    return ExitCode.FAILED if failed else ExitCode.OK
