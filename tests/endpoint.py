"""An OpenAI-compatible server in a thread, whose answers a test decides."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from grpo.stages.traces import endpoint

Answer = Callable[["Handler", dict[str, Any], int], None]
"""(handler, body, how many requests of this seed came before)."""


class Handler(BaseHTTPRequestHandler):
    server: Server  # type: ignore[assignment]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.seen.append((self.path, self.headers.get("Authorization"), body))
            before = sum(one["seed"] == body["seed"] for _, _, one in self.server.seen) - 1
        self.server.answer(self, body, before)

    def reply(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def complete(self, text: str, reason: str = "stop", **message: Any) -> None:
        choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": reason}
        self.reply(200, json.dumps({"choices": [choice]}).encode())

    def log_message(self, *_: Any) -> None:
        """Quiet."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.seen: list[tuple[str, str | None, dict[str, Any]]] = []
        self.answer: Answer = lambda handler, body, _: handler.complete(f"{body['messages'][-1]['content']}2")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is no fault."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(endpoint, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.delenv(endpoint.KEY_VARIABLE, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # not on the way to this machine itself
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)
