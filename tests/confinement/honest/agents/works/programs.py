"""Everyday things, each a function that raises when it does not work.

They take the session's event loop, whose thread is the main one; they run in another.
"""

import asyncio
import base64
import concurrent.futures
import ctypes
import fcntl
import hashlib
import http.server
import importlib.util
import json
import logging.handlers
import mmap
import multiprocessing
import multiprocessing.shared_memory
import os
import pty
import resource
import select
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.request
import zipfile
from pathlib import Path

PROGRAMS = {}


class Missing(Exception):
    """What it needs is not on this machine."""


def everyday(program):
    PROGRAMS[program.__name__] = program
    return program


def need(tool):
    found = shutil.which(tool)
    if found is None:
        raise Missing(f"{tool} is not here")
    return found


def run(*argv, **more):
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=40, **more)
    if ran.returncode:
        raise RuntimeError(
            f"{argv[0]} {argv[1:3]}: status {ran.returncode}: {ran.stdout[-200:]} {ran.stderr[-400:]}"
        )
    return ran.stdout


def in_loop(loop, coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)


def scratch():
    return Path(tempfile.mkdtemp())


def same(found, expected):
    if found != expected:
        raise AssertionError(f"{found!r} is not {expected!r}")


# ---- processes


@everyday
def asyncio_subprocess(loop):
    async def work():
        child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
        out, _ = await child.communicate(b"hello")
        return out

    same(in_loop(loop, work()), b"hello")


@everyday
def asyncio_shell(loop):
    async def work():
        child = await asyncio.create_subprocess_shell("printf 'b\\na\\n' | sort | head -1", stdout=-1)
        return (await child.communicate())[0]

    same(in_loop(loop, work()), b"a\n")


@everyday
def own_child_is_killed(loop):
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    child.send_signal(signal.SIGSTOP)
    child.send_signal(signal.SIGCONT)
    os.killpg(child.pid, signal.SIGTERM)
    same(child.wait(10), -15)


@everyday
def fork_and_wait(loop):
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    same(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 7)


@everyday
def a_daemon_of_its_own(loop):
    path = scratch() / "told"
    run("sh", "-c", f"setsid sh -c 'echo up > {path}' & wait")
    same(path.read_text(), "up\n")


@everyday
def threads(loop):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        same(sum(pool.map(lambda n: n * n, range(10))), 285)


def _square(n):
    return n * n


@everyday
def process_pool(loop):
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        same(list(pool.map(_square, [2, 3])), [4, 9])


@everyday
def spawned_process(loop):
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        same(pool.map(_square, [4]), [16])


@everyday
def lock_queue_and_event(loop):
    with multiprocessing.Lock():
        pass
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=queue.put, args=["hello"])
    child.start()
    same(queue.get(timeout=10), "hello")
    child.join(10)


@everyday
def shared_memory(loop):
    held = multiprocessing.shared_memory.SharedMemory(create=True, size=100)
    other = multiprocessing.shared_memory.SharedMemory(held.name)
    held.buf[0] = 5
    same(other.buf[0], 5)
    other.close()
    held.close()
    held.unlink()


@everyday
def limits_and_turns_of_its_own(loop):
    os.nice(1)
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE)
    run("nice", "-n", "1", "true")


@everyday
def looks_at_itself(loop):
    import psutil

    child = subprocess.Popen(["sleep", "60"])
    me = psutil.Process()
    same([one.pid for one in me.children()].count(child.pid), 1)
    me.memory_full_info()
    me.open_files()
    me.environ()
    psutil.Process(child.pid).environ()
    psutil.cpu_percent()
    psutil.virtual_memory()
    child.kill()
    child.wait()


@everyday
def handles_signals(loop):
    seen = threading.Event()

    async def work():
        loop.add_signal_handler(signal.SIGUSR2, seen.set)
        os.kill(os.getpid(), signal.SIGUSR2)
        await asyncio.sleep(0.05)
        loop.remove_signal_handler(signal.SIGUSR2)

    in_loop(loop, work())
    same(seen.is_set(), True)


@everyday
def terminal(loop):
    leader, follower = pty.openpty()
    os.ttyname(follower)
    child = subprocess.Popen(["sh", "-c", "tty; stty size"], stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    child.wait(10)
    same(os.read(leader, 100).startswith(b"/dev/pts/"), True)
    os.close(leader)


@everyday
def terminal_with_a_shell(loop):
    import termios

    pid, leader = pty.fork()
    if pid == 0:
        os.execvp("sh", ["sh", "-c", "echo from a terminal > /dev/tty"])
    termios.tcgetattr(leader)
    same(b"from a terminal" in os.read(leader, 100), True)
    os.waitpid(pid, 0)
    os.close(leader)


# ---- sockets


@everyday
def unix_server(loop):
    path = str(scratch() / "s")

    async def work():
        async def answer(reader, writer):
            writer.write(await reader.readline())
            writer.close()

        async with await asyncio.start_unix_server(answer, path):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"hello\n")
            got = await reader.readline()
            writer.close()
            return got

    same(in_loop(loop, work()), b"hello\n")


