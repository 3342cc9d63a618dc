"""The turns of one model websocket: newer SDKs send only what is new since the response they name.

The provider is asked over HTTP and, told to store nothing, has forgotten that response.  So the connection
keeps its latest exchange and puts it before what is new.  Pure.
"""

from __future__ import annotations

import json
from typing import Any, Final

from runtime.errors import InvalidRequest

MAX_KEPT_BYTES: Final = 16 << 20


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
            body: Any = json.loads(text)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict) or body.get("type") != "response.create":
            raise InvalidRequest('a model request is {"type": "response.create", …}')
        del body["type"]
        given = body.get("input", [])
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        if not isinstance(items, list):
            raise InvalidRequest("'input' is neither a text nor a list of items")
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
        response = event.get("response")
        if event.get("type") != "response.completed" or not isinstance(response, dict):
            return
        self._response_id = str(response.get("id") or "")
        self._kept = [*self._asked, *(_again(item) for item in response.get("output") or () if _lasts(item))]


def _lasts(item: Any) -> bool:
    # Reasoning that is neither stored nor sealed into the item means nothing to a provider the next time.
    return isinstance(item, dict) and (item.get("type") != "reasoning" or bool(item.get("encrypted_content")))


def _again(item: dict[str, Any]) -> dict[str, Any]:
    # An id would be looked up among what the provider has stored.
    return {key: value for key, value in item.items() if key not in ("id", "status")}
