"""The documentation as a site: it builds without a warning, asks nobody else for anything, fits a phone."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.docs.fences import PAGES, ROOT
from tests.studio.conftest import PATIENCE, chromium

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180 * PATIENCE)]
WIDTHS = (360, 1280)
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//|<link\b[^>]*href=["']?(?:https?:)?//"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    config = ["--config-file", str(ROOT / "docs" / "mkdocs.yml"), "--site-dir", str(folder)]
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", *config],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr[-4000:]
    return folder


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site can be looked at."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    how = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(**how)
        yield launched
        launched.close()


def test_each_page_is_built_and_none_names_a_file_of_another_site(site: Path) -> None:
    built = {path.parent.relative_to(site).as_posix() for path in site.rglob("index.html")}
    written = {
        path.relative_to(PAGES).with_suffix("").as_posix().removesuffix("/index").replace("index", ".")
        for path in PAGES.rglob("*.md")
    }
    assert written <= built
    assert {"reference/changelog", "explanation/architecture"} <= built
    assert [str(path) for path in site.rglob("*.html") if _FETCHED.search(path.read_text())] == []
    assert "fonts.googleapis" not in "".join(path.read_text() for path in site.rglob("*.css"))


def test_the_reference_has_what_the_code_has(site: Path) -> None:
    def page(name: str) -> str:
        return (site / "reference" / name / "index.html").read_text()

    assert "BULKHEAD_SUPERVISOR_MAX_SESSIONS" in page("settings")
    assert "bulkhead quarantine release" in page("commands")
    assert "/workers/{session_id}/stacks" in page("http")
    assert "session.restarting" in page("events")
    assert "bulkhead_webhooks_total" in page("metrics")
    assert "room_unreachable" in page("exit-reasons")
    assert "Agents and tools at webhook paths" in page("sdk")
    assert "broadcast_message" in page("room")
    assert "<!-- generated -->" not in "".join(path.read_text() for path in site.rglob("*.html"))


@pytest.mark.long
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_fits_and_asks_this_site_alone(site: Path, address: str, browser: Any, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, reduced_motion="reduce")
    page = context.new_page()
    asked: set[str] = set()
    failed: list[str] = []
    page.on("request", lambda request: asked.add(request.url))
    page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
    page.on("console", lambda message: failed.append(message.text) if message.type == "error" else None)
    wide = []
    # The wide screen has room for all but tables.
    for path in sorted(site.rglob("index.html" if width < 1000 else "reference/*/index.html")):
        page.goto(f"{address}/{path.parent.relative_to(site).as_posix()}/")
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if over > 0:
            wide.append((path.parent.relative_to(site).as_posix(), over))
    context.close()
    assert wide == []
    assert failed == []
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def test_one_can_find_the_way_on_a_phone(address: str, browser: Any) -> None:
    from playwright.sync_api import expect

    context = browser.new_context(viewport={"width": 360, "height": 740}, base_url=address, has_touch=True)
    page = context.new_page()
    page.goto("/guides/limits/")
    page.locator("label.md-header__button[for=__drawer]").tap()
    link = page.locator(".md-nav--primary").get_by_role("link", name="Threads and storage")
    expect(link).to_be_visible()
    link.tap()
    expect(page.get_by_role("heading", name="Threads and storage")).to_be_visible()
    # A long line of code scrolls in its own box.
    boxes = page.evaluate(
        "[...document.querySelectorAll('pre > code')].map(one => one.scrollWidth > one.clientWidth)"
    )
    assert any(boxes)
    context.close()


def test_one_can_find_the_way(address: str, browser: Any) -> None:
    from playwright.sync_api import expect

    context = browser.new_context(viewport={"width": 1280, "height": 800}, base_url=address)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("link", name="Tutorial").first.click()
    page.get_by_role("link", name="The first agent").first.click()
    expect(page.get_by_role("heading", name="The first agent")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("hang_kill_s", delay=20)
    expect(page.locator(".md-search-result__item").first).to_be_visible(timeout=20_000 * PATIENCE)
    context.close()


@pytest.mark.parametrize("page", ["reference/exit-reasons", "explanation/benchmarks"])
def test_tables_fit_a_phone_without_scrolling_sideways(address: str, browser: Any, page: str) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, base_url=address)
    shown = context.new_page()
    shown.goto(f"/{page}/")
    right = (
        "() => [...document.querySelectorAll('.md-typeset table')].map(t => t.getBoundingClientRect().right)"
    )
    edges = shown.evaluate(right)
    assert edges
    assert max(edges) <= 360
    context.close()
