"""``/studio/``: the pages, who is let in, and by which link.

The pages hold nothing secret and are for everybody; what they show comes from the operator API, which
answers those who may operate the server.  A link of the terminal may carry a one-time code (``?t=…``): it
is changed into a cookie, and the browser goes on to the page without it.
"""

from __future__ import annotations

import asyncio
import os
import platform
import pwd
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from quart import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed

import runtime
from runtime.front.access.browser_sessions import BROWSER_SESSION_S
from runtime.front.access.rules import Caller
from runtime.front.http.compression import takes_gzip
from runtime.front.http.contract import Handler, also, asks, belongs, gives, json_answer
from runtime.front.http.origin import is_encrypted
from runtime.front.http.problems import problem
from runtime.front.http.refusal import Refusal
from runtime.front.openapi.shapes.studio import CodeQuery, EnterQuery, Me
from runtime.front.state import Front, caller
from runtime.front.studio import links
from runtime.front.studio.assets import Asset, Assets

STATIC: Final = Path(__file__).parent / "static"
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; frame-src blob:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
OFFLINE: Final = "offline"
_SERVICE_USERS: Final = ("root", "bulkhead", "nobody")
_THIS_MACHINE: Final = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)
_POSTED: Final = ("links", "leave")
_FILE_NAME: Final = re.compile(r"[^/]*\.[^/]*")


def routes(front: Front) -> Blueprint:
    """``/studio/`` and all below it but the live stream."""
    paths = Blueprint("studio", __name__)
    belongs(paths, "studio")
    assets = Assets(STATIC)

    @paths.after_request
    async def secure(answer: Response) -> Response:
        answer.headers.update(HEADERS)
        if _is_trusted(front, caller()):
            answer.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    @paths.get("/studio/")
    @asks(CodeQuery)
    @_a_page("The page", "text/html")
    @also(308, "To the path with its slash")
    async def overview(query_args: CodeQuery) -> Response:
        """The Studio"""
        if not request.path.endswith("/"):
            return _redirect("/studio/", 308)
        return await _page("", query_args.t)

    @paths.get("/studio/<path:page>")
    @asks(CodeQuery)
    @_a_page("It", "text/html", "*/*")
    async def page(page: str, query_args: CodeQuery) -> Response:
        """A page of the Studio, or one of its files"""
        if page in _POSTED:
            raise MethodNotAllowed
        return await _page(page, query_args.t)

    async def _page(page: str, code: str | None = None) -> Response:
        if code is not None:
            return _enter(front, code, request.path)
        found = await asyncio.to_thread(assets.find, page or "index.html")
        if found is not None:
            return _send(found)
        first, _, rest = page.partition("/")
        is_file = bool(_FILE_NAME.fullmatch(page))
        if is_file or (rest and await asyncio.to_thread(assets.has_folder, first)):
            raise Refusal("not_found", "The Studio has no such file.")
        index = await asyncio.to_thread(assets.find, "index.html")
        if index is None:
            return problem(
                "studio_missing",
                "This installation has no Studio: runtime/front/studio/static is empty. Install a released "
                "wheel or image, or run `make ui` in a checkout. Everything else of the server works.",
            )
        return _send(index)

    @paths.get("/favicon.ico")
    @also(200, "It", "image/svg+xml")
    @also(304, "It did not change")
    async def icon() -> Response:
        """The Studio's icon"""
        return await _page("icon.svg")

    @paths.get("/studio/enter")
    @asks(EnterQuery)
    @also(303, "To the Studio, with the cookie")
    @also(403, "The code is wrong, used or too old", "text/html")
    async def enter(query_args: EnterQuery) -> Response:
        """Change a one-time code into a cookie"""
        return _enter(front, query_args.code, "/studio/")

    @paths.get("/studio/me")
    @gives(Me)
    async def me() -> Response:
        """Who asks, and what the server is"""
        return json_answer(_me(front, front.access.how(caller())))

    paths.register_blueprint(links.routes(front))
    return paths


