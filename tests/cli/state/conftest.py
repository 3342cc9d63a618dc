"""A state folder as a server leaves it: a session, a crash, a room with a file, a secret."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.clock import SystemClock
from runtime.front.access.rules import LOCAL_PROJECT
from runtime.front.home.sealing_key import seal_of
from runtime.rooms.hub import RoomHub
from runtime.services.store import Store
from runtime.session.crash import Code, CrashReport
from runtime.session.crash_store import CrashStore
from runtime.session.exit_reasons import ExitReason
from runtime.session.journal.journal import Journal
from runtime.session.quarantine import Parked
from runtime.session.record import Exit, SessionRecord
from runtime.session.redaction import Hidden
from runtime.session.spec import SessionId, SessionSpec
from runtime.session.usage import DayRow, Usage

SESSIONS = 3
SECRET = b"value-of-a-secret"
SERVICE = {
    "version": "v1",
    "kind": "Service",
    "metadata": {"name": "greeter"},
    "container": {"image": "i", "secrets": ["KEY"]},
}


@dataclass(frozen=True)
class Home:
    """A state folder, and a token that its rooms accept."""

    folder: Path
    token: str

    def accepts(self, folder: Path) -> bool:
        """Whether the rooms of that folder accept the token."""
        return RoomHub(state_dir=folder).claims(self.token, room="lab").name == "ada"


def sessions_of(folder: Path) -> list[str]:
    """The ids that a server would read in the folder's journal."""

    async def read() -> list[str]:
        journal = await Journal.open(folder / "journal.sqlite3", history_count=100)
        try:
            return [one.spec.session_id for one in await journal.load()]
        finally:
            await journal.aclose()

    return asyncio.run(read())


def record(number: int) -> SessionRecord:
    spec = SessionSpec(
        session_id=SessionId(f"s_{number:04}"),
        bundle="b",
        endpoint="/a",
        identity="a",
        room="lab",
        token="t",
        arguments={},
        webhook_id=f"w{number}",
        accepted_at=float(number),
    )
    return SessionRecord(spec=spec)


async def _filled(folder: Path) -> None:
    journal = await Journal.open(folder / "journal.sqlite3", history_count=100)
    for number in range(1, SESSIONS + 1):
        await journal.accept(record(number))
    journal.note_usage(DayRow(day="2026-11-29", endpoint="/a", identity="a", room="lab", usage=Usage()))
    parked = Parked(
        hash="h" * 64, endpoint="/a", room="lab", session_id="s_0001", deaths=3, at=5.0, message="m"
    )
    journal.note_parked(parked)
    await journal.aclose()
    crashes = await CrashStore.open(folder / "crashes.sqlite3", keep_count=10, keep_bytes=1 << 20)
    crashes.keep(
        CrashReport(
            session_id=SessionId("s_0001"),
            endpoint="/a",
            identity="a",
            room="lab",
            generation=1,
            exit=Exit(reason=ExitReason.AGENT_ERROR, message="no", at=1.0),
            sentence="It failed.",
            cure="Mend it.",
            fingerprint="f" * 12,
            at=1.0,
            code=Code(bundle="b", generation=1, sha256="0" * 64),
        )
    )
    await crashes.groups()
    await crashes.aclose()
    store = await stored_in(folder)
    await store.secrets.create("KEY", SECRET, by="ada")
    await store.services.create(SERVICE, by="ada")
    await store.aclose()


async def stored_in(folder: Path) -> Store:
    """What is kept for services in a folder, opened with the folder's own key."""
    file = folder / "services.sqlite3"
    return await Store.open(
        file, lambda: seal_of(folder), SystemClock(), hidden=Hidden(), project=LOCAL_PROJECT
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    asyncio.run(_filled(folder))
    token = RoomHub(state_dir=folder).token("lab", "ada")
    files = folder / "rooms" / "data" / "lab" / "files"
    files.mkdir(parents=True, mode=0o700)
    for path in (folder / "rooms").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    (files / "diary ☂.txt").write_text("what people said")
    (files / "diary ☂.txt").chmod(0o600)
    (folder / "rooms" / "data" / "empty").mkdir(mode=0o700)
    (folder / "rooms" / "data" / "lab" / "staging").mkdir(mode=0o700)
    (folder / "rooms" / "data" / "lab" / "staging" / "half").touch(0o600)
    return Home(folder, token)
