"""Programs written for MeshAgent find our classes, inside bundles only."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.compat import finder
from runtime.compat.finder import uninstall
from runtime.compat.names import NAMES

pytestmark = pytest.mark.unit


@pytest.fixture
def installed() -> Iterator[None]:
    finder.install()
    yield
    uninstall()


def run(program: str, *, path: Path | None = None) -> str:
    """What a fresh interpreter prints."""
    program = textwrap.dedent(program)
    if path is not None:
        program = f"import sys; sys.path.insert(0, {str(path)!r})\n{program}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("module", sorted(NAMES))
def test_every_name_of_the_table_is_there(module: str) -> None:
    served = importlib.import_module(module)
    assert served.__all__ == sorted(NAMES[module])
    for name in NAMES[module]:
        assert getattr(served, name) is not None, name
    assert set(NAMES[module]) <= set(dir(served))


@pytest.mark.usefixtures("installed")
def test_a_name_is_the_same_object_wherever_it_is_spelled() -> None:
    from meshagent.agents import TaskRunner
    from meshagent.agents.task_runner import TaskRunner as Newer
    from meshagent.api import RoomClient
    from meshagent.api.room_server_client import RoomClient as Deeper

    from runtime.sdk.room.client import RoomClient as Ours

    assert TaskRunner is Newer
    assert RoomClient is Deeper is Ours


def test_a_program_as_in_the_tutorial_declares_its_endpoint() -> None:
    program = """
        from runtime.compat import finder
        from runtime.sdk import loading
        finder.install()
        listing = '''
        import asyncio
        from meshagent.otel import otel_config
        from meshagent.api.services import ServiceHost
        from meshagent.agents.chat import ChatBot
        from meshagent.openai import OpenAIResponsesAdapter

        otel_config(service_name="chatbot")
        service = ServiceHost()

        @service.path(path="/chat", identity="chatbot")
        class Bot(ChatBot):
            def __init__(self):
                super().__init__(
                    name="chatbot",
                    title="A bot",
                    description="Answers",
                    rules=["Be brief."],
                    llm_adapter=OpenAIResponsesAdapter(),
                )

        asyncio.run(service.run())
        '''
        import textwrap
        def stop(site):
            raise GeneratorExit
        with loading.loading(stop):
            try:
                exec(textwrap.dedent(listing), {"__name__": "__main__"})
            except GeneratorExit:
                (endpoint,) = loading.declared()[0].endpoints
        print(endpoint.path, endpoint.identity, endpoint.kind, endpoint.cls().name)
    """
    assert run(program) == "/chat chatbot chatbot chatbot"


def test_the_host_s_module_loads_neither_chat_nor_documents() -> None:
    program = """
        import sys
        from runtime.compat import finder
        finder.install()
        import meshagent.api.services
        from meshagent.api.services import ServiceHost
        from meshagent.otel import otel_config
        heavy = ("pycrdt", "openai", "jsonschema", "runtime.sdk.chat.chatbot", "runtime.sdk.room.client")
        print([name for name in heavy if name in sys.modules])
    """
    assert run(program) == "[]"


@pytest.mark.usefixtures("installed")
def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(ImportError, match=r"'VoiceBot' from 'meshagent.agents'.*SingleRoomAgent"):
        from meshagent.agents import VoiceBot  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match=r"'meshagent.livekit'.*meshagent.agents.chat"):
        import meshagent.livekit  # noqa: F401


@pytest.mark.usefixtures("installed")
def test_python_s_own_questions_are_answered_as_usual() -> None:
    module = importlib.import_module("meshagent.api")
    assert not hasattr(module, "__wrapped__")
    assert module.__spec__ is not None
    assert module.__doc__


@pytest.mark.usefixtures("installed")
def test_a_submodule_does_not_hide_the_name_spelled_like_it() -> None:
    importlib.import_module("meshagent.tools.tool")
    importlib.import_module("meshagent.api.participant_token")
    from meshagent.api import participant_token
    from meshagent.tools import tool

    assert callable(tool)
    assert callable(participant_token)


def test_a_second_install_changes_nothing(installed: None) -> None:
    before = list(sys.meta_path)
    finder.install()
    assert sys.meta_path == before
