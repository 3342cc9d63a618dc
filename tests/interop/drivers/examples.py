"""Agents of the shapes that services have: an indexer with its chat, a bookkeeper, an author of documents.

Their model is the room's, the offline one: it calls the tool that a message asks for, and says what it gave.
"""

import asyncio
import contextlib
import json
import os
import sys
import types

from sdk import enable, join, person, run, until

# The SDK's indexer names it in its signatures; what cuts texts into pieces here is our own.
sys.modules["chonkie"] = types.SimpleNamespace(BaseChunker=object, SemanticChunker=object)

from chat import texts  # noqa: E402
from meshagent.agents.chat import ChatBot  # noqa: E402
from meshagent.agents.indexer import Chunk, Chunker, OpenAIEmbedder, RagToolkit, StorageIndexer  # noqa: E402
from meshagent.api import RequiredSchema  # noqa: E402
from meshagent.api import room_server_client as tables  # noqa: E402
from meshagent.api.schema import MeshSchema  # noqa: E402
from meshagent.openai import OpenAIResponsesAdapter  # noqa: E402
from meshagent.openai.proxy import get_client  # noqa: E402
from meshagent.tools import Tool, Toolkit  # noqa: E402
from meshagent.tools.document_tools import (  # noqa: E402
    DocumentAuthoringToolkit,
    DocumentTypeAuthoringToolkit,
)

TIDES = "The tide turns at noon near the mill.\n\nOctopuses have three hearts."


class Paragraphs(Chunker):
    async def chunk(self, *, text, max_length=None):
        return [Chunk(text=part, start=0, end=0) for part in text.split("\n\n")]


def embedder(room):
    return OpenAIEmbedder(
        openai=get_client(room=room), model="text-embedding-3-small", max_length=8191, size=1536
    )


class Indexer(StorageIndexer):
    def __init__(self, room):
        super().__init__(name="indexer", chunker=Paragraphs(), embedder=embedder(room))

    async def read_file(self, *, path):
        return (await self.room.storage.download(path=path)).data.decode()

    async def refresh_index(self):
        """As it is behind its pause of ten seconds."""
        await StorageIndexer.refresh_index.__wrapped__(self)


class EnterBill(Tool):
    def __init__(self):
        super().__init__(
            name="enter_bill",
            description="Enter a bill into the books",
            input_schema={
                "type": "object",
                "additionalProperties": False,
                "required": ["payee", "what"],
                "properties": {"payee": {"type": "string"}, "what": {"type": "string"}},
            },
        )

    async def execute(self, context, payee, what):
        await context.room.database.insert(table="bills", records=[{"payee": payee, "what": what}])
        return f"entered a bill of {payee}"


class FindBills(Tool):
    def __init__(self):
        super().__init__(
            name="find_bills",
            description="Find bills by words",
            input_schema={
                "type": "object",
                "additionalProperties": False,
                "required": ["words"],
                "properties": {"words": {"type": "string"}},
            },
        )

    async def execute(self, context, words):
        found = await context.room.database.search(table="bills", text=words, limit=3)
        return {"found": [f"{bill['payee']} for {bill['what']}" for bill in found]}


class Bookkeeper(ChatBot):
    async def start(self, *, room):
        await super().start(room=room)
        schema = {"payee": tables.TextDataType(), "what": tables.TextDataType()}
        await room.database.create_table_with_schema(name="bills", schema=schema, mode="create_if_not_exists")
        await room.database.create_full_text_search_index(table="bills", column="what")


def children(document, name):
    (found,) = [child for child in document.root.get_children() if child.tag_name == name]
    return found


def members(document):
    found = [child for child in document.root.get_children() if child.tag_name == "members"]
    return {one.get_attribute("name") for child in found for one in child.get_children()}


