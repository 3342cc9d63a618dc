"""Take the screenshots of Studio that README.md and the documentation show, of a real server and real agents.

    make screenshots

It needs Debian's chromium, as the tests of Studio do, and takes about a minute.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import expect, sync_playwright

from tests.studio.conftest import HERE, ROOM, ROOT, Studio, chromium, serving

OUT = Path(__file__).resolve().parent / "pages" / "studio"
SIZE = {"width": 1280, "height": 800}
MAX_BYTES = 150_000
CURVES_S = 45
QUESTIONS = ("hello", "What time is it in Tokyo?", "Convert 5 km to miles, please.")


def main() -> int:
    """Write the pictures into pages/studio; the status says whether each is small enough."""
    with (
        tempfile.TemporaryDirectory(prefix="bulkhead-") as folder,
        serving(Path(folder), [agents(Path(folder))], **KNOBS) as studio,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(**chromium())
        crash = populate(studio)
        page = window(browser, studio)
        talk(page)
        page.wait_for_timeout(CURVES_S * 1000)  # curves want something to show
        page.context.close()
        for scheme in ("light", "dark"):
            page = window(browser, studio, color_scheme=scheme)
            for name, path in {
                "room": f"/studio/rooms/{ROOM}?to=chatbot",
                "crash": f"/studio/sessions/{crash}/crash",
                "sessions": "/studio/sessions",
                "overview": "/studio/",
            }.items():
                page.goto(path)
                expect(page.get_by_text("Live", exact=True)).to_be_visible()
                if name == "room":
                    expect(page.get_by_role("article", name="chatbot said")).to_have_count(len(QUESTIONS))
                page.wait_for_timeout(1500)
                page.screenshot(path=OUT / f"{name}-{scheme}.png")
            page.context.close()
        browser.close()
    sizes = {path.name: path.stat().st_size for path in sorted(OUT.glob("*.png"))}
    print("\n".join(f"{size:>8} {name}" for name, size in sizes.items()))
    return int(any(size > MAX_BYTES for size in sizes.values()))


KNOBS: dict[str, Any] = {"supervisor__restart": "never"}


def agents(folder: Path) -> str:
    """The examples, and one that fails, in a folder whose name says nothing of whose machine this is."""
    copied = shutil.copytree(ROOT / "agents", folder / "agents")
    shutil.copy(HERE / "agents" / "fragile.py", copied)
    return str(copied)


def window(browser: Any, studio: Studio, **options: Any) -> Any:
    """A page of somebody called Ada."""
    context = browser.new_context(base_url=studio.url, viewport=SIZE, reduced_motion="reduce", **options)
    context.add_init_script("localStorage.setItem('studio.name', 'Ada')")
    return context.new_page()


def populate(studio: Studio) -> str:
    """Sessions in several rooms, one of which crashes; the id of that one."""
    for room in (ROOM, "support"):
        for endpoint in ("/adder", "/chat", "/helper"):
            studio.join(endpoint, room)
    studio.join("/chat", "sales")
    fragile = studio.join("/fragile", "restaurant")
    studio.crash(fragile)
    studio.until(lambda: studio.ask("GET", "/crashes")["crashes"])
    return str(fragile["id"])


def talk(page: Any) -> None:
    """A short chat in the room."""
    page.goto(f"/studio/rooms/{ROOM}?to=chatbot")
    for count, question in enumerate(QUESTIONS, 1):
        page.get_by_role("textbox", name="Message chatbot").fill(question)
        page.get_by_role("button", name="Send").click()
        answers = page.get_by_role("article", name="chatbot said")
        expect(answers).to_have_count(count)
        expect(answers.last).to_contain_text("Fun fact:")
        expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)


if __name__ == "__main__":
    sys.exit(main())
