"""What was said before the response that a request names: SDKs send only what is new since then.

`Turns` is for one model websocket: the provider is asked over HTTP and, told to store nothing, has forgotten
that response, so the connection keeps its latest exchange and puts it before what is new.  `Stored` is the
memory that the offline model has in place of a provider's.  Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from runtime.errors import InvalidRequest
from runtime.wire.text import holds_too_much

MAX_KEPT_BYTES: Final = 16 << 20
MAX_STORED: Final = 200
MAX_STORED_BYTES: Final = 1 << 18


class Turns:
    """What was said on one connection, as far as the next request may refer to it."""

    def __init__(self) -> None:
        self._asked: list[Any] = []
        self._response_id = ""
        self._kept: list[Any] = []

    def request(self, text: str | bytes, *, is_kept: bool) -> dict[str, Any]:
        """The request in one frame, ready to be posted.

        Args:
            is_kept: The far end keeps responses unless a request says ``store: false``.

        Raises:
            InvalidRequest: It is no request, or grew beyond what a connection may hold.
        """
        try:
            body: Any = None if holds_too_much(text) else json.loads(text)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict) or body.get("type") != "response.create":
            raise InvalidRequest('a model request is {"type": "response.create", …}')
        del body["type"]
        items = _items(body)
        named = body.get("previous_response_id")
        if named and named == self._response_id and not (is_kept and body.get("store", True)):
            items = [*self._kept, *items]
            del body["previous_response_id"]
        self._asked = items
        if len(json.dumps(items)) > MAX_KEPT_BYTES:
            raise InvalidRequest(f"the conversation is larger than {MAX_KEPT_BYTES} bytes")
        return {**body, "input": items, "stream": True}

    def heard(self, event: dict[str, Any]) -> None:
        """Remember the response that an event completes."""
        response = _completed(event)
        if response is not None:
            self._response_id = str(response.get("id") or "")
            self._kept = [*self._asked, *_said(response)]


class Stored:
    """The latest responses, with all that led to them; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Any]] = {}

    def request(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A request with what was said before the response that it names, as far as that is remembered.

        Raises:
            InvalidRequest: Its input is none.
        """
        return {**body, "input": [*self._kept.get(str(body.get("previous_response_id")), ()), *_items(body)]}

    def heard(self, asked: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        """Remember the response that an event completes, and what was asked; a very long chat is not."""
        response = _completed(event)
        if response is None or asked.get("store") is False:
            return
        items = [*asked["input"], *_said(response)]
        if len(json.dumps(items)) <= MAX_STORED_BYTES:
            self._kept[str(response.get("id"))] = items
            if len(self._kept) > MAX_STORED:
                del self._kept[next(iter(self._kept))]


def _items(body: Mapping[str, Any]) -> list[Any]:
    given = body.get("input", [])
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not isinstance(items, list):
        raise InvalidRequest("'input' is neither a text nor a list of items")
    return items


def _completed(event: Mapping[str, Any]) -> dict[str, Any] | None:
    response = event.get("response")
    return response if event.get("type") == "response.completed" and isinstance(response, dict) else None


def _said(response: Mapping[str, Any]) -> list[Any]:
    return [_again(item) for item in response.get("output") or () if _lasts(item)]


def _lasts(item: Any) -> bool:
    # Reasoning that is neither stored nor sealed into the item means nothing to a provider the next time.
    return isinstance(item, dict) and (item.get("type") != "reasoning" or bool(item.get("encrypted_content")))


def _again(item: dict[str, Any]) -> dict[str, Any]:
    # An id would be looked up among what the provider has stored.
    return {key: value for key, value in item.items() if key not in ("id", "status")}
