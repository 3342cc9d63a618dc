"""The part of ``/openapi.json`` about the Studio: its pages, its stream, and who is let in."""

from __future__ import annotations

from typing import Any, Final

from runtime.front.openapi.terms import (
    BOOL,
    MAYBE_NUM,
    MAYBE_STR,
    PROBLEM,
    STR,
    an_object,
    as_json,
    as_text,
    given_in,
    operation,
    sent,
)

_ME: Final = an_object(
    name=STR,
    access={"enum": ["local", "cookie", "none"]},
    version=STR,
    python=MAYBE_STR,
    chaos=BOOL,
    default_room=MAYBE_STR,
    model=STR,
)
_CODE: Final = given_in("query", "t", STR, "A one-time code: it is changed into a cookie")

STUDIO_PATHS: Final[dict[str, Any]] = {
    "/studio/": {
        "get": operation("The Studio", as_text("text/html", "The page"), parameters=[_CODE]),
    },
    "/studio/{page}": {
        "parameters": [given_in("path", "page", STR, "A page, or a file of the Studio")],
        "get": operation(
            "A page of the Studio, or one of its files", as_text("text/html", "It"), parameters=[_CODE]
        ),
    },
    "/favicon.ico": {"get": operation("The Studio's icon", as_text("image/svg+xml", "It"))},
    "/studio/enter": {
        "get": {
            "summary": "Change a one-time code into a cookie",
            "parameters": [given_in("query", "code", STR, "The code of a link")],
            "responses": {
                "303": {"description": "To the Studio, with the cookie"},
                "403": as_text("text/html", "The code is wrong, used or too old"),
                "default": PROBLEM,
            },
        },
    },
    "/studio/me": {"get": operation("Who asks, and what the server is", as_json(_ME, "For everybody"))},
    "/studio/links": {
        "post": operation(
            "A link that opens the Studio",
            as_json(an_object(url=STR, expires_in_s=MAYBE_NUM), "With a one-time code where one is needed"),
            operator=True,
            requestBody=sent(an_object(room=STR)),
        ),
    },
    "/studio/leave": {
        "post": operation("End the visit", as_json(an_object(ok={"const": True}), "Ended"), operator=True),
    },
    "/studio/live": {
        "get": operation(
            "All that the Studio shows, as it changes",
            as_text("text/event-stream", "hello, sessions, session, gone, samples, overview, bundles, …"),
            operator=True,
            parameters=[
                given_in("header", "Last-Event-ID", STR, "What happened since is told once more, if known")
            ],
        ),
    },
}
