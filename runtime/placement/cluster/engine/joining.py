"""How a machine becomes a node: with a token it asks for a name, once, and has a user of its own then."""

from __future__ import annotations

import dataclasses
import json
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from runtime.clock import SystemClock
from runtime.errors import ConfigError, NotFound, RuntimeServiceError
from runtime.files import kept_file
from runtime.logs import get_logger
from runtime.placement.cluster import messages as say
from runtime.placement.cluster.engine import certificate
from runtime.placement.cluster.engine.connection import Access, Engine, NoAnswer, NobodyThere, NotLetIn, bare
from runtime.placement.cluster.engine.hearing import Hearing
from runtime.placement.cluster.engine.home import JOIN, EngineHome, EngineProcess
from runtime.placement.cluster.engine.rates import JOINS
from runtime.placement.cluster.engine.subjects import Subjects, checked
from runtime.tasks import Tasks

ASK_S: Final = 5.0
_TOKEN = re.compile(r"bh1:([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([0-9a-f]{64})@(.+):(\d+)")
_log = get_logger("cluster")


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine keeps of its having joined.

    Attributes:
        node: Its name.
    """

    node: str
    cluster: str
    access: Access

    def keep(self, file: Path) -> None:
        """Write it down, for its owner alone."""
        access = self.access
        kept = {"node": self.node, "cluster": self.cluster, "url": access.url}
        kept |= {"password": access.password, "ca": access.ca}
        kept_file.write(file, json.dumps(kept))

    @classmethod
    def kept(cls, file: Path) -> Membership | None:
        """As it was written down; None when it was not.

        Raises:
            ConfigError: The file cannot be read.
        """
        try:
            found = json.loads(file.read_text("utf-8"))
            access = Access(url=found["url"], user=found["node"], password=found["password"], ca=found["ca"])
            return cls(node=found["node"], cluster=found["cluster"], access=access)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            cure = f"Remove it, and join with a token again: rm {file}"
            raise ConfigError(f"{file} cannot be read: {error}", cure=cure) from error

    def at(self, token: str) -> Membership:
        """The same, at the address of a token; where this machine has joined already, that is all it says.

        Raises:
            ConfigError: The token is none, or that of another engine.
        """
        _, _, mark, host, port = _parts(token)
        access = self.access
        if not access.ca or certificate.fingerprint(access.ca) != mark:
            raise ConfigError(
                f"this is {self.node} of the engine at {bare(access.url)}, and the token is of another one",
                cure="Leave the token out; or remove node.json in the state folder, and it joins that one.",
            )
        return replace(self, access=dataclasses.replace(access, url=f"nats://{host}:{port}"))


async def join(token: str, node: str) -> Membership:
    """Become a node.

    Raises:
        ConfigError: The token is none, does not fit the engine or is not valid any more; the name is taken.
    """
    cluster, word, mark, host, port = _parts(token)
    checked(node)
    ca = certificate.seen_at(host, int(port), mark)
    url = f"nats://{host}:{port}"
    engine = Engine(Access(url=url, user=JOIN, password=word, ca=ca), name=node)
    password = secrets.token_urlsafe(32)
    try:
        await engine.connect()
    except NotLetIn as error:
        raise ConfigError(
            f"the engine at {host}:{port} does not take this token",
            cure="Print it again with bulkhead nodes token: there is another one since a node was removed.",
        ) from error
    try:
        asked = say.encoded(say.Join(node=node, password=password))
        answer: say.Answer = say.decoded(say.Answer, await engine.ask(Subjects(cluster).join(), asked, ASK_S))
    except (NobodyThere, NoAnswer) as error:
        raise ConfigError(
            f"no front of {cluster} answers at {host}:{port}", cure="Start it: bulkhead serve --nodes."
        ) from error
    finally:
        await engine.aclose()
    if answer.code:
        raise ConfigError(answer.message, cure=answer.cure)
    return Membership(node=node, cluster=cluster, access=Access(url=url, user=node, password=password, ca=ca))


async def remove(home: EngineHome, port: int, node: str) -> None:
    """Let a node in no more: by the front that runs with this engine, or in its folder where none does.

    Raises:
        NotFound: There is none of that name.
    """
    engine = Engine(home.access(port), name="remove")
    try:
        await engine.connect()
        data = await engine.ask(home.subjects.leave(), say.encoded(say.Leave(node=node)), ASK_S)
    except (ConfigError, NobodyThere):
        home.remove(node)
        return
    finally:
        await engine.aclose()
    answer: say.Answer = say.decoded(say.Answer, data)
    if answer.code:
        raise NotFound(answer.message, cure=answer.cure)


async def joined_again(known: Membership, token: str) -> Membership:
    """What a machine that has joined makes of a token: the engine is there, and it may have been removed.

    Raises:
        ConfigError: As `Membership.at`, and as `join` where it has to.
    """
    moved = known.at(token)
    engine = Engine(moved.access, name=moved.node)
    try:
        await engine.connect()
    except NotLetIn:
        return await join(token, known.node)
    except ConfigError:
        pass  # nobody is there yet, which is waited for
    finally:
        await engine.aclose()
    return moved


def _parts(token: str) -> tuple[str, str, str, str, str]:
    if (match := _TOKEN.fullmatch(token.strip())) is None:
        raise ConfigError(
            "that is no join token",
            cure="Copy it whole, as `bulkhead nodes token` prints it: bh1:…@host:port",
        )
    cluster, word, mark, host, port = match.groups()
    return cluster, word, mark, host, port


class Reception:
    """Machines join an engine of our own, and go.

    Args:
        renewed: Called when there is another join token.
    """

    def __init__(
        self, home: EngineHome, process: EngineProcess, renewed: Callable[[], None] = lambda: None
    ) -> None:
        self._home, self._process, self._renewed = home, process, renewed
        self._tasks = Tasks(_log, "cluster.task_failed")

    async def start(self, engine: Engine) -> None:
        """Answer from here on."""
        subjects = self._home.subjects
        hearing = Hearing(engine, SystemClock(), self._tasks)
        hearing.flooded.append(lambda _: _log.warning("cluster.join_floods"))
        await hearing.listen(lambda _: subjects.join(), self._asked, JOINS, named=lambda _: "")
        await engine.listen(subjects.leave(), self._told)

    async def aclose(self) -> None:
        """Answer no more."""
        await self._tasks.aclose()

    async def _asked(self, _: str, data: bytes) -> bytes:
        try:
            ask: say.Join = say.decoded(say.Join, data)
            if self._home.admit(ask.node, ask.password):
                self._process.reload()
                _log.info("node.joined", node_id=ask.node)
        except RuntimeServiceError as error:
            return say.encoded(say.Answer(code=error.code, message=error.message, cure=error.cure))
        return say.encoded(say.Answer())

    async def _told(self, _: str, data: bytes) -> bytes:
        leave: say.Leave = say.decoded(say.Leave, data)
        try:
            self._home.remove(leave.node)
        except RuntimeServiceError as error:
            return say.encoded(say.Answer(code=error.code, message=error.message, cure=error.cure))
        self._process.reload()
        self._renewed()
        _log.info("node.removed", node_id=leave.node)
        return say.encoded(say.Answer())
