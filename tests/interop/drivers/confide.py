"""Secrets of a room: kept, lent, asked of a person; and what a token without them is told."""

from sdk import failure, join, run


async def main(work):
    asked = []

    async def provide(request):
        asked.append(request.url)
        await ada.secrets.provide_secret(request_id=request.request_id, data=b"from ada")

    async with join(work["url"], work["ada"]) as ada, join(work["url"], work["keeper"]) as room:
        ada.secrets._secret_request_handler = provide  # this release's client has no parameter for it
        await ada.secrets.set_secret(name="api", type="text/plain", data=b"s3cr3t")
        await ada.secrets.set_secret(name="lent", type="key", delegated_to="keeper", data=b"\x00lent")
        assert (await ada.secrets.get_secret(name="api")).data == b"s3cr3t"
        assert await room.secrets.get_secret(name="api") is None
        found = await room.secrets.get_secret(name="lent")
        assert (found.name, found.mime_type, found.data) == ("lent", "key", b"\x00lent")
        assert [one.name for one in await room.secrets.list_secrets()] == ["lent"]
        wanted = {"url": "https://api.example", "type": "bearer", "delegate_to": "keeper"}
        for _ in range(2):  # the second time it was lent
            given = await room.secrets.request_secret(from_participant_id=ada.local_participant.id, **wanted)
            assert given == b"from ada"
        assert asked == ["https://api.example"]
        for one in await ada.secrets.list_secrets():
            await ada.secrets.delete_secret(id=one.id)
        assert await room.secrets.list_secrets() == []
    async with join(work["url"], work["agent"]) as agent:
        assert "does not allow secrets" in await failure(agent.secrets.list_secrets())


run(main)
