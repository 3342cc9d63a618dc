"""Opening a page in the browser of whoever sits at this terminal."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping


def open_page(url: str) -> bool:
    """Open it where there is a browser to see it in; True when one was started.

    That is on a terminal with a display, or with ``BROWSER`` set; never in CI.  The browser is not waited
    for, and what it writes goes nowhere: it must not write over the screen.
    """
    if os.environ.get("CI") or not sys.stdout.isatty():
        return False
    command = _command(os.environ, url)
    if command is None:
        return False
    try:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    return True


def _command(env: Mapping[str, str], url: str) -> list[str] | None:
    """What to run: the first of ``BROWSER`` that is there, with the page for ``%s``; else the desktop's."""
    for named in filter(None, env.get("BROWSER", "").split(os.pathsep)):
        try:
            words = shlex.split(named)
        except ValueError:
            continue
        if words and shutil.which(words[0], path=env.get("PATH")):
            return [word.replace("%s", url) for word in words] + ([] if "%s" in named else [url])
    if not (env.get("DISPLAY") or env.get("WAYLAND_DISPLAY")):
        return None
    return ["xdg-open", url] if shutil.which("xdg-open", path=env.get("PATH")) else None