@everyday
def tcp_server(loop):
    async def work():
        async def answer(reader, writer):
            writer.write(await reader.readline())
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            got = await reader.readline()
            writer.close()
            return got

    same(in_loop(loop, work()), b"hello\n")


class _Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"page")

    def log_message(self, *_):
        pass


@everyday
def http_server_and_client(loop):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        same(
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10).read(), b"page"
        )
        if shutil.which("curl"):
            same(run("curl", "-s", "--noproxy", "*", url), "page")
        server.shutdown()


@everyday
def datagrams(loop):
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.send(b"x")
    same(two.recv(10), b"x")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.sendto(b"y", udp.getsockname())
        same(udp.recv(10), b"y")


@everyday
def names(loop):
    same(any(one[4][0] in ("127.0.0.1", "::1") for one in socket.getaddrinfo("localhost", 80)), True)

    async def work():
        return await asyncio.get_running_loop().getaddrinfo("localhost", 80)

    same(bool(in_loop(loop, work())), True)
    socket.gethostname()
    socket.if_nameindex()


@everyday
def certificates(loop):
    context = ssl.create_default_context()
    same(context.verify_mode, ssl.CERT_REQUIRED)


@everyday
def descriptors_over_a_socket(loop):
    one, two = socket.socketpair()
    with tempfile.TemporaryFile() as made:
        socket.send_fds(one, [b"x"], [made.fileno()])
    _, fds, _, _ = socket.recv_fds(two, 10, 1)
    os.write(fds[0], b"through")
    os.close(fds[0])


# ---- files


@everyday
def database(loop):
    with sqlite3.connect(scratch() / "data.db") as held:
        held.execute("pragma journal_mode=wal")
        held.execute("create table t (x)")
        held.executemany("insert into t values (?)", [(n,) for n in range(100)])
        held.commit()
        same(held.execute("select count(*) from t").fetchone(), (100,))
        held.execute("vacuum")


@everyday
def temporary_files(loop):
    with tempfile.NamedTemporaryFile() as named, tempfile.TemporaryFile() as unnamed:
        named.write(b"x")
        unnamed.write(b"x")
    with tempfile.TemporaryDirectory() as folder, tempfile.SpooledTemporaryFile(1) as spooled:
        Path(folder, "x").touch()
        spooled.write(b"more than one")
    run("sh", "-c", "f=$(mktemp) && echo x > $f && rm $f")


@everyday
def a_home(loop):
    cache = Path.home() / ".cache" / "some-library"
    cache.mkdir(parents=True)
    (cache / "config.json").write_text("{}")
    run("sh", "-c", "echo x > ~/.profile-of-mine && cat ~/.profile-of-mine")


@everyday
def copies_and_moves(loop):
    folder = scratch()
    (folder / "a").mkdir()
    (folder / "a" / "x").write_text("x")
    os.chmod(folder / "a" / "x", 0o755)
    os.utime(folder / "a" / "x", (1, 1))
    shutil.copytree(folder / "a", folder / "b")
    shutil.move(folder / "b", folder / "c")
    os.symlink("a", folder / "link")
    os.link(folder / "a" / "x", folder / "hard")
    os.replace(folder / "hard", folder / "replaced")
    os.mkfifo(folder / "pipe")
    shutil.rmtree(folder)


