"""The Quart application: every route, and what holds for all of them."""

from __future__ import annotations

from typing import Final

from quart import Quart, Response, g, has_request_context, request, websocket
from quart.wrappers.response import IterableBody
from werkzeug.exceptions import MethodNotAllowed, NotFound

from runtime.front import webhooks
from runtime.front.fast_path import request_id
from runtime.front.http.body import BoundedRequest
from runtime.front.http.compression import compress
from runtime.front.http.exchange import Exchange
from runtime.front.http.methods import Methods, Route
from runtime.front.http.problems import NOTHING_HERE, install, method_not_allowed, problem
from runtime.front.http.socket import BoundedConnection
from runtime.front.model import routes as model
from runtime.front.model.desk import ModelDesk
from runtime.front.openapi import document as openapi
from runtime.front.operator import (
    chaos,
    events,
    health,
    nodes,
    quarantine,
    workers,
)
from runtime.front.operator.crash import crashes
from runtime.front.operator.kept import configuration, snapshot
from runtime.front.operator.room import accounts as rest
from runtime.front.operator.room import (
    deployments,
    kept_services,
    mail,
    outgoing,
    relayed,
    revisions,
    rooms,
    secrets,
    services,
    tokens,
)
from runtime.front.operator.room.account import runs, service_accounts
from runtime.front.operator.room.account import secrets as own_secrets
from runtime.front.operator.session import again, debug, freeze, profile, replay
from runtime.front.operator.usage import history, usage
from runtime.front.state import Front, caller
from runtime.front.studio import live
from runtime.front.studio import pages as studio
from runtime.front.studio.live import Live
from runtime.front.studio.overview import Overview
from runtime.session.info import not_served
from runtime.wire.manifest.own import reserved_by

_NOBODYS: Final = (None, "relayed.relay", "rooms.enter", "rooms.file", "health.live")
"""Endpoints that never ask who operates, as none of those of `model` do; one too few only costs time."""


class FrontApp(Quart):
    """Quart with bounded bodies and bounded websockets."""

    request_class = BoundedRequest
    asgi_http_class = Exchange
    asgi_websocket_class = BoundedConnection
    url_rule_class = Route
    methods: Methods

    async def make_default_options_response(self, *_: object) -> Response:
        """What OPTIONS answers: the methods that the path really has.

        Quart 0.23 (Python 3.13 and newer) hands over its context, older releases nothing.
        """
        allowed = self.methods.of(request.path)
        if not allowed:
            raise NotFound
        return self.response_class("", headers={"Allow": ", ".join(allowed)})


def create_app(
    front: Front, readers: events.Readers, told: Live | None = None, desk: ModelDesk | None = None
) -> FrontApp:
    """The application for one server's parts.

    Args:
        told: Makes what readers of the Studio's stream get, and is kept running by the caller.
        desk: Has the model asked; None makes one.
    """
    app = FrontApp("bulkhead", static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = front.settings.max_body_bytes
    app.config["READ_BODY_S"] = front.settings.body_timeout_s
    app.config["BODY_TIMEOUT"] = None  # read_body has its own
    app.config["RESPONSE_TIMEOUT"] = None
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    install(app)

    async def name_request() -> None:
        connection = request if has_request_context() else websocket
        g.request_id = request_id(connection.headers.get("X-Request-Id", ""))

    @app.after_request
    async def finish(answer: Response) -> Response:
        answer.headers.setdefault("X-Request-Id", g.get("request_id", ""))
        answer.headers.setdefault("X-Content-Type-Options", "nosniff")
        # What is told here holds for the moment; a file of the Studio says itself how long it is good for.
        answer.headers.setdefault("Cache-Control", "no-store")
        if isinstance(answer.response, IterableBody):  # a stream, which a proxy must not gather
            answer.headers["X-Accel-Buffering"] = "no"
        if request.method == "HEAD" and answer.timeout is None:
            # A stream: nobody hears what it says, and it would hold its place among the readers for ever.
            answer.response = answer.data_body_class(b"")
        await compress(request, answer)
        return answer

    async def find_origin() -> None:
        connection = request if has_request_context() else websocket
        # What asks for a participant's token, or for nothing at all, is not delayed by the question.
        if connection.endpoint in _NOBODYS or connection.blueprint == "model":
            return
        if front.access.asks_origin(caller()):
            g.origin = await front.origins.of(connection.scope)

    app.before_request(name_request)
    app.before_request(find_origin)
    app.before_websocket(name_request)
    app.before_websocket(find_origin)
    app.register_blueprint(health.routes(front))
    app.register_blueprint(workers.routes(front))
    app.register_blueprint(crashes.routes(front))
    app.register_blueprint(profile.routes(front))
    app.register_blueprint(freeze.routes(front))
    app.register_blueprint(debug.routes(front))
    app.register_blueprint(again.routes(front))
    app.register_blueprint(replay.routes(front))
    app.register_blueprint(chaos.routes(front))
    app.register_blueprint(events.routes(front, readers))
    app.register_blueprint(live.routes(front, readers, told or Live(front, Overview(front))))
    app.register_blueprint(studio.routes(front))
    app.register_blueprint(rooms.routes(front))
    app.register_blueprint(relayed.routes(front))
    app.register_blueprint(tokens.routes(front))
    app.register_blueprint(model.routes(front, desk or ModelDesk(front.settings)))
    app.register_blueprint(rest.routes(front))
    app.register_blueprint(service_accounts.routes(front))
    app.register_blueprint(own_secrets.routes(front))
    app.register_blueprint(runs.routes(front))
    app.register_blueprint(outgoing.routes(front))
    app.register_blueprint(services.routes(front))
    app.register_blueprint(revisions.routes(front))
    app.register_blueprint(kept_services.routes(front))
    app.register_blueprint(deployments.routes(front))
    app.register_blueprint(secrets.routes(front))
    app.register_blueprint(mail.routes(front))
    app.register_blueprint(quarantine.routes(front))
    app.register_blueprint(usage.routes(front))
    app.register_blueprint(history.routes(front))
    app.register_blueprint(nodes.routes(front))
    app.register_blueprint(configuration.routes(front))
    app.register_blueprint(snapshot.routes(front))
    app.register_blueprint(openapi.routes(app, front))
    app.register_blueprint(webhooks.routes(front))
    app.methods = Methods(app.url_map, front.knows)

    @app.errorhandler(MethodNotAllowed)
    async def refuse_method(error: MethodNotAllowed) -> Response:
        allowed = app.methods.of(request.path)
        if allowed:
            return method_not_allowed(allowed)
        if reserved_by(request.path):
            return problem("not_found", NOTHING_HERE)
        unknown = not_served(request.path, front.placement.endpoints())
        return problem(unknown.code, str(unknown), cure=unknown.cure)

    return app
