"""A real server with the example agents, and a real browser in front of it.

The browser is the chromium of the distribution; where there is none the tests are skipped, and say so.
Whatever a page complains of while a test runs (an error on its console, something its content security
policy forbade, an exception, a dialog, a request to another site) fails that test.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KEPT = ("PATH", "LANG", "TMPDIR", "BULKHEAD_SUPERVISOR_IMMORTAL")
ROOM = "demo"
DEADLINE_S = 20.0 * PATIENCE
_TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser and a server take their time where much else runs; each wait has a deadline of its own."""
    here = f"{HERE}{os.sep}"
    for item in items:
        if str(item.path).startswith(here) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(180 * PATIENCE))


@dataclass
class Studio:
    """A server whose Studio is looked at; it can be ended and started again at the same address."""

    folder: Path
    sources: list[str]
    flags: dict[str, Any]
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, and return once it takes calls."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        more = {"HOME": str(self.folder), "PYTHONPATH": str(ROOT), "BULKHEAD_LOG_FORMAT": "json"}
        more["BULKHEAD_OFFLINE_DELAY_MS"] = "2"
        flags = {"server.port": self.port, "server.state_dir": str(self.folder / "state"), **self.flags}
        work = json.dumps({"flags": flags, "sources": self.sources})
        (self.folder / "state" / "server.json").unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "runtime.front", work],
                cwd=ROOT,
                env={**kept, **more},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        known = self.folder / "state" / "server.json"
        self.until(lambda: known.exists() and self._is_ready(json.loads(known.read_text())["url"]))

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it as a terminal would, and everything that it started."""
        process, self.process = self.process, None
        if process is None:
            return
        try:
            process.send_signal(number)
            process.wait(DEADLINE_S)
        finally:
            # It leads its own group, so nothing of it is left even when it would not end.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def until(self, done: Callable[[], Any]) -> Any:
        """Ask again and again for what is to come about; what was answered at last."""
        deadline = time.monotonic() + DEADLINE_S
        while not (found := done()):
            assert self.process is not None
            assert self.process.poll() is None, f"the server ended:\n{self.told()}"
            assert time.monotonic() < deadline, f"it never came about:\n{self.told()}"
            time.sleep(0.03)
        return found

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def told(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """A request of the operator API; its answer, which must be a good one."""
        status, raw = self._exchange(method, path, body, headers)
        assert status < 400, f"{method} {path}: {status} {raw[:500]!r}"
        return json.loads(raw) if raw else None

    def join(self, endpoint: str, room: str, **arguments: Any) -> dict[str, Any]:
        """Call an agent into a room; its session, which is ready."""
        call = {"event": "room.call", "data": {"room_name": room, "arguments": arguments}}
        session = self.ask("POST", endpoint, call, Prefer="wait=20")["session"]
        return dict(self.ask("GET", f"/workers/{session}"))

    def ready(self, identity: str, room: str = ROOM) -> dict[str, Any]:
        """The session of an agent, once it is ready."""

        def found() -> dict[str, Any] | None:
            for worker in self.ask("GET", "/workers")["workers"]:
                if (worker["identity"], worker["room"], worker["state"]) == (identity, room, "ready"):
                    return dict(worker)
            return None

        worker: dict[str, Any] = self.until(found)
        return worker

    def is_loaded(self) -> bool:
        """Whether no program is being loaded any more; calls are taken before that."""
        bundles = self.ask("GET", "/workers")["bundles"]
        return bool(bundles) and all(bundle["state"] != "loading" for bundle in bundles)

    def crash(self, worker: dict[str, Any], number: int = signal.SIGUSR2) -> None:
        """Make a session fail; the agent in `agents/fragile.py` raises at SIGUSR2."""
        os.kill(worker["pid"], number)

    def _is_ready(self, url: str) -> bool:
        self.port = int(url.rstrip("/").rpartition(":")[2])
        try:
            return self._exchange("GET", "/readyz", None, {})[0] == 200
        except OSError:
            return False

    def _exchange(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextmanager
def serving(folder: Path, sources: list[str] | None = None, **settings: Any) -> Iterator[Studio]:
    """A server for the time of a ``with``; `settings` as ``supervisor__restart_first_s=0``."""
    folder.joinpath("state").mkdir(parents=True)
    flags = {"server.watch": False, "server.drain_s": 0.0, "server.chaos": True}
    flags["supervisor.quarantine_deaths"] = 1  # of calls that bring arguments along; others are never parked
    flags |= {name.replace("__", "."): value for name, value in settings.items()}
    studio = Studio(folder, sources or [str(ROOT / "agents"), str(HERE / "agents")], flags)
    try:
        studio.start()
        yield studio
    finally:
        studio.stop()


# Of a module, not of the session: it must not live on beside tests whose front takes every child for its own.
@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A server with every agent called into the room ``demo``."""
    with serving(tmp_path_factory.mktemp("studio"), server__room=ROOM) as server:
        server.until(server.is_loaded)
        for endpoint in server.ask("GET", "/workers")["endpoints"]:
            server.ready(endpoint["identity"])
        yield server


