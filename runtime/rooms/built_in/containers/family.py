"""Requests and tools ``containers.*`` that are one question and one answer; and what keeps the streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from runtime.containers.contract import Ask, Box, Boxes, Home, Starter
from runtime.containers.errors import NoEngine, ServiceNotFound
from runtime.errors import PermissionDenied
from runtime.rooms.agents import Mint
from runtime.rooms.built_in.containers import asked, grants, shown
from runtime.rooms.built_in.containers.execs import Execs
from runtime.rooms.built_in.containers.logs import Logs
from runtime.rooms.connection import Peer
from runtime.rooms.live import LiveRoom
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.rooms.signing.scope import narrowed
from runtime.rooms.streams import ServerStream
from runtime.rooms.token import PERSON, Claims
from runtime.services.in_room import ServicesOfRooms
from runtime.wire.content import EmptyContent, JsonContent

_NO_BUILDS = "this server builds no images in a room"
_BUILD_CURE = "Build it with docker where the engine is, and run it by its tag."


class Containers:
    """What participants of one room do with its containers.

    Args:
        boxes: None where nothing runs any.
        services: None where nothing runs services.
        files: The folder of the room's files.
    """

    def __init__(
        self,
        live: LiveRoom,
        boxes: Boxes | None,
        services: ServicesOfRooms | None = None,
        *,
        files: Path,
        mint: Mint,
    ) -> None:
        self._live, self._given, self._files, self._mint = live, boxes, files, mint
        self._services = services
        self._logs = Logs(live.name, self._boxes, self.box)
        self._execs = Execs(live, self._boxes, self._box_to_run_in)

    def requests(self) -> Handlers:
        """Handlers of the older dialects, by request name."""
        return {f"containers.{name}": handler for name, handler in self._both().items() if name in _OLDER} | {
            "containers.logs": self._logs.follow,
            "containers.stop_logs": self._logs.stop,
            "containers.exec": self._execs.run,
            "containers.container_input": self._execs.input,
            "containers.stop_exec": self._execs.stop,
        }

    def tools(self) -> Handlers:
        """Handlers of the newer dialect, by full name."""
        return {f"containers.{name}": handler for name, handler in self._both().items()}

    def streams(self) -> dict[str, Callable[[ServerStream], Awaitable[None]]]:
        """Streamed tools, by full name."""
        return {"containers.logs": self._logs.stream, "containers.exec": self._execs.stream}

    def leave(self, peer: Peer) -> None:
        """Forget what a participant followed and sent; its commands end with its tasks."""
        self._logs.leave(peer)
        self._execs.leave(peer)

    async def close(self) -> None:
        """The room ends, and its containers with it."""
        if self._given is not None:
            await self._given.close_room(self._live.name)

    def _box_to_run_in(self, request: Request) -> Box:
        grants.check_starts(request.peer.participant.claims)
        return self.box(request)

    def box(self, request: Request) -> Box:
        """The container that a request names, if its participant may deal with it."""
        grants.check(request.peer.participant.claims)
        key = "container_id" if "container_id" in request.arguments else "id"
        found = self._boxes().box(self._live.name, request.text(key))
        grants.check_box(request.peer.participant.claims, found)
        return found

    def _boxes(self) -> Boxes:
        if self._given is None:
            raise NoEngine("this server runs no containers", cure="Set containers.engine.")
        return self._given

    def _both(self) -> Handlers:
        return {
            "list_images": self._list_images,
            "inspect_image": self._inspect_image,
            "delete_image": self._delete_image,
            "pull_image": self._pull_image,
            "push_image": _unbuilt,
            "load": _unbuilt,
            "load_image": _unbuilt,
            "save_image": _unbuilt,
            "build": _unbuilt,
            "start_build": _unbuilt,
            "list_builds": self._list_builds,
            "cancel_build": _unbuilt,
            "delete_build": _unbuilt,
            "get_build_logs": _unbuilt,
            "run": self._run,
            "run_service": self._run_service,
            "list_containers": self._list_containers,
            "stop_container": self._stop_container,
            "delete_container": self._delete_container,
            "wait_for_exit": self._wait_for_exit,
        }

    # ---- images

    async def _list_images(self, request: Request) -> Outcome:
        grants.check(request.peer.participant.claims)
        return JsonContent({"images": [shown.image(one) for one in await self._boxes().images()]})

    async def _inspect_image(self, request: Request) -> Outcome:
        grants.check(request.peer.participant.claims)
        return JsonContent(shown.inspection(await self._boxes().image(request.text("image_id"))))

    async def _delete_image(self, request: Request) -> Outcome:
        image = request.text("image")
        grants.check_image(request.peer.participant.claims, "pull", image)
        await self._boxes().delete_image(image)
        return EmptyContent()

    async def _pull_image(self, request: Request) -> Outcome:
        image = request.text("tag")
        grants.check_starts(request.peer.participant.claims)
        grants.check_image(request.peer.participant.claims, "pull", image)
        await self._boxes().pull(image, asked.credentials_of(request))
        return EmptyContent()

    # ---- containers

    async def _run(self, request: Request) -> Outcome:
        ask, claims = asked.ask_of(request), request.peer.participant.claims
        grants.check_starts(claims)
        grants.check_image(claims, "run", ask.image)
        for bind in ask.mounts.room:
            grants.check_mount(claims, bind.source, write=not bind.read_only)
        may_pull = grants.allows_image(claims, "pull", ask.image)
        bundles = grants.allows_bundles(claims, ask.image)
        ask = replace(ask, may_pull=may_pull, bundles=bundles, token=self._token(request, ask))
        starter = Starter(request.peer.id, request.peer.participant.name)
        home = Home(self._live.name, self._files)
        return JsonContent({"container_id": await self._boxes().run(home, ask, starter)})

    def _token(self, request: Request, ask: Ask) -> str:
        """For who is to be in there: never more than its caller may do."""
        role, claims = asked.role_asked(request), request.peer.participant.claims
        name = request.optional_text("participant_name")
        if name is None and not ask.for_agent:
            return ""
        if ask.for_agent and name is None:
            name, role = ask.name or "agent", "agent"
        self._live.need_free_name(str(name), request.peer)
        self._need_no_private_box(str(name), claims)
        scope = narrowed(claims, PERSON if role == "user" else None, name=str(name))
        role = grants.role_of(claims, role)
        return self._mint(str(name), scope, role=role, service=claims.service)

    def _need_no_private_box(self, name: str, claims: Claims) -> None:
        """A private container is its starter's, by name: others get no token of that name."""
        boxes = () if self._given is None else self._given.list(self._live.name)
        if name != claims.name and any(box.private and box.starter.name == name for box in boxes):
            raise PermissionDenied(f"{name[:80]!r} has a private container, so nobody else gets its token")

    async def _run_service(self, request: Request) -> Outcome:
        claims, asked_for = request.peer.participant.claims, request.text("service_id")
        grants.check(claims)
        env = asked.environment_of(request)
        if env:
            grants.check_starts(claims)
        listed = [] if self._services is None else await self._services.listed(self._live.name)
        spec = next((one.spec for one in listed if one.spec["id"] == asked_for), None)
        if spec is None or self._services is None:
            raise ServiceNotFound(f"no service {asked_for[:80]!r}")
        if "container" in spec:
            grants.check_image(claims, "run", spec["container"]["image"])
            is_private = spec["container"].get("private", True)
            if env and is_private and claims.role != "user" and not claims.is_admin:
                cure = "Ask a person, or let its container be private: false."
                raise PermissionDenied("only people may give variables to a private service", cure=cure)
        return JsonContent({"container_id": await self._services.run(self._live.name, asked_for, env)})

    def _list_containers(self, request: Request) -> Outcome:
        grants.check(request.peer.participant.claims)
        found = [] if self._given is None else self._given.list(self._live.name)
        if not request.flag("all"):
            found = [one for one in found if one.state == "RUNNING"]
        return JsonContent({"containers": [shown.box(one) for one in found]})

    async def _stop_container(self, request: Request) -> Outcome:
        box = self.box(request)
        await self._boxes().stop(self._live.name, box.id, force=request.flag("force"))
        return EmptyContent()

    async def _delete_container(self, request: Request) -> Outcome:
        await self._boxes().remove(self._live.name, self.box(request).id)
        return EmptyContent()

    async def _wait_for_exit(self, request: Request) -> Outcome:
        return JsonContent(shown.exit_of(await self._boxes().wait(self._live.name, self.box(request).id)))

    def _list_builds(self, request: Request) -> Outcome:
        grants.check(request.peer.participant.claims)
        return JsonContent({"builds": []})


_OLDER = frozenset(
    {
        "list_images",
        "delete_image",
        "pull_image",
        "run",
        "run_service",
        "list_containers",
        "stop_container",
        "delete_container",
    }
)


def _unbuilt(request: Request) -> Outcome:
    grants.check(request.peer.participant.claims)
    raise NoEngine(_NO_BUILDS, cure=_BUILD_CURE)