async def ask(ada, room, bot, text, wanted):
    """Say something in the thread with a bot, of this room, and wait for an answer with this in it."""
    other = await until(lambda: person(ada, bot), f"{bot} is there")
    path = f".threads/{bot}.thread"
    document = ada.sync.get_open_documents().get(path)
    if document is None:
        document = await ada.sync.open(path=path, create=True)
        for name in ("ada", bot):
            children(document, "members").append_child("member", {"name": name})
        await ada.messaging.send_message(to=other, type="opened", message={"path": path})
    theirs = await until(lambda: room.sync.get_open_documents().get(path), f"{bot} has the thread")
    # An element comes in several updates: one without a name would be somebody who is to answer instead.
    await until(lambda: members(theirs) == {"ada", bot}, "members")
    before = len(texts(document, bot))
    said = {"id": f"m{before}", "text": text, "created_at": "2026-01-01T00:00:00Z", "author_name": "ada"}
    children(document, "messages").append_child("message", said)
    await until(lambda: text in texts(theirs, "ada"), "the message")
    await ada.messaging.send_message(to=other, type="chat", message={"path": path, "text": text})
    try:
        await until(lambda: wanted in "\n".join(texts(document, bot)[before:]), text)
    except TimeoutError:
        raise AssertionError(f"no {wanted!r} in {document.root.to_json()}") from None


async def indexing(ada, room, chat):
    """Files that are uploaded are found by the chat, and no more when they are deleted."""
    indexer = Indexer(room)
    await indexer.start(room=room)
    librarian = ChatBot(
        name="librarian",
        llm_adapter=OpenAIResponsesAdapter(),
        toolkits=[RagToolkit(table="storage_index", embedder=embedder(chat))],
    )
    await librarian.start(room=chat)
    handle = await ada.storage.open(path="tides.txt", overwrite=True)
    await ada.storage.write(handle=handle, data=TIDES.encode())
    await ada.storage.close(handle=handle)

    async def indexed(count):
        async with asyncio.timeout(60):
            while len(await ada.database.search(table="storage_index")) != count:
                await asyncio.sleep(0.05)

    await indexed(3)
    asked = 'rag search with query "octopuses hearts"'
    await ask(ada, chat, "librarian", asked, "from tides.txt: Octopuses have three hearts.")
    await ada.storage.delete("tides.txt")
    await indexed(0)
    await librarian.stop()


async def keeping(ada, room):
    keeper = Bookkeeper(
        name="bookkeeper",
        llm_adapter=OpenAIResponsesAdapter(),
        toolkits=[Toolkit(name="bills", tools=[EnterBill(), FindBills()])],
    )
    await keeper.start(room=room)
    entering = 'enter a bill with payee "Ada" and what "mending the mill wheel"'
    await ask(ada, room, "bookkeeper", entering, "entered a bill of Ada")
    await ask(ada, room, "bookkeeper", 'find bills with words "wheels"', "Ada for mending the mill wheel")
    await keeper.stop()


async def writing(ada, room):
    """The schema is the room's; a document is opened, written and read by the author's tools."""
    form = await room.storage.download(path=".schemas/document.json")
    schema = MeshSchema.from_json(json.loads(form.data))
    author = ChatBot(
        name="author",
        requires=[RequiredSchema(name="document")],
        llm_adapter=OpenAIResponsesAdapter(),
        toolkits=[
            DocumentAuthoringToolkit(),
            DocumentTypeAuthoringToolkit(schema=schema, document_type="document"),
        ],
    )
    await author.start(room=room)
    await room.sync.open(path="tides.document", create=True)
    written = 'document insert heading with path "tides.document" and text "Tides"'
    await ask(ada, room, "author", written, "The content was inserted")
    await ask(ada, room, "author", 'get document with path "tides.document"', "Tides")
    await author.stop()


async def main(work):
    async with contextlib.AsyncExitStack() as stack:
        names = ("ada", "indexer", "librarian", "bookkeeper", "author")
        ada, indexer, librarian, bookkeeper, author = [
            await stack.enter_async_context(join(work["url"], work[name])) for name in names
        ]
        await enable(ada)
        await asyncio.gather(
            indexing(ada, indexer, librarian), keeping(ada, bookkeeper), writing(ada, author)
        )
        print("{}", flush=True)
        os._exit(0)  # how they end is not tried: this indexer cannot be stopped, and bots still write


run(main)
