"""Mail of rooms over HTTP: addresses, mail that a provider posts, and what this server keeps.

``/accounts/projects/{project}/mailboxes`` is as MeshAgent's clients ask it.  A mail provider posts a message
as it is (``message/rfc822``) to ``/mail/{address}``, with `mail.secret` as bearer or as the password of any
user; whoever operates the server may, too.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac

from quart import Blueprint, Response, request

from runtime.clock import iso
from runtime.errors import InvalidRequest, NotFound, PermissionDenied
from runtime.front.http.body import read_body
from runtime.front.http.contract import also, asks, belongs, for_operators, gives, takes
from runtime.front.openapi.shapes.mail import (
    Accepted,
    KeptMailbox,
    KeptMailboxes,
    Letter,
    Letters,
    MailboxPlace,
    NewMailbox,
    OneMailbox,
    SenderQuery,
)
from runtime.front.openapi.shapes.rooms import Nothing
from runtime.front.operator.room.accounts import BASE, opened_project, room_id
from runtime.front.state import Front, caller
from runtime.rooms.built_in.mail.mailboxes import Mailbox
from runtime.rooms.built_in.mail.members import sender_in
from runtime.rooms.built_in.mail.post_office import PostOffice
from runtime.wire.internet.smtp import Mail

MOST_LISTED = 100


def routes(front: Front) -> Blueprint:
    """``/accounts/projects/{project}/mailboxes…`` and ``/mail…``."""
    paths = Blueprint("mail", __name__)
    belongs(paths, "mail")

    def office() -> PostOffice:
        if front.mail is None:
            raise NotFound("this server takes no mail", cure="Ask the server that has the room.")
        return front.mail

    def ours(project: str) -> PostOffice:
        front.access.operator(caller())
        opened_project(front, project)
        return office()

    @paths.get(f"{BASE}/<project>/mailboxes")
    @for_operators
    @gives(KeptMailboxes)
    async def mailboxes(project: str) -> KeptMailboxes:
        """Addresses that this server takes mail for"""
        return KeptMailboxes(mailboxes=[_shown(one) for one in ours(project).mailboxes])

    @paths.get(f"{BASE}/<project>/rooms/<room>/mailboxes")
    @for_operators
    @gives(KeptMailboxes)
    async def of_room(project: str, room: str) -> KeptMailboxes:
        """Those of one room, by its name"""
        held = ours(project)
        return KeptMailboxes(mailboxes=[_shown(one) for one in held.mailboxes if one.room == room])

    @paths.post(f"{BASE}/<project>/mailboxes")
    @for_operators
    @takes(NewMailbox, example=NewMailbox(address="support@example.com", room="myroom", queue="support"))
    @gives(Nothing)
    async def create(project: str, data: NewMailbox) -> Nothing:
        """Take mail for an address"""
        await ours(project).mailboxes.add(_mailbox(data.address, data))
        return Nothing()

    @paths.get(f"{BASE}/<project>/mailboxes/<address>")
    @for_operators
    @gives(OneMailbox)
    async def get(project: str, address: str) -> OneMailbox:
        """One address"""
        return OneMailbox(mailbox=_shown(ours(project).mailboxes.get(address)))

    @paths.put(f"{BASE}/<project>/mailboxes/<address>")
    @for_operators
    @takes(MailboxPlace, example=MailboxPlace(room="myroom", queue="support"))
    @gives(Nothing)
    async def change(project: str, address: str, data: MailboxPlace) -> Nothing:
        """Let the mail of an address go elsewhere"""
        await ours(project).mailboxes.change(_mailbox(address, data))
        return Nothing()

    @paths.delete(f"{BASE}/<project>/mailboxes/<address>")
    @for_operators
    @gives(Nothing)
    async def delete(project: str, address: str) -> Nothing:
        """Take no mail for an address any more"""
        await ours(project).mailboxes.delete(address)
        return Nothing()

    @paths.post("/mail/<address>")
    @asks(SenderQuery)
    @gives(Accepted)
    async def post(address: str, query_args: SenderQuery) -> Accepted:
        """Mail for an address, as it came: message/rfc822"""
        is_provider = _knows_secret(front.configuration.mail.secret, request.headers.get("Authorization", ""))
        if not is_provider:
            front.access.operator(caller())
        held = office()
        mailbox = held.mailboxes.get(address)
        most = front.configuration.mail.max_bytes
        raw = await read_body(request, timeout_s=front.settings.body_timeout_s)
        if not raw.strip():
            raise InvalidRequest(
                "there is no message", cure="Send it as it came (message/rfc822), as the body."
            )
        if len(raw) > most:
            raise InvalidRequest(f"the message is larger than {most} bytes", cure="Raise mail.max_bytes.")
        lines = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        sender = query_args.sender or sender_in(lines)
        why = held.may_reach(mailbox.address, sender=sender, as_whom="") if is_provider else ""
        if why:
            raise PermissionDenied(why, cure="Add the sender to mail.members, or make the mailbox public.")
        await held.take(Mail(query_args.sender, (mailbox.address,), lines))
        return Accepted()

    @paths.get("/mail")
    @for_operators
    @gives(Letters)
    async def letters() -> Letters:
        """Messages that wait, were not sent on, or failed"""
        front.access.operator(caller())
        listed = await asyncio.to_thread(lambda: list(office().spool.listed(MOST_LISTED)))
        return Letters(
            letters=[
                Letter(
                    id=one.id,
                    place=one.place,
                    sender=one.sender,
                    recipients=one.recipients,
                    at=iso(one.at),
                    size_bytes=one.size_bytes,
                    tries=one.tries,
                    why=one.why,
                )
                for one in listed
            ]
        )

    @paths.get("/mail/letters/<letter>")
    @for_operators
    @also(200, "The message as it came", "message/rfc822")
    async def letter(letter: str) -> Response:
        """One of them, whole"""
        front.access.operator(caller())
        try:
            raw = await asyncio.to_thread(office().spool.raw, letter)
        except FileNotFoundError:
            raise NotFound("there is no such message, any more", cure="GET /mail lists them.") from None
        answer = Response(raw, mimetype="message/rfc822")
        answer.headers["Content-Disposition"] = 'attachment; filename="message.eml"'
        answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        return answer

    return paths


def _mailbox(address: str, data: NewMailbox | MailboxPlace) -> Mailbox:
    return Mailbox(
        address=address,
        room=data.room,
        queue=data.queue,
        public=data.public,
        annotations=data.annotations or {},
    )


def _shown(one: Mailbox) -> KeptMailbox:
    return KeptMailbox(
        address=one.address,
        room=one.room,
        room_id=room_id(one.room),
        queue=one.queue,
        public=one.public,
        annotations=dict(one.annotations),
    )


def _knows_secret(secret: str, header: str) -> bool:
    kind, _, given = header.partition(" ")
    if kind.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, ValueError):
            return False
    elif kind.lower() != "bearer":
        return False
    return bool(secret) and hmac.compare_digest(given.encode(), secret.encode())
