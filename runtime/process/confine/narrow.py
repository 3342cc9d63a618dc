"""Hold one session more tightly than its bundle, from its start on."""

from __future__ import annotations

import errno
import socket

from runtime.process.confine import denied, seccomp


def cut_off() -> None:
    """Do without a network from here on, in all threads; where that is so already, nothing is added.

    Raises:
        OSError: It cannot be had: the session must not begin.
    """
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
    except OSError as error:
        if error.errno == errno.EACCES:
            return
    seccomp.install(seccomp.program(denied.strict("none")), all_threads=True)
