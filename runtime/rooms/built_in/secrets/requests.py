"""Requests ``secrets.*``: a participant's own secrets, those lent to it, and what one asks of another.

A secret is its owner's, by the participant's name.  Somebody else reads it only where the owner said so
(``delegated_to``), and nobody without the family ``secrets`` in the token, which agents do not have by
themselves.  Nothing of what is in one is logged, listed or repeated in an error.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from runtime.errors import InvalidRequest, NotFound, NotSupported, PermissionDenied, RoomError, RoomFull
from runtime.rooms.built_in.secrets.vault import MAX_SECRET_BYTES, Kept, Vault, new_id
from runtime.rooms.connection import Peer
from runtime.rooms.live import LiveRoom
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.rooms.room import ParticipantId
from runtime.session.redaction import Hidden
from runtime.wire.content import EmptyContent, FileContent, JsonContent

TAKE_BYTES: Final = frozenset({"secrets.set_secret", "secrets.provide_secret"})
"""Tools whose argument is binary: JSON headers, and the secret as raw bytes."""

MAX_TEXT_CHARS: Final = 1000
MAX_WAIT_S: Final = 3600.0
_BINARY: Final = "application/octet-stream"


class _Asked(msgspec.Struct):
    """A secret that somebody is to provide."""

    by: Peer
    of: Peer
    answer: asyncio.Future[bytes]


class Secrets:
    """The family, in both dialects.

    Args:
        hidden: Learns every secret that is kept or handed out, before it is.
    """

    def __init__(self, live: LiveRoom, vault: Vault, hidden: Hidden) -> None:
        self._live, self._vault, self._hidden = live, vault, hidden
        self._asked: dict[str, _Asked] = {}

    def requests(self) -> Handlers:
        """What older clients send, which keep no secrets by themselves."""
        tools = self.tools()
        names = ("list_secrets", "delete_secret", "get_offline_oauth_token", "request_oauth_token",
                 "provide_oauth_authorization")  # fmt: skip
        return {f"secrets.{name}": tools[f"secrets.{name}"] for name in names}

    def tools(self) -> Handlers:
        """Handlers by full name."""
        return {
            "secrets.set_secret": self._set,
            "secrets.get_secret": self._get,
            "secrets.list_secrets": self._list,
            "secrets.delete_secret": self._delete,
            "secrets.delete_requested_secret": self._delete_requested,
            "secrets.request_secret": self._request,
            "secrets.provide_secret": self._provide,
            "secrets.get_offline_oauth_token": self._no_oauth_token,
            "secrets.request_oauth_token": self._no_oauth,
            "secrets.provide_oauth_authorization": self._no_oauth,
        }

    def leave(self, peer: Peer) -> None:
        """Whoever waits for this participant waits no longer."""
        for asked in list(self._asked.values()):
            if asked.of is peer and not asked.answer.done():
                asked.answer.set_exception(RoomError("the participant has left"))

    # ---- kept

    async def _set(self, request: Request) -> Outcome:
        me = _allowed(request)
        owner = _text(request, "for_identity") or me
        if owner != me and not request.peer.participant.claims.is_admin:
            raise PermissionDenied("only who has the family 'admin' sets a secret for another identity")
        given = _text(request, "secret_id")
        kind, name, lent = (_text(request, key) for key in ("type", "name", "delegated_to"))
        if not (given or name or kind):
            raise InvalidRequest("a secret needs one of 'secret_id', 'name' and 'type'")
        new = Kept(given or new_id(), owner, kind or _BINARY, name or kind or given, lent)
        for kept in await self._vault.list():
            if not given and replace(new, id=kept.id) == kept:
                new = kept
        self._hide(request.data)
        await self._vault.put(new, request.data)
        return EmptyContent()

    async def _get(self, request: Request) -> Outcome:
        me = _allowed(request)
        wanted = {
            "id": _text(request, "secret_id"),
            "type": _text(request, "type"),
            "name": _text(request, "name"),
            "delegated_to": _text(request, "delegated_to"),
        }
        if not (wanted["id"] or wanted["name"] or wanted["type"]):
            raise InvalidRequest("name a secret by one of 'secret_id', 'name' and 'type'")
        for kept in sorted(await self._vault.list(), key=lambda one: one.owner != me):  # one's own first
            fits = all(not value or getattr(kept, key) == value for key, value in wanted.items())
            if fits and me in (kept.owner, kept.delegated_to):
                data = await self._opened(kept.id)
                if data is not None:
                    return FileContent(kept.name, kept.type, data)
        return EmptyContent()

    async def _list(self, request: Request) -> Outcome:
        me = _allowed(request)
        return JsonContent(
            {
                "secrets": [
                    {
                        "id": kept.id,
                        "type": kept.type,
                        "name": kept.name,
                        "delegated_to": kept.delegated_to or None,
                    }
                    for kept in await self._vault.list()
                    if me in (kept.owner, kept.delegated_to)
                ]
            }
        )

    async def _delete(self, request: Request) -> Outcome:
        me, wanted = _allowed(request), request.text("id")
        for kept in await self._vault.list():
            if kept.id == wanted and kept.owner == me:
                await self._vault.delete(kept.id)
                return EmptyContent()
        raise NotFound("there is no such secret of yours")

    async def _opened(self, id: str) -> bytes | None:
        data = await self._vault.get(id)
        if data is not None:
            self._hide(data)  # an earlier run may have kept it
        return data

    def _hide(self, data: bytes) -> None:
        if len(data) <= MAX_SECRET_BYTES:
            self._hidden.learn_of_room([data.decode("utf-8", "replace")])

    # ---- asked of somebody

    async def _request(self, request: Request) -> Outcome:
        """Ask a participant for a secret, unless it was lent for the same before."""
        me, url = _allowed(request), request.text("url")[:MAX_TEXT_CHARS]
        kind = _text(request, "type") or request.text("type")
        peer = self._live.peers.get(ParticipantId(request.text("participant_id")))
        if peer is None:
            raise NotFound("no such participant")
        lent = _text(request, "delegate_to")
        owner = peer.participant.name
        for kept in await self._vault.list():
            if (kept.owner, kept.name, kept.type, kept.delegated_to) == (
                owner,
                url,
                kind,
                lent,
            ) and lent == me:
                data = await self._opened(kept.id)
                if data is not None:
                    return FileContent(url, kind, data)
        data = await self._answer(request, peer, {"url": url, "type": kind, "delegate_to": lent or None})
        if lent:
            await self._vault.put(Kept(new_id(), owner, kind, url, lent), data)
        return FileContent(url, kind, data)

    async def _answer(self, request: Request, peer: Peer, said: dict[str, Any]) -> bytes:
        mine = sum(1 for asked in self._asked.values() if asked.by is request.peer)
        if mine >= self._live.limits.max_open_files:
            raise RoomFull(f"a participant may wait for {self._live.limits.max_open_files} secrets at once")
        wanted = request.arguments.get("timeout")
        wait_s = float(wanted) if isinstance(wanted, int | float) and 0 < wanted <= MAX_WAIT_S else 300.0
        request_id = uuid.uuid4().hex
        asked = self._asked[request_id] = _Asked(
            request.peer, peer, asyncio.get_running_loop().create_future()
        )
        about = {**said, "participant_id": request.peer.id, "timeout": int(wait_s)}
        try:
            peer.push("secrets.request_secret", {"request_id": request_id, "request": about})
            async with asyncio.timeout(wait_s):
                return await asked.answer
        except TimeoutError:
            raise RoomError(f"nobody provided the secret within {wait_s:g} s") from None
        finally:
            del self._asked[request_id]

    def _provide(self, request: Request) -> Outcome:
        asked = self._asked.get(request.text("request_id"))
        if asked is None or asked.of is not request.peer:
            raise NotFound("nobody asks for that secret, any more")
        error = request.optional_text("error")
        if asked.answer.done():
            return EmptyContent()
        if error is not None:
            asked.answer.set_exception(RoomError(f"the secret was refused: {error[:MAX_TEXT_CHARS]}"))
        elif len(request.data) > MAX_SECRET_BYTES:
            raise RoomFull(f"a secret may have {MAX_SECRET_BYTES} bytes")
        else:
            self._hide(request.data)
            asked.answer.set_result(request.data)
        return EmptyContent()

    async def _delete_requested(self, request: Request) -> Outcome:
        me = _allowed(request)
        wanted = (request.text("url"), request.text("type"), _text(request, "delegated_to"))
        for kept in await self._vault.list():
            if (kept.name, kept.type, kept.delegated_to) == wanted and me in (kept.owner, kept.delegated_to):
                await self._vault.delete(kept.id)
        return EmptyContent()

    # ---- what is not served

    def _no_oauth_token(self, request: Request) -> Outcome:
        _allowed(request)
        return JsonContent({"access_token": None})

    def _no_oauth(self, request: Request) -> Outcome:
        raise NotSupported(
            f"not supported by this server: {request.name}",
            cure="Keep the token as a secret of the room, or ask a participant for it (request_secret).",
        )


def _allowed(request: Request) -> str:
    """Who asks, by name.  Raises PermissionDenied."""
    participant = request.peer.participant
    if participant.claims.family("secrets") is None:
        raise PermissionDenied(
            "the token does not allow secrets", cure='Call it with a scope that has them: "secrets": {}.'
        )
    return participant.name


def _text(request: Request, key: str) -> str:
    value = request.optional_text(key) or ""
    if len(value) > MAX_TEXT_CHARS:
        raise InvalidRequest(f"{key!r} of {request.name} is longer than {MAX_TEXT_CHARS} characters")
    return value
