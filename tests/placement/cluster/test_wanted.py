"""What a front tells its nodes of bundles that were sent to it, and what it keeps of them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from runtime.errors import BundleError
from runtime.placement.cluster import messages as say
from runtime.placement.cluster.nodes import Node
from runtime.placement.cluster.sent import wanted
from runtime.placement.cluster.sent.sent_bundle import SentBundle
from runtime.placement.cluster.sent.wanted import SentBundles
from runtime.session.info import Capacity, EndpointInfo, Enforcement
from tests.fakes import endpoint

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


def node(name: str, *, takes: bool = True) -> Node:
    load = Capacity(sessions=0, starting=0, max_sessions=1, max_starting=1)
    wants: dict[str, str] | None = {} if takes else None
    return Node(say.Beat(node=name, boot="b1", number=1, sent=0.0, capacity=load, processors=1, wants=wants))


class Followed:
    """Nodes that a front follows, none of which is lost.

    Attributes:
        asked: Which of them were told what is wanted.
        looks: How often they were looked through.
    """

    def __init__(self, *nodes: Node) -> None:
        self.nodes = {one.beat.node: one for one in nodes}
        self.front, self.boot, self.beaten = "f1", "b1", list[Any]()
        self.memory = SimpleNamespace(drained=set[str]())
        self.asked: list[str] = []
        self.looks = 0
        self._tasks: list[asyncio.Task[None]] = []

    def there(self) -> list[Node]:
        self.looks += 1
        return list(self.nodes.values())

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work))

    def next_turn(self) -> int:
        return 1

    async def ask(self, name: str, ask: say.Want) -> say.Answer:
        self.asked.append(name)
        return say.Answer()

    async def settle(self) -> None:
        await asyncio.gather(*self._tasks)


def serving(*sent: say.Have) -> say.Served:
    enforcement = Enforcement(limits={}, reason="")
    return say.Served(digest="d", bundles=[], endpoints=[], enforcement=enforcement, sent=list(sent))


def have(bundle: str, state: str, *rows: EndpointInfo) -> say.Have:
    return say.Have(id=bundle, name="greeter", digest="ab", service="s1", state=state, endpoints=list(rows))


def wished(followed: Any) -> SentBundles:
    return SentBundles(followed, lambda: None)


async def test_variables_are_told_to_nodes_alone_that_take_bundles() -> None:
    followed = Followed(node("n1"), node("n2", takes=False))
    wished(followed).serve("s1", SentBundle("1", "greeter", Path("/kept/ab"), {"TOKEN": "secret"}))
    await followed.settle()
    assert followed.asked == ["n1"]


async def test_nothing_is_kept_of_a_bundle_that_nobody_could_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wanted, "JOIN_S", 0.0)
    followed, said = Followed(node("n1", takes=False)), list[str]()
    bundles = wished(followed)
    with pytest.raises(BundleError, match="no machine is there"):
        await bundles.prepare("greeter", Path("/kept/ab"), said.append)
    assert not bundles._says
    followed.nodes["n2"] = node("n2")
    await bundles.prepare("greeter", Path("/kept/ab"), said.append)
    assert said[-1] == "it is for n2"
    assert list(bundles._says) == [Path("/kept/ab")]


async def test_nodes_are_looked_through_once_for_all_endpoints_of_a_service() -> None:
    followed = Followed(node("n1"), node("n2"))
    rows = [endpoint("/greet"), endpoint("/bye")]
    followed.nodes["n2"].said(serving(have("1", "ready", *rows), have("2", "loading")))
    bundles = wished(followed)
    for number in ("1", "2"):
        one = SentBundle(number, "greeter", Path("/kept/ab"), {})
        one.endpoints = list(rows)
        bundles.serve(f"s{number}", one)
    await followed.settle()
    followed.looks = 0
    assert [(row.path, row.state) for row in bundles.endpoints()] == [
        ("/deployed/s1/greet", "ready"),
        ("/deployed/s1/bye", "ready"),
        ("/deployed/s2/greet", "loading"),
        ("/deployed/s2/bye", "loading"),
    ]
    assert followed.looks == 2


async def test_a_node_has_what_it_said_last() -> None:
    n1 = node("n1")
    assert n1.has("1") is None
    n1.said(serving(have("1", "loading"), have("2", "ready")))
    assert (n1.has("1"), n1.has("2")) == (have("1", "loading"), have("2", "ready"))
    n1.said(serving(have("1", "ready")))
    assert (n1.has("1"), n1.has("2"), n1.sent) == (have("1", "ready"), None, [have("1", "ready")])


TRUE = endpoint("/greet", permissions={"queues": {"send": ["q"]}})
WIDER = endpoint("/greet", permissions=None)
OTHER_NAME = replace(TRUE, identity="admin")


async def loaded(followed: Followed, said: dict[str, EndpointInfo], known: Any = None) -> Any:
    """A bundle that these nodes have loaded, as they say; what is known of it was recorded."""
    bundles = wished(followed)
    loading = asyncio.create_task(bundles.load("greeter@ab", Path("/kept/ab"), {}, known))
    await asyncio.sleep(0)
    (one,) = bundles._all.values()
    for name, row in said.items():
        followed.nodes[name].said(serving(have(one.id, "ready", row)))
    bundles.looked()
    bundles.serve("s1", await loading)
    return bundles, one


@pytest.mark.parametrize("other", [WIDER, OTHER_NAME, endpoint("/greet2", permissions=TRUE.permissions)])
async def test_nodes_that_do_not_agree_what_a_bundle_declares_have_it_refused(other: EndpointInfo) -> None:
    followed = Followed(node("n1"), node("n2"))
    with pytest.raises(BundleError, match="n1 and n2 say different things of greeter: /greet") as told:
        await loaded(followed, {"n1": other, "n2": TRUE})
    assert "nodes remove" in told.value.cure


@pytest.mark.parametrize("is_gone", [False, True])
async def test_the_first_node_that_has_loaded_a_bundle_is_not_believed_against_a_later_one(
    is_gone: bool,
) -> None:
    followed = Followed(node("n1"), node("n2"))
    bundles = wished(followed)
    loading = asyncio.create_task(bundles.load("greeter@ab", Path("/kept/ab"), {}))
    await asyncio.sleep(0)
    (one,) = bundles._all.values()
    followed.nodes["n1"].said(serving(have(one.id, "ready", WIDER)))
    followed.nodes["n2"].said(serving(have(one.id, "loading")))
    bundles.looked()
    while not one.endpoints:
        await asyncio.sleep(0)
    if is_gone:
        del followed.nodes["n1"]
    last = followed.nodes["n2"]
    last.said(serving(have(one.id, "ready", TRUE)))
    bundles._beaten("n2", last)
    if is_gone:
        assert [row.permissions for row in (await loading).endpoints] == [TRUE.permissions]
        assert bundles.is_on(last, one.id)
    else:
        with pytest.raises(BundleError, match="n1 and n2 say different things"):
            await loading


async def test_a_node_that_comes_later_and_declares_more_gets_no_session_and_is_told() -> None:
    followed = Followed(node("n1"))
    bundles, one = await loaded(followed, {"n1": TRUE})
    late = followed.nodes["n2"] = node("n2")
    late.said(serving(have(one.id, "ready", WIDER)))
    assert [bundles.is_on(at, one.id) for at in followed.nodes.values()] == [True, False]
    (told,) = late.sent
    assert (told.state, told.code) == ("failed", "declares_otherwise")
    assert [row.permissions for row in bundles.endpoints()] == [TRUE.permissions]


async def test_what_was_recorded_counts_whoever_is_heard_first() -> None:
    known = {"/greet": ("greet", TRUE.permissions)}
    followed = Followed(node("n1"))
    bundles, one = await loaded(followed, {"n1": WIDER}, known)
    assert [row.permissions for row in bundles.endpoints()] == [TRUE.permissions]
    bundles, one = await loaded(followed, {"n1": OTHER_NAME}, known)
    assert [row.identity for row in bundles.endpoints()] == ["greet"]
    followed.nodes["n2"] = node("n2")
    followed.nodes["n2"].said(serving(have(one.id, "ready", TRUE)))
    bundles._beaten("n2", followed.nodes["n2"])
    assert [one.state for node in followed.nodes.values() for one in node.sent] == ["failed", "ready"]