@everyday
def locked_files(loop):
    with open(scratch() / "lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        fcntl.lockf(held, fcntl.LOCK_EX)


@everyday
def mapped_files(loop):
    with open(scratch() / "mapped", "w+b") as held:
        held.truncate(4096)
        with mmap.mmap(held.fileno(), 4096) as view:
            view[:5] = b"hello"
    descriptor = os.memfd_create("x")
    os.write(descriptor, b"x")
    os.close(descriptor)


@everyday
def rotated_logs(loop):
    handler = logging.handlers.RotatingFileHandler(scratch() / "log", maxBytes=50, backupCount=2)
    for _ in range(10):
        handler.emit(logging.LogRecord("n", 20, "", 0, "a line of some length", (), None))
    handler.close()


@everyday
def watched_files(loop):
    folder = scratch()
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    same(libc.inotify_add_watch(descriptor, str(folder).encode(), 0x100) > 0, True)
    (folder / "made").touch()
    same(b"made" in os.read(descriptor, 1000), True)
    os.close(descriptor)


@everyday
def waits_in_the_kernel(loop):
    with select.epoll() as polled:
        one, two = os.pipe()
        polled.register(one, select.EPOLLIN)
        os.write(two, b"x")
        same(polled.poll(1), [(one, select.EPOLLIN)])
        os.close(one)
        os.close(two)
    if hasattr(os, "eventfd"):
        os.close(os.eventfd(1))
    os.close(os.pidfd_open(os.getpid()))


@everyday
def archives(loop):
    folder = scratch()
    (folder / "a").mkdir()
    (folder / "a" / "x").write_text("x")
    run(need("tar"), "-czf", str(folder / "a.tar.gz"), "-C", str(folder), "a")
    run("tar", "-xpzf", str(folder / "a.tar.gz"), "-C", str(scratch()))
    with tarfile.open(folder / "a.tar.gz") as held:
        held.extractall(scratch(), filter="data")
    with zipfile.ZipFile(folder / "a.zip", "w") as held:
        held.write(folder / "a" / "x", "x")


@everyday
def reads_its_own_program(loop):
    same("everyday" in Path(__file__).read_text(), True)
    same("main.py" in os.listdir(Path(__file__).parent), True)
    same("A_KEY" in Path(__file__).with_name(".env").read_text(), True)
    same(os.environ["A_KEY"], "secret")


@everyday
def module_that_it_wrote(loop):
    path = scratch() / "written.py"
    path.write_text("answer = 42")
    spec = importlib.util.spec_from_file_location("written", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    same(module.answer, 42)
    import zoneinfo

    hashlib.new("sha256", base64.b64encode(b"x"))
    zoneinfo.available_timezones()


@everyday
def script_that_it_wrote(loop):
    path = scratch() / "script"
    path.write_text("#!/bin/sh\necho ran\n")
    path.chmod(0o755)
    same(run(str(path)), "ran\n")


# ---- tools


@everyday
def shell_with_named_pipes(loop):
    same(run(need("bash"), "-c", "cat <(echo one) <(echo two); cat <<< three"), "one\ntwo\nthree\n")


@everyday
def git(loop):
    need("git")
    folder = scratch()
    (folder / "repo").mkdir()
    env = {**os.environ, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
           "GIT_COMMITTER_EMAIL": "a@b"}  # fmt: skip
    (folder / "repo" / "file").write_text("x")
    for argv in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "m"], ["gc", "-q"], ["status"]):
        run("git", *argv, cwd=folder / "repo", env=env)
    run("git", "config", "--global", "user.name", "me")
    run("git", "clone", "-q", str(folder / "repo"), str(folder / "clone"), env=env)
    same((folder / "clone" / "file").read_text(), "x")


@everyday
def pip_installs_a_wheel(loop):
    folder = scratch()
    wheel = folder / "tiny-1.0-py3-none-any.whl"
    about = "tiny-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as held:
        held.writestr("tiny.py", "answer = 42\n")
        held.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        held.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        held.writestr(f"{about}/RECORD", "")
    if importlib.util.find_spec("pip") is None:
        raise Missing("pip is not here")
    run(sys.executable, "-m", "pip", "install", "-q", "--no-index", "--disable-pip-version-check",
        "--target", str(folder / "packages"), str(wheel))  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(folder / "packages")}
    same(run(sys.executable, "-c", "import tiny; print(tiny.answer)", env=env), "42\n")


@everyday
def virtual_environment(loop):
    folder = scratch() / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    same(run(str(folder / "bin" / "python"), "-c", "print(1)"), "1\n")


@everyday
def numbers(loop):
    try:
        import numpy
    except ImportError as error:
        raise Missing("numpy is not here") from error

    same(float((numpy.ones((200, 200)) @ numpy.ones((200, 200)))[0, 0]), 200.0)
    numpy.save(scratch() / "x.npy", numpy.arange(10))


@everyday
def compiles_and_runs(loop):
    folder = scratch()
    (folder / "a.c").write_text("int main(void) { return 0; }\n")
    run(need("gcc"), "-o", str(folder / "a"), str(folder / "a.c"))
    run(str(folder / "a"))


@everyday
def node(loop):
    same(run(need("node"), "-e", "console.log(require('fs').readdirSync('.').length >= 0)"), "true\n")


@everyday
def child_that_is_asked_by_json(loop):
    code = "import sys, json\nfor line in sys.stdin: print(json.dumps(json.loads(line)), flush=True)"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True)
    for number in range(3):
        child.stdin.write(json.dumps({"id": number}) + "\n")
        child.stdin.flush()
        same(json.loads(child.stdout.readline()), {"id": number})
    child.stdin.close()
    same(child.wait(10), 0)


@everyday
def browser(loop):
    chromium = shutil.which("chromium") or need("chromium-browser")
    page = scratch() / "page.html"
    page.write_text("<p id=p></p><script>p.textContent = 6 * 7</script>")
    out = run(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri())
    same(">42<" in out, True)
