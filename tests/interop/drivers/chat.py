"""Flow d, the person's side: opens a thread, says something, and reads the answer in the document."""

import asyncio
import json

from sdk import enable, join, person, run, until


def texts(document, author):
    (messages,) = [child for child in document.root.get_children() if child.tag_name == "messages"]
    return [
        child.get_attribute("text") or ""
        for child in messages.get_children()
        if child.tag_name == "message" and child.get_attribute("author_name") == author
    ]


async def main(work):
    async with join(work["url"], work["ada"]) as ada:
        heard = []
        ada.messaging.on("message", lambda message: heard.append(message))
        await enable(ada)
        bot = await until(lambda: person(ada, "chatbot"), "the chatbot is there")
        path = ".threads/interop.thread"
        document = await ada.sync.open(path=path, create=True)
        (members,) = [child for child in document.root.get_children() if child.tag_name == "members"]
        for name in ("ada", "chatbot"):
            members.append_child("member", {"name": name})
        await asyncio.sleep(
            0.5
        )  # an element is written in several updates: let them arrive before its message
        await ada.messaging.send_message(to=bot, type="opened", message={"path": path})
        (messages,) = [child for child in document.root.get_children() if child.tag_name == "messages"]
        said = {"id": "m1", "text": work["text"], "created_at": "2026-01-01T00:00:00Z", "author_name": "ada"}
        messages.append_child("message", said)
        await asyncio.sleep(0.5)
        await ada.messaging.send_message(to=bot, type="chat", message={"path": path, "text": work["text"]})
        try:
            await until(lambda: work["answer"] in " ".join(texts(document, "chatbot")), "the answer")
        except TimeoutError:
            kinds = [(message.type, message.message) for message in heard]
            raise AssertionError(f"no answer in {json.dumps(str(document.root))}: {kinds}") from None
        if work["as_message"]:
            await until(lambda: [m for m in heard if work["answer"] in json.dumps(m.message)], "as a message")
        await ada.messaging.send_message(to=bot, type="dismiss", message={})
        await until(lambda: person(ada, "chatbot") is None, "dismissed")
        return {"kinds": sorted({message.type for message in heard})}


if __name__ == "__main__":
    run(main)
