"""A mail agent of the real SDK: the class of its release, with nothing else set up than an address."""

import asyncio
import inspect

from meshagent.agents import mail
from meshagent.api.services import ServiceHost
from meshagent.openai import OpenAIResponsesAdapter

service = ServiceHost()
Kind = getattr(mail, "MailBot", None) or mail.MailWorker
ADDRESS = "bot@here.example"


@service.path("/post", identity="mailbot")
class Post(Kind):
    def __init__(self):
        given = {"name": "mailbot", "title": "Mail bot", "description": "answers mail"}
        known = inspect.signature(Kind.__init__).parameters
        super().__init__(
            queue=ADDRESS,
            email_address=ADDRESS,
            llm_adapter=OpenAIResponsesAdapter(),
            **{name: value for name, value in given.items() if name in known},
        )


asyncio.run(service.run())