def _a_page(description: str, *media_types: str) -> Callable[[Handler[Response]], Handler[Response]]:
    """Describe what every page may answer."""

    def decorate(handler: Handler[Response]) -> Handler[Response]:
        for answered in (
            also(200, description, *media_types),
            also(303, "To the page without the code, with the cookie"),
            also(304, "It did not change"),
            also(403, "The code is wrong, used or too old", "text/html"),
        ):
            handler = answered(handler)
        return handler

    return decorate


def _me(front: Front, how: str) -> Me:
    known = how != "none"
    return Me(
        name=_user_name() if how == "local" else "",  # who came by a link is not whom the server runs as
        access=how,
        version=runtime.__version__,
        python=platform.python_version() if known else None,
        chaos=known and front.settings.chaos,
        default_room=_default_room(front) if known else None,
        model=model_name(front) if known else "",
    )


def model_name(front: Front) -> str:
    """What answers agents that reach their model through their room."""
    if front.settings.model_url:
        return urlsplit(front.settings.model_url).hostname or "a provider"
    return "OpenAI" if front.settings.model_key else OFFLINE


def _default_room(front: Front) -> str | None:
    if front.settings.room:
        return front.settings.room
    rooms = {record.spec.room for record in front.registry.live()}
    return rooms.pop() if len(rooms) == 1 else None


def _user_name() -> str:
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return "user"
    return "user" if name in _SERVICE_USERS else name


def _enter(front: Front, code: str, then: str) -> Response:
    who = caller()
    looks_only = request.method != "GET" or "prefetch" in who.headers.get("sec-purpose", "")
    session = None if looks_only else front.access.browser_sessions.enter(code)
    if session is not None:
        return _give(front, _redirect(_local_path(then)), session)
    if front.access.may_operate(who):
        return _redirect(_local_path(then))  # the link was opened a second time, by somebody who is in
    answer = Response(_NO_ENTRY, 403, content_type="text/html; charset=utf-8")
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _local_path(path: str) -> str:
    return quote(path, safe="/~!$&'()*+,;=:@") if path.startswith("/studio/") else "/studio/"


def _give(front: Front, answer: Response, session: str) -> Response:
    answer.set_cookie(
        front.access.cookie,
        session,
        max_age=int(BROWSER_SESSION_S),
        path="/",
        secure=_is_encrypted(front, caller()),
        httponly=True,
        samesite="Strict",
    )
    return answer


def _is_encrypted(front: Front, who: Caller) -> bool:
    return is_encrypted(who.headers, scheme=request.scheme, public_url=front.settings.public_url)


def _is_trusted(front: Front, who: Caller) -> bool:
    """Whether browsers heed an opener policy of this page; elsewhere each page complains of it."""
    is_here = _THIS_MACHINE.fullmatch(who.headers.get("host", "")) is not None
    return is_here or _is_encrypted(front, who)


def _redirect(path: str, status: int = 303) -> Response:
    return Response(b"", status, headers={"Location": path, "Cache-Control": "no-store"})


def _send(asset: Asset) -> Response:
    packed = asset.packed if takes_gzip(request) else None
    tag = f'"{asset.tag}{"-gz" if packed else ""}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if _is_known(tag, request.headers.get("If-None-Match", "")):
        return Response(b"", 304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(packed or asset.body, 200, headers=headers, content_type=asset.media_type)


def _is_known(tag: str, given: str) -> bool:
    return any(one.strip().removeprefix("W/") in (tag, "*") for one in given[:2000].split(","))


_NO_ENTRY: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>This link was used, or is too old · Studio</title>
<link rel="icon" href="/studio/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/studio/studio.css">
<main class="page denied"><div class="empty">
<h2>This link was used, or is too old</h2>
<div class="empty-text">
<p>A link of the terminal lets one browser in, once, within ten minutes. On the machine the server runs on,
print a fresh one and open it here:</p>
<p class="command"><code>bulkhead studio</code></p>
<p>In a container: <code>docker compose exec runtime bulkhead studio</code></p>
</div></div></main>
</html>
"""
