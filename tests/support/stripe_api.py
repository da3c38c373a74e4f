"""A local stand-in for Stripe's event list: https://docs.stripe.com/api/events/list."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

API_KEY = "sk_test_local"


class StripeApi:
    """The events (bodies, oldest first) that the list holds, and the calls that it got.

    `failures` are the HTTP statuses of the next calls; `answer` replaces the list.
    """

    def __init__(self, base: str) -> None:
        self.base = base
        self.events: list[bytes] = []
        self.calls: list[dict[str, str]] = []
        self.failures: list[int] = []
        self.answer: bytes | None = None

    def respond(self, query: dict[str, str], authorization: str | None) -> tuple[int, bytes]:
        self.calls.append(query)
        if self.failures:
            return self.failures.pop(0), _error("Something is wrong.")
        if authorization != f"Bearer {API_KEY}":
            return 401, _error("Invalid API Key provided: sk_test_***ong")
        return 200, self.answer or self._page(query)

    def _page(self, query: dict[str, str]) -> bytes:
        """Newest first; `ending_before` is answered with the events next to the cursor."""
        listed = [(json.loads(body), body) for body in reversed(self.events)]
        ids = [event["id"] for event, _ in listed]
        limit = int(query.get("limit", "10"))
        if "ending_before" in query:
            listed = listed[: ids.index(query["ending_before"])]
        if "starting_after" in query:
            listed = listed[ids.index(query["starting_after"]) + 1 :]
        fitting = [body for event, body in listed if _is_in(query, event["created"])]
        page = fitting[-limit:] if "ending_before" in query else fitting[:limit]
        more = b"true" if len(fitting) > limit else b"false"
        return (
            b'{\n  "object": "list",\n  "data": [\n    %b\n  ],\n  "has_more": %b,\n'
            b'  "url": "/v1/events"\n}' % (b",\n    ".join(page), more)
        )


def _is_in(query: dict[str, str], created: int) -> bool:
    return int(query.get("created[gte]", 0)) <= created < int(query.get("created[lt]", 2**40))


def _error(message: str) -> bytes:
    return json.dumps({"error": {"type": "invalid_request_error", "message": message}}).encode()


@contextmanager
def stripe_api() -> Generator[StripeApi]:
    """The server, for the length of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            status, body = api.respond(query, self.headers.get("Authorization"))
            if address.path != "/v1/events":
                status, body = 404, _error("Unrecognized request URL")
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api = StripeApi(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