def chromium() -> dict[str, Any]:
    """How to launch the browser; skips where there is none."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("STUDIO NOT TESTED: no chromium was found (apt-get install chromium, or set CHROMIUM)")
    # Its own sandbox needs rights that root and many containers have not; it is shown our pages alone.
    # /dev/shm is small in a container.
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
    # Each window would have pages of its own for what an address bar nobody types into may show: half of what
    # the browser costs.  The rest asks servers of its makers; this takes the place of Playwright's own list.
    unwanted = "WebUIOmniboxPopup,WebUIOmniboxAimPopup,OptimizationHints,MediaRouter,HttpsUpgrades"
    arguments.append(f"--disable-features={unwanted}")
    return {"executable_path": found, "args": arguments}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, without a window."""
    how = chromium()
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=DEADLINE_S * 1000)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(**how)
        try:
            yield found
        finally:
            found.close()


@dataclass
class Visits:
    """Windows onto a Studio, each a browser of its own as far as cookies and storage go.

    Attributes:
        troubles: What pages complained of; what matches one of `forgiven` is left out.
    """

    browser: Any
    troubles: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)
    _contexts: list[Any] = field(default_factory=list)

    def __call__(self, studio: Studio, path: str = "/studio/", **options: Any) -> Any:
        """Open a page in a new window; `options` are those of a browser context."""
        context = self.browser.new_context(base_url=studio.url, **{"reduced_motion": "reduce", **options})
        self._contexts.append(context)
        context.set_default_timeout(DEADLINE_S * 1000)
        context.add_init_script(_TELL_VIOLATIONS)
        if "extra_http_headers" in options:  # those of a context are not sent by the workers of its pages
            context.add_init_script("delete window.SharedWorker")
        page = context.new_page()
        page.on("console", lambda said: said.type == "error" and self._note(f"console: {said.text}"))
        page.on("pageerror", lambda error: self._note(f"exception: {error}"))
        page.on("request", lambda request: self._leaves(studio, request.url))
        page.on("dialog", self._dismiss)
        page.goto(path)
        return page

    def forgive(self, pattern: str) -> None:
        """Let pages complain of this from now on."""
        self.forgiven.append(pattern)

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _note(self, trouble: str) -> None:
        if not any(re.search(pattern, trouble) for pattern in self.forgiven):
            self.troubles.append(trouble)

    def _leaves(self, studio: Studio, url: str) -> None:
        if not url.startswith((f"{studio.url}/", f"ws{studio.url[4:]}/", "data:", "blob:")):
            self._note(f"request to {url}")

    def _dismiss(self, dialog: Any) -> None:
        self._note(f"dialog: {dialog.message}")
        dialog.dismiss()


@pytest.fixture
def visit(browser: Any) -> Iterator[Visits]:
    """``page = visit(studio, "/studio/sessions")``."""
    visits = Visits(browser)
    yield visits
    visits.close()
    assert not visits.troubles, "pages complained:\n" + "\n".join(visits.troubles)


@pytest.fixture
def expect() -> Any:
    """Playwright's assertions, which wait for what they assert."""
    from playwright.sync_api import expect

    return expect
