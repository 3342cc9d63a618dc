"""The first process of a box: starts its commands, reaps what they leave, and ends with all of it.

``python -I -S shim.py <control> [<held by>]``.  The first descriptor is of a socket whose other end the
server has: what comes is an order and its descriptors, what goes is how a command ended.  When the socket
closes, because the server is gone or wants no more of it, everything here is killed; also when command 0 has
ended: the others were guests.  The second descriptor has what is to hold the box: this process is held before
it takes an order.

What is sent from here is JSON, and read as such: a program of the box may have got hold of this process.

Imports what a bare interpreter has at hand, and beside it only what holds it, so that it is up in a few
milliseconds.
"""

import ctypes
import fcntl
import marshal
import os
import resource
import select
import signal
import socket
import sys
import termios

MAX_ORDER_BYTES = 160 << 10
"""A message has to fit into the buffer of the socket as a whole."""
MAIN = 0
_PR_SET_CHILD_SUBREAPER = 36
_AGAIN_MS = 50


def main(fd: int) -> None:
    """Obey until the socket closes or command 0 ends."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for other in os.listdir("/proc/self/fd"):
        if int(other) > 2 and int(other) != fd:
            try:
                os.close(int(other))
            except OSError:
                pass  # that of the listing
    os.set_inheritable(fd, False)
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, lambda *_: None)
    control = socket.socket(fileno=fd)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    commands: dict[int, int] = {}
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.register(woken, select.POLLIN)
    while True:
        ready = {number for number, _ in poll.poll()}
        if woken in ready:
            os.read(woken, 4096)
            if reap(control, commands):
                break
        if fd in ready and not obey(control, commands):
            break
    end()


def obey(control: socket.socket, commands: dict[int, int]) -> bool:
    """Take one order; False when there will be no more."""
    try:
        data, fds, _, _ = socket.recv_fds(control, MAX_ORDER_BYTES, 3)
    except OSError:
        return False
    if not data:
        return False
    order = marshal.loads(data)
    number = order["id"]
    if order["do"] == "start":
        try:
            pid = start(order, fds)
        except OSError as error:
            send(control, f'{{"id": {number}, "errno": {error.errno or 0}}}')
        else:
            commands[pid] = number
            send(control, f'{{"id": {number}, "started": {pid}}}')
        finally:
            for fd in fds:
                os.close(fd)
    else:
        for pid, known in commands.items():
            if known == number:
                strike(pid, order["signal"])
    return True


def start(order: dict[str, object], fds: list[int]) -> int:
    """Fork and run a program.  Raises OSError when it cannot be run."""
    told, tell = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            try:
                become(order, fds)
            except OSError as error:
                os.write(tell, b"%d" % (error.errno or 1))
            finally:
                os._exit(127)
    finally:
        os.close(tell)
    try:
        failed = os.read(told, 16)
    finally:
        os.close(told)
    if failed:
        os.waitpid(pid, 0)
        raise OSError(int(failed), "")
    return pid


def become(order: dict[str, object], fds: list[int]) -> None:
    """In the child: a session of its own, with default signals, and then the program."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for each in signal.valid_signals():
        if each not in (signal.SIGKILL, signal.SIGSTOP):
            try:
                signal.signal(each, signal.SIG_DFL)
            except (OSError, ValueError):
                pass
    if order["tty"]:
        fcntl.ioctl(fds[0], termios.TIOCSCTTY, 0)
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64) for fd in fds]
    for number, fd in enumerate(high):
        os.dup2(fd, number)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o022)
    os.chdir(order["cwd"])  # type: ignore[arg-type]
    argv, env = order["argv"], order["env"]
    os.execvpe(argv[0], argv, env)  # type: ignore[index,arg-type]


def reap(control: socket.socket, commands: dict[int, int]) -> bool:
    """Bury the dead, and tell of those that were commands; True when command 0 was one."""
    over = False
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return over
        if not pid:
            return over
        number = commands.pop(pid, None)
        if number is not None:
            code = os.waitstatus_to_exitcode(status)
            send(control, f'{{"id": {number}, "code": {code if code >= 0 else 128 - code}}}')
            over = over or number == MAIN


def strike(pid: int, number: int) -> None:
    """Signal a command; if it is to be killed, what stayed in its group as well."""
    # As with a container, only the first process is asked to end: what becomes of the others is its business.
    for kill in (os.killpg, os.kill) if number == signal.SIGKILL else (os.kill,):
        try:
            kill(pid, number)
            kill(pid, signal.SIGCONT)
            return
        except (ProcessLookupError, PermissionError):
            continue


def end() -> None:
    """Kill everything that descends from here: what loses its parent comes to us."""
    while True:
        for pid in children():
            strike(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        select.poll().poll(_AGAIN_MS / 10)


def children() -> list[int]:
    """Processes whose parent we are."""
    with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:
        return [int(word) for word in file.read().split()]


def send(control: socket.socket, text: str) -> None:
    """Tell the server; one that is gone is noticed elsewhere."""
    try:
        control.send(text.encode())
    except OSError:
        pass


def be_held(fd: int) -> None:
    """Enter what the server wrote to a descriptor; ends the process where that cannot be."""
    sys.path.insert(0, os.path.abspath(f"{__file__}/../../../.."))
    from runtime.process.confine import launch, ring

    try:
        ring.enter(launch.read(fd))
    except OSError as error:
        sys.exit(f"confinement: this process cannot be held: {error}")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        be_held(int(sys.argv[2]))
    main(int(sys.argv[1]))
