"""``GET /settings``: every setting in force, what set it, and what it is for; secrets are hidden."""

from __future__ import annotations

from quart import Blueprint, Response, jsonify

from runtime.front.state import Front, caller
from runtime.session.redaction import Redactor
from runtime.settings import env_names, shown


def routes(front: Front) -> Blueprint:
    """``/settings``."""
    paths = Blueprint("configuration", __name__)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.get("/settings")
    async def settings() -> Response:
        hidden = Redactor()
        listed = []
        for key, knob, value in shown(front.configuration):
            listed.append(
                {
                    "name": key,
                    "env": env_names(key, knob)[0],
                    # An address may have a password in it, though nobody marked it as a secret.
                    "value": hidden.text(value) if isinstance(value, str) else value,
                    "source": front.configuration.origins.get(key, "default"),
                    "help": knob.metadata["help"],
                    "secret": knob.metadata["secret"],
                }
            )
        return jsonify(settings=listed)

    return paths
