"""How quick a session answers while another one misbehaves: pings at a steady pace, whatever comes back."""

from __future__ import annotations

import http.client
import threading
import time
from urllib.parse import urlsplit

import msgspec

from runtime.cli.api import Api

PERIOD_S = 0.01
_ANSWER_S = 15.0


class Answers(msgspec.Struct):
    """What came back.

    Attributes:
        ms: For each ping that was answered, milliseconds from the moment it was due (not from the moment it
            could be sent: a server that makes us wait does not look quicker for it).
        lost: Pings that were never answered.
    """

    ms: list[float] = msgspec.field(default_factory=list)
    lost: int = 0

    def quantile(self, part: float) -> float:
        """Such as 0.99; 0 without any answer."""
        if not self.ms:
            return 0.0
        return sorted(self.ms)[min(len(self.ms) - 1, int(len(self.ms) * part))]


class Probe:
    """One session, pinged every 10 ms from a thread of its own while it is entered."""

    def __init__(self, api: Api, session: str) -> None:
        self.answers = Answers()
        self._path = f"{urlsplit(api.url).path.rstrip('/')}/workers/{session}/ping"
        self._headers = {"Authorization": f"Bearer {api.token}"} if api.token else {}
        parts = urlsplit(api.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=_ANSWER_S)
        self._over = threading.Event()
        self._until = 0.0
        self._thread = threading.Thread(target=self._run, name="probe")

    def __enter__(self) -> Probe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._until = time.monotonic()
        self._over.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        self._ask()  # the connection's own start is not what is measured
        due = time.monotonic()
        while True:
            wait_s = due - time.monotonic()
            if wait_s > 0 and self._over.wait(wait_s):
                return
            if self._over.is_set() and due > self._until:  # what is due is asked, however slow it goes
                return
            if self._ask():
                self.answers.ms.append((time.monotonic() - due) * 1000)
            else:
                self.answers.lost += 1
                if self._over.is_set():
                    return
            due += PERIOD_S

    def _ask(self) -> bool:
        try:
            self._connection.request("POST", self._path, b"", self._headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return False
        return answer.status == 200
