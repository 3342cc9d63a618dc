"""``GET /settings``: every setting in force, what set it, and what it is for; secrets are hidden."""

from __future__ import annotations

from quart import Blueprint

from runtime.front.http.contract import belongs, gives
from runtime.front.openapi.shapes.usage import Setting, SettingsInForce
from runtime.front.state import Front, caller
from runtime.session.redaction import Redactor
from runtime.settings import env_names, shown


def routes(front: Front) -> Blueprint:
    """``/settings``."""
    paths = Blueprint("configuration", __name__)
    belongs(paths, "server", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.get("/settings")
    @gives(SettingsInForce)
    async def settings() -> SettingsInForce:
        """Every setting in force"""
        hidden = Redactor()
        listed = []
        for key, knob, value in shown(front.configuration):
            listed.append(
                Setting(
                    name=key,
                    env=env_names(key, knob)[0],
                    # An address may have a password in it, though nobody marked it as a secret.
                    value=hidden.text(value) if isinstance(value, str) else value,
                    source=front.configuration.origins.get(key, "default"),
                    help=knob.metadata["help"],
                    secret=knob.metadata["secret"],
                )
            )
        return SettingsInForce(settings=listed)

    return paths
