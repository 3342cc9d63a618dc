"""A model provider on loopback that streams a fixed answer, word by word, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

ANSWER = "The tide turns at noon, and octopuses have three hearts."


class FakeModel:
    """Use it as a context manager; `url` is its base URL."""

    key = "sk-of-the-front"

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.requests.append((self.headers["Authorization"], asked))
                fake._answer(self, asked)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
        text = ANSWER
        form = (asked.get("text") or {}).get("format") or {}
        if form.get("type") == "json_schema":  # a decision whether to answer
            text = json.dumps(dict.fromkeys(form["schema"].get("properties", {}), True))
        events = list(_events(text, f"resp_{len(self.requests)}", str(asked.get("model"))))
        handler.send_response(200)
        if not asked.get("stream"):
            body = json.dumps(events[-1]["response"]).encode()
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
            return
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for event in events:
            handler.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            handler.wfile.flush()
        handler.close_connection = True


def _events(text: str, response_id: str, model: str) -> Any:
    response: dict[str, Any] = {
        "id": response_id,
        "object": "response",
        "created_at": 1,
        "model": model,
        "status": "in_progress",
        "output": [],
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "usage": None,
    }
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {
        "id": f"msg_of_{response_id}",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    used = {
        "input_tokens": 5,
        "output_tokens": 7,
        "total_tokens": 12,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    steps: list[dict[str, Any]] = [
        {"type": "response.created", "response": response},
        {"type": "response.in_progress", "response": response},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "content": [], "status": "in_progress"},
        },
        {"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
        *(
            {"type": "response.output_text.delta", **place, "delta": f"{word} ", "logprobs": []}
            for word in text.split()
        ),
        {"type": "response.output_text.done", **place, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {
            "type": "response.completed",
            "response": {**response, "status": "completed", "output": [item], "usage": used},
        },
    ]
    for number, step in enumerate(steps):
        yield {**step, "sequence_number": number}
