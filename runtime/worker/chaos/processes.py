"""Attacks on other processes: signals by every way there is, and what the scheduler and the limits allow."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import socket
import time
from contextlib import suppress
from typing import Any, Final

from runtime.confinement.refusal import FILES_WRITE, PROCESSES_LIMIT, PROCESSES_SIGNAL
from runtime.worker.chaos import look
from runtime.worker.chaos.attack import Catalogue, NotHere, Targets
from runtime.worker.chaos.calls import call, in_child

_F_SETSIG: Final = 10
_IOPRIO_IDLE: Final = 3 << 13
_SI_QUEUE: Final = -1

signals = Catalogue(PROCESSES_SIGNAL)
scheduling = Catalogue(PROCESSES_LIMIT)


def _goes_on(attribute: str) -> Any:
    def undo(at: Targets, before: Any) -> None:
        with suppress(OSError):
            os.kill(getattr(at, attribute), signal.SIGCONT)

    return undo


# ---- scheduling and limits: first, because what they change can be put right


@scheduling.add(
    "pin-sibling",
    "give a session one processor alone",
    seen=look.processors,
    undo=lambda at, before: os.sched_setaffinity(at.sibling, before),
    silent=True,
)
def pin_sibling(at: Targets) -> None:
    processors = os.sched_getaffinity(0)
    if len(processors) < 2:
        raise NotHere("this machine has one processor")
    os.sched_setaffinity(at.sibling, {min(processors)})


@scheduling.add("nice-sibling", "let everybody go before a session", seen=look.niceness, silent=True)
def nice_sibling(at: Targets) -> None:
    os.setpriority(os.PRIO_PROCESS, at.sibling, 15)


@scheduling.add(
    "idle-sibling", "let a session run only when nobody else wants to", seen=look.scheduler, silent=True
)
def idle_sibling(at: Targets) -> None:
    os.sched_setscheduler(at.sibling, os.SCHED_IDLE, os.sched_param(0))


@scheduling.add(
    "ionice-sibling", "give a session the disk when nobody else wants it", seen=look.io_class, silent=True
)
def ionice_sibling(at: Targets) -> None:
    call("ioprio_set", 1, at.sibling, _IOPRIO_IDLE)


@scheduling.add(
    "limit-front",
    "a limit of processor time at which the kernel kills the server",
    seen=look.limit("front", resource.RLIMIT_CPU),
    undo=lambda at, before: _set_limit(at.front, resource.RLIMIT_CPU, before),
)
def limit_front(at: Targets) -> None:
    _, hard = resource.prlimit(at.front, resource.RLIMIT_CPU)
    resource.prlimit(at.front, resource.RLIMIT_CPU, (864_000, hard))


@scheduling.add(
    "starve-front",
    "a limit of open files, at which the server takes no connection",
    seen=look.limit("front", resource.RLIMIT_NOFILE),
    undo=lambda at, before: _set_limit(at.front, resource.RLIMIT_NOFILE, before),
)
def starve_front(at: Targets) -> None:
    _one_file_less(at.front)


@scheduling.add(
    "limit-sibling",
    "a limit of open files of a session",
    seen=look.limit("sibling", resource.RLIMIT_NOFILE),
    undo=lambda at, before: _set_limit(at.sibling, resource.RLIMIT_NOFILE, before),
)
def limit_sibling(at: Targets) -> None:
    _one_file_less(at.sibling)


@scheduling.add(
    "offer-front",
    "have the kernel kill the server first when memory is short",
    seen=look.text_of("front", "oom_score_adj"),
    rule=FILES_WRITE,
    silent=True,  # the server's entries are root's, so the kernel refuses before anybody is asked
    undo=lambda at, before: _write(at.front, "oom_score_adj", before),
)
def offer_front(at: Targets) -> None:
    _write(at.front, "oom_score_adj", "999")


def _one_file_less(pid: int) -> None:
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft - 1, hard))


def _set_limit(pid: int, kind: int, limits: tuple[int, int]) -> None:
    with suppress(OSError):
        resource.prlimit(pid, kind, limits)


def _write(pid: int, name: str, text: str) -> None:
    with open(f"/proc/{pid}/{name}", "w") as file:
        file.write(text)


# ---- signals


@signals.add("stop-sibling", "SIGSTOP to a session", seen=look.state("sibling"), undo=_goes_on("sibling"))
def stop_sibling(at: Targets) -> None:
    os.kill(at.sibling, signal.SIGSTOP)


@signals.add("stop-front", "SIGSTOP to the server", seen=look.state("front"), undo=_goes_on("front"))
def stop_front(at: Targets) -> None:
    os.kill(at.front, signal.SIGSTOP)


@signals.add(
    "stop-zygote", "SIGSTOP to what forks sessions", seen=look.state("zygote"), undo=_goes_on("zygote")
)
def stop_zygote(at: Targets) -> None:
    os.kill(_zygote(at), signal.SIGSTOP)


@signals.add(
    "stop-group", "SIGSTOP to a session's group", seen=look.state("sibling"), undo=_goes_on("sibling")
)
def stop_group(at: Targets) -> None:
    os.killpg(at.sibling, signal.SIGSTOP)


@signals.add(
    "pidfd-sibling",
    "SIGSTOP by a descriptor of a session's process",
    seen=look.state("sibling"),
    undo=_goes_on("sibling"),
    silent=True,
)
def pidfd_sibling(at: Targets) -> None:
    descriptor = os.pidfd_open(at.sibling)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGSTOP)
    finally:
        os.close(descriptor)


@signals.add(
    "thread-sibling",
    "SIGSTOP to a thread of a session",
    seen=look.state("sibling"),
    undo=_goes_on("sibling"),
    silent=True,
)
def thread_sibling(at: Targets) -> None:
    call("tgkill", at.sibling, at.sibling, int(signal.SIGSTOP))


@signals.add(
    "queue-sibling",
    "SIGSTOP with a word to a session",
    seen=look.state("sibling"),
    undo=_goes_on("sibling"),
    silent=True,
)
def queue_sibling(at: Targets) -> None:
    about = ctypes.create_string_buffer(128)
    ctypes.memmove(about, b"".join(n.to_bytes(4, "little", signed=True) for n in (19, 0, _SI_QUEUE)), 12)
    call("rt_tgsigqueueinfo", at.sibling, at.sibling, int(signal.SIGSTOP), ctypes.addressof(about))


@signals.add(
    "owner-sibling",
    "have the kernel signal a session as the owner of a socket",
    seen=look.state("sibling"),
    silent=True,
)
def owner_sibling(at: Targets) -> None:
    ours, other = socket.socketpair()
    with ours, other:
        fcntl.fcntl(ours, fcntl.F_SETOWN, at.sibling)
        fcntl.fcntl(ours, _F_SETSIG, int(signal.SIGKILL))
        fcntl.fcntl(ours, fcntl.F_SETFL, fcntl.fcntl(ours, fcntl.F_GETFL) | os.O_ASYNC)
        other.send(b"!")
        time.sleep(0.02)


@signals.add("kill-sibling", "SIGKILL to a session", seen=look.state("sibling"))
def kill_sibling(at: Targets) -> None:
    os.kill(at.sibling, signal.SIGKILL)


@signals.add(
    "daemon-kills", "SIGKILL to a session from a child that left", seen=look.state("sibling"), silent=True
)
def daemon_kills(at: Targets) -> None:
    in_child(lambda: _as_daemon(at.sibling))


@signals.add("kill-zygote", "SIGKILL to what forks sessions", seen=look.state("zygote"))
def kill_zygote(at: Targets) -> None:
    os.kill(_zygote(at), signal.SIGKILL)


@signals.add("kill-front", "SIGKILL to the server", seen=look.state("front"))
def kill_front(at: Targets) -> None:
    os.kill(at.front, signal.SIGKILL)


@signals.add("kill-all", "SIGTERM to every process there is", seen=look.state("sibling"))
def kill_all(at: Targets) -> None:
    if not at.alone:
        raise NotHere("the server shares its PID namespace with others")
    os.kill(-1, signal.SIGTERM)


def _zygote(at: Targets) -> int:
    if not at.zygote:
        raise NotHere("these sessions were not forked")
    return at.zygote


def _as_daemon(victim: int) -> None:
    os.setsid()
    in_child(lambda: os.kill(victim, signal.SIGKILL))
