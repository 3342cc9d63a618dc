"""``bulkhead top``: like htop, by session."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from runtime.cli.options import Room, Url
from runtime.cli.session.profile import listed
from runtime.cli.session.top import screen

if TYPE_CHECKING:
    from runtime.cli.api import Api

_PROFILE_S: Final = 10
_ENTER: Final = "\x1b[?1049h\x1b[?25l"
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_LINES: Final = 500


def top(
    room: Room = None,
    every: Annotated[float, typer.Option("--every", min=0.2, help="Seconds between two looks.")] = 1.0,
    url: Url = None,
) -> int:
    """Watch sessions as they run, and look into one or end it.

    Keys: arrows choose, Enter details, s stacks, p a profile of 10 s, l log, f freeze or thaw, k kill,
    o the next order, q quit.
    """
    from runtime.cli.api import find_server
    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.cli.keys import Keys

    api = find_server(url)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        cure = "Run it in a terminal, or use `bulkhead ps`."
        raise CommandFailed("top needs a terminal", cure=cure, exit_code=ExitCode.USAGE)
    with Keys() as keys:
        sys.stdout.write(_ENTER)
        try:
            Top(api, room, draw=_draw, size=_size).run(keys.wait, every)
        finally:
            sys.stdout.write(_LEAVE)
            sys.stdout.flush()
    return ExitCode.OK


class Top:
    """What is shown, and what each key does.

    Args:
        draw: Shows these lines in the place of the last ones.
        size: Columns and lines that there are.
    """

    def __init__(
        self,
        api: Api,
        room: str | None,
        *,
        draw: Callable[[Sequence[str]], None],
        size: Callable[[], tuple[int, int]],
    ) -> None:
        self._api, self._room, self._draw, self._size = api, room, draw, size
        self._rates = screen.Rates()
        self._shares: dict[str, float] = {}
        self._workers: list[Mapping[str, Any]] = []
        self._chosen = ""
        self._by = screen.SORTS[0]
        self._told = ""
        self._page: tuple[str, str] | None = None
        self._top = 0
        self._killing = ""
        self._profile: tuple[str, str] | None = None

    def run(self, key_within: Callable[[float], str], every: float) -> None:
        """Until somebody quits."""
        due = 0.0
        while True:
            if time.monotonic() >= due:
                due = time.monotonic() + every
                self._look()
            self._show()
            key = key_within(max(0.0, due - time.monotonic()))
            if key and not self.press(key):
                return

    def press(self, key: str) -> bool:
        """Do what a key stands for; False where that is to quit."""
        if self._killing:
            self._answered(key)
            return True
        if key in ("q", "\x03"):
            return False
        if self._page is not None:
            if key in ("esc", "\x7f"):
                self._page = None
            else:
                lines, (_, height) = len(self._page[1].splitlines()), self._size()
                self._top = screen.page_top(key, self._top, lines=lines, height=height)
            return True
        self._told = ""
        if key == "o":
            self._by = screen.SORTS[(screen.SORTS.index(self._by) + 1) % len(screen.SORTS)]
            self._order()
        elif key in ("up", "down", "pageup", "pagedown", "home", "end"):
            self._move(key)
        elif self._workers:
            self._act(key, self._workers[self._at()])
        return True

    def _act(self, key: str, one: Mapping[str, Any]) -> None:
        session, name = one["id"], one.get("identity") or one["endpoint"]
        if key == "k":
            self._killing, self._told = session, f"Kill {name} ({session})? What it does is lost.  y / n"
        elif key == "f":
            what = "thaw" if one.get("frozen") else "freeze"
            self._ask(lambda: self._api.post(f"/workers/{session}/{what}", {}), f"{what}: {session}")
            self._look()
        elif key == "s":
            self._open(f"stacks of {name}", lambda: str(self._api.get(f"/workers/{session}/stacks")))
        elif key == "l":
            self._open(f"log of {name}", lambda: self._log(session))
        elif key == "\n":
            self._open(session, lambda: screen.details(self._api.get(f"/workers/{session}")))
        elif key == "p" and self._profile is None:
            self._told = f"Looking at {name} for {_PROFILE_S} s…"
            self._profile = (name, "")
            threading.Thread(target=self._profiled, args=(session, name), daemon=True).start()

    def _answered(self, key: str) -> None:
        session, self._killing, self._told = self._killing, "", ""
        if key == "y":
            self._ask(lambda: self._api.delete(f"/workers/{session}?grace_s=0"), f"killed {session}")
            self._look()

    def _ask(self, ask: Callable[[], Any], done: str) -> None:
        from runtime.cli.failure import CommandFailed

        try:
            ask()
            self._told = done
        except CommandFailed as error:
            self._told = str(error)

    def _open(self, title: str, read: Callable[[], str]) -> None:
        def ask() -> None:
            self._page, self._top = (title, read()), 0

        self._ask(ask, "")

    def _log(self, session: str) -> str:
        lines = self._api.get(f"/workers/{session}/logs")["lines"]
        return "\n".join(f"{line['at'][11:19]} {line['text']}" for line in lines[-_LINES:])

    def _profiled(self, session: str, name: str) -> None:
        from runtime.cli.api import Api
        from runtime.cli.failure import CommandFailed

        api = Api(self._api.url, self._api.token, timeout_s=_PROFILE_S + 40.0)
        try:
            found = api.get(f"/workers/{session}/profile?seconds={_PROFILE_S}")
            self._profile = (f"profile of {name}", "\n".join(listed(found, most=40)))
        except CommandFailed as error:
            self._profile = (f"profile of {name}", str(error))

    def _look(self) -> None:
        from runtime.cli.failure import CommandFailed

        try:
            found = self._api.get("/workers")["workers"]
        except CommandFailed as error:
            self._told = str(error)
            return
        self._workers = [one for one in found if self._room in (None, one["room"])]
        self._shares = self._rates.take(self._workers, time.monotonic())
        self._order()

    def _order(self) -> None:
        self._workers = screen.ordered(self._workers, self._shares, self._by)
        if self._workers and self._chosen not in [one["id"] for one in self._workers]:
            self._chosen = self._workers[0]["id"]  # and stays it, wherever the order moves it

    def _at(self) -> int:
        ids = [one["id"] for one in self._workers]
        return ids.index(self._chosen) if self._chosen in ids else 0

    def _move(self, key: str) -> None:
        _, height = self._size()
        by = {"up": -1, "down": 1, "pageup": 5 - height, "pagedown": height - 5, "home": -(1 << 30)}
        at = max(0, min(self._at() + by.get(key, 1 << 30), len(self._workers) - 1))
        if self._workers:
            self._chosen = self._workers[at]["id"]

    def _show(self) -> None:
        width, height = self._size()
        if self._profile is not None and self._profile[1]:
            self._page, self._top, self._profile, self._told = self._profile, 0, None, ""
        if self._page is not None:
            title, text = self._page
            self._draw(screen.page(title, text, top=self._top, width=width, height=height))
            return
        self._draw(
            screen.table(
                self._workers,
                self._shares,
                at=self._at(),
                by=self._by,
                told=self._told,
                width=width,
                height=height,
            )
        )


def _size() -> tuple[int, int]:
    columns, lines = shutil.get_terminal_size((80, 24))
    return columns, lines


def _draw(lines: Sequence[str]) -> None:
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    shown = [f"\x1b[7m{line}\x1b[0m" if line.startswith(">") and not plain else line for line in lines]
    sys.stdout.write("\x1b[H" + "\x1b[K\r\n".join(shown) + "\x1b[K\x1b[J")
    sys.stdout.flush()
