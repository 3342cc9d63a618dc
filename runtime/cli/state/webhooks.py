"""``bulkhead webhook``: who is told when rooms start and end, and how that went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from runtime.cli.options import Form, Url
from runtime.cli.state.in_project import Kept
from runtime.cli.terminal import Output, say, show

if TYPE_CHECKING:
    from runtime.cli.api import Api

Webhook = Annotated[str, typer.Argument(help="Name or id of the webhook.", show_default=False)]
_COLUMNS = {"table": ("name", "url", "events"), "wide": ("id", "name", "url", "events", "description")}
_DELIVERIES = ("id", "event", "state", "attempts", "status", "created", "error")
_EVENTS = ("room.started", "room.ended")


def create(
    name: Annotated[str, typer.Argument(help="Name of the webhook.", show_default=False)],
    to: Annotated[str, typer.Argument(help="Address that is told, http or https.", show_default=False)],
    event: Annotated[
        list[str] | None,
        typer.Option("--event", help="room.started or room.ended; default: both.", show_default=False),
    ] = None,
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    url: Url = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="table or json.")] = Output.TABLE,
) -> None:
    """Tell somebody of events. The secret that signs them is shown this once, as the last line."""
    wanted = {"name": name, "url": to, "events": event or list(_EVENTS), "description": description}
    _webhooks(url).make(wanted, output, once="secret", told="; its secret, which nothing shows again:")


def list_webhooks(url: Url = None, output: Form = Output.TABLE) -> None:
    """List the webhooks, without what signs them."""
    rows = _webhooks(url).listed()
    if output is not Output.JSON:
        rows = [{**one, "events": ", ".join(one["events"])} for one in rows]
    say(show(rows, output, name="name", columns=_COLUMNS, empty="nobody is told"))


def delete(webhook: Webhook, url: Url = None) -> None:
    """Tell somebody nothing more."""
    _webhooks(url).delete(webhook)


def deliveries(webhook: Webhook, url: Url = None, output: Form = Output.TABLE) -> None:
    """List how the deliveries of a webhook went, the newest first."""
    from runtime.clock import iso

    api, path = _deliveries_of(url, webhook)
    rows: list[dict[str, Any]] = api.get(path)["deliveries"]
    if output is not Output.JSON:
        for row in rows:
            row["created"] = iso(row["created_at"])[:19].replace("T", " ")
            row["status"] = row["status"] or "-"
    say(
        show(
            rows,
            output,
            name="id",
            columns={"table": _DELIVERIES, "wide": _DELIVERIES},
            empty="nothing was sent yet",
        )
    )


def redeliver(
    webhook: Webhook,
    delivery: Annotated[
        str | None,
        typer.Argument(help="Id of the delivery; default: the newest that failed.", show_default=False),
    ] = None,
    url: Url = None,
) -> None:
    """Send a delivery again, as one of its own."""
    from runtime.cli.failure import CommandFailed

    api, path = _deliveries_of(url, webhook)
    if delivery is None:
        failed = [row["id"] for row in api.get(path)["deliveries"] if row["state"] == "failed"]
        if not failed:
            raise CommandFailed(
                "no delivery of it failed", cure="Name one: bulkhead webhook deliveries NAME."
            )
        delivery = failed[0]
    again = api.post(f"{path}/{quote(delivery, safe='')}", {}).body
    say(f"redelivering {again['event']} {again['id']}")


def _webhooks(url: str | None) -> Kept:
    return Kept.of(url, "webhook", "webhooks", "webhooks")


def _deliveries_of(url: str | None, webhook: str) -> tuple[Api, str]:
    kept = _webhooks(url)
    return kept.api, f"{kept.path}/{kept.one(webhook)['id']}/deliveries"
