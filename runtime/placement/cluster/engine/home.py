"""An engine of our own: its folder with users and certificate, its configuration, its process.

Who may say what is in the configuration alone: fronts all of it, a node what `Subjects.permissions` lists,
and who has a join token nothing but to ask for a node's name.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from runtime.errors import ConfigError, Conflict, NotFound
from runtime.files import kept_file
from runtime.logs import get_logger
from runtime.placement.cluster.engine import certificate
from runtime.placement.cluster.engine.connection import MAX_MESSAGE_BYTES, Access
from runtime.placement.cluster.engine.subjects import Subjects, checked
from runtime.process.handle import ProcessHandle

MAX_NODES: Final = 1000
FRONT: Final = "front"
JOIN: Final = "join"
_KEPT: Final = "engine.json"
_AGAIN_S: Final = 0.2
_MOST_AGAIN_S: Final = 5.0
_RAN_S: Final = 1.0
_PROGRAMS: Final = ("nats-server", "/usr/sbin/nats-server", "/usr/local/bin/nats-server")
_log = get_logger("engine")


def program() -> str:
    """Where the engine's program is.

    Raises:
        ConfigError: It is not installed.
    """
    for name in _PROGRAMS:
        if found := shutil.which(name):
            return found
    raise ConfigError(
        "several machines need an engine, and nats-server is not installed",
        cure="apt-get install nats-server, or name one that runs elsewhere: cluster.url.",
    )


class EngineHome:
    """The folder of an engine.  Readable for its owner alone."""

    def __init__(self, folder: Path, kept: dict[str, Any]) -> None:
        self._folder, self._kept = folder, kept
        self.subjects = Subjects(kept["cluster"])

    @classmethod
    def opened(cls, folder: Path, *, cluster: str) -> EngineHome:
        """Open the folder, or make it, with secrets that no other has.

        Raises:
            ConfigError: It cannot be written, or is no such folder.
        """
        checked(cluster, "cluster")
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not (folder / _KEPT).exists():
                pem, key = certificate.made()
                made = {
                    "cluster": cluster,
                    "front": secrets.token_urlsafe(32),
                    "join": secrets.token_urlsafe(24),
                    "certificate": pem,
                    "key": key,
                    "nodes": {},
                }
                kept_file.make(folder / _KEPT, json.dumps(made))
            home = cls(folder, json.loads((folder / _KEPT).read_text("utf-8")))
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(
                f"{folder} cannot be used for the engine: {error}",
                cure="Make it writable for this user, or move it away: nodes then have to join anew.",
            ) from error
        return home

    @property
    def nodes(self) -> list[str]:
        """The names that have a user."""
        return sorted(self._kept["nodes"])

    def access(self, port: int) -> Access:
        """For a front on this machine."""
        return Access(
            url=f"nats://127.0.0.1:{port}",
            user=FRONT,
            password=self._kept["front"],
            ca=self._kept["certificate"],
        )

    def token(self, host: str, port: int) -> str:
        """What a machine joins with; whoever has it can run sessions here, and nothing else."""
        mark = certificate.fingerprint(self._kept["certificate"])
        return f"bh1:{self._kept['cluster']}.{self._kept['join']}.{mark}@{host}:{port}"

    def url(self, host: str, port: int) -> str:
        """What a front on another machine reaches it by: ``cluster.url``.  Whoever has it has the cluster."""
        mark = certificate.fingerprint(self._kept["certificate"])
        return f"nats://{FRONT}:{self._kept['front']}@{host}:{port}?sha256={mark}"

    def admit(self, node: str, password: str) -> bool:
        """Give a node its user; False when it has it already.

        Raises:
            Conflict: Another machine has that name, or there are too many.
        """
        nodes: dict[str, str] = self._kept["nodes"]
        if checked(node) in (FRONT, JOIN) or not 32 <= len(password) <= 128:
            raise Conflict(f"no node can be called {node}", cure="Give it another name: --id.")
        if (known := nodes.get(node)) is not None:
            if secrets.compare_digest(known.encode(), password.encode()):
                return False
            raise Conflict(
                f"there is a node {node}, and this is another machine",
                cure=f"Give it another name with --id, or forget that one: bulkhead nodes remove {node}.",
            )
        if len(nodes) >= MAX_NODES:
            raise Conflict(f"there are {MAX_NODES} nodes", cure="Forget some: bulkhead nodes remove NAME.")
        nodes[node] = password
        self._keep()
        return True

    def remove(self, node: str) -> None:
        """Let a node in no more, and nobody by the join token that there was.

        Raises:
            NotFound: There is none of that name.
        """
        if self._kept["nodes"].pop(node, None) is None:
            known = ", ".join(self.nodes[:20])
            raise NotFound(
                f"there is no node {node[:80]}",
                cure=f"There are: {known}." if known else "No machine has joined yet.",
            )
        self._kept["join"] = secrets.token_urlsafe(32)  # whoever was sent away may have kept the one before
        self._keep()

    @property
    def listen(self) -> str:
        """Where it was last started to listen; empty when it never was."""
        return str(self._kept.get("listen", ""))

    def configuration(self, *, host: str, port: int) -> Path:
        """Write the engine's own file, and those it names."""
        if self.listen != (listen := f"{host}:{port}"):
            self._kept["listen"] = listen
            self._keep()
        users = [
            {"user": FRONT, "password": self._kept["front"]},
            _user(JOIN, self._kept["join"], {"publish": [self.subjects.join()], "subscribe": []}),
            *(
                _user(name, word, self.subjects.permissions(name))
                for name, word in self._kept["nodes"].items()
            ),
        ]
        settings = {
            "server_name": "bulkhead",
            "listen": listen,
            "max_payload": MAX_MESSAGE_BYTES,
            "max_pending": 4 * MAX_MESSAGE_BYTES,
            "max_connections": 4 * MAX_NODES,
            "max_subscriptions": 10 * MAX_NODES,
            "ping_interval": "1s",
            "ping_max": 2,
            "write_deadline": "2s",
            "logtime": False,
            "tls": {
                "cert_file": str(self._folder / "engine.pem"),
                "key_file": str(self._folder / "engine.key"),
                "connection_rate_limit": MAX_NODES,
            },
            "authorization": {"timeout": 5, "users": users},
        }
        kept_file.write(self._folder / "engine.pem", self._kept["certificate"])
        kept_file.write(self._folder / "engine.key", self._kept["key"])
        path = self._folder / "engine.conf"
        kept_file.write(path, "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items()))
        return path

    def _keep(self) -> None:
        kept_file.write(self._folder / _KEPT, json.dumps(self._kept))


def _user(name: str, password: str, may: Mapping[str, list[str]]) -> dict[str, Any]:
    # What a user answers goes to whoever asked, and to nobody else; its own questions have a place of theirs.
    inbox = [f"_INBOX_{name}.>"]
    permissions = {
        "publish": {"allow": may["publish"]},
        "subscribe": {"allow": [*may["subscribe"], *inbox]},
        "allow_responses": {"max": 1, "expires": "1m"},
    }
    return {"user": name, "password": password, "permissions": permissions}


class EngineProcess:
    """An engine that runs as a child of this process, and is started again when it ends.

    Attributes:
        port: Where it listens.
        ends: How often it ended by itself.
    """

    def __init__(self, home: EngineHome, *, host: str, port: int) -> None:
        self._home, self._host, self.port = home, host, port
        self._program = program()
        self._handle: ProcessHandle | None = None
        self.ends = 0
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it; it listens a moment later.

        Raises:
            ConfigError: It cannot be started.
        """
        self._start()
        self._keeping = asyncio.create_task(self._keep(), name="engine")

    def reload(self) -> None:
        """Have it take its configuration anew: users that came may enter, those that went are cut off."""
        self._home.configuration(host=self._host, port=self.port)
        if self._handle is not None:
            self._handle.send(signal.SIGHUP)

    async def aclose(self) -> None:
        """End it."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.send(signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(handle.wait(), 2.0)
            handle.send(signal.SIGKILL)
            await handle.status()
            handle.close()

    def _start(self) -> None:
        path = self._home.configuration(host=self._host, port=self.port)
        try:
            popen = subprocess.Popen(
                [self._program, "-c", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL if not os.environ.get("BULKHEAD_DEBUG") else None,
                process_group=0,
            )
            self._handle = ProcessHandle.open(popen)
            popen.returncode = 0  # the handle's business from here on
        except OSError as error:
            raise ConfigError(
                f"{self._program} cannot be started: {error}", cure="Look at its file."
            ) from error
        _log.info("engine.started", pid=popen.pid, listen=f"{self._host}:{self.port}")

    async def _keep(self) -> None:
        wait_s = _AGAIN_S
        while (handle := self._handle) is not None:
            began = asyncio.get_running_loop().time()
            status = await handle.status()
            self._handle = None
            handle.close()
            self.ends += 1
            _log.error("engine.ended", status=status, port=self.port)
            has_run = asyncio.get_running_loop().time() - began >= _RAN_S
            wait_s = _AGAIN_S if has_run else min(2 * wait_s, _MOST_AGAIN_S)
            await asyncio.sleep(wait_s)
            await self._started_again()

    async def _started_again(self) -> None:
        while True:
            try:
                self._start()
            except (ConfigError, OSError) as error:  # no process or no space is there for a moment
                _log.error("engine.not_started", error=str(error))
                await asyncio.sleep(_MOST_AGAIN_S)
            else:
                return
