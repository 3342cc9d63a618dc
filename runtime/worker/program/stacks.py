"""The stacks of all threads of the interpreter, in faulthandler's own words, but written while nobody moves.

faulthandler reads them from a signal handler, whatever is going on.  Of a thread that runs Python code just
then it may read a frame that is gone, which ends the process: one look in twenty at a thread that is busy,
and one in a thousand at the very thread that writes.  Python code holds the interpreter's lock instead, so
every other thread waits, or is in a call that does not touch its frames.
"""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Final

MAX_THREADS: Final = 100
MAX_FRAMES: Final = 100
_FILE_CHARS: Final = 500


def stacks_now(at: FrameType | None) -> str:
    """The threads that Python knows, the one that asks first.

    Args:
        at: Where the thread that asks was interrupted.
    """
    mine = threading.get_ident()
    blocks = [_block("Current thread", mine, at)]
    for ident, frame in list(sys._current_frames().items())[:MAX_THREADS]:
        if ident != mine:
            blocks.append(_block("Thread", ident, frame))
    return "\n".join(blocks)


def _block(title: str, ident: int, frame: FrameType | None) -> str:
    lines = [f"{title} 0x{ident:016x} (most recent call first):"]
    while frame is not None:
        code = frame.f_code
        if len(lines) > MAX_FRAMES:
            lines.append("  ...")
            break
        file, name = code.co_filename[:_FILE_CHARS], code.co_name[:_FILE_CHARS]
        lines.append(f'  File "{file}", line {frame.f_lineno} in {name}')
        frame = frame.f_back
    return "\n".join(lines) + "\n"
