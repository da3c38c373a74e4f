"""The service as a shop and Stripe see it: HTTP on this machine, one connection."""

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

from app.demo.shop import Body
from simulator import sign

PATIENCE: Final = 50
UNSIGNED: Final = "t=1,v1=0"


class Client:
    """Calls that must succeed; what the service answers otherwise is our bug.

    Calls that are answered 503 or 504 (not ready, not caught up) are repeated, as a shop would. A
    `token` is sent along where the service asks for one.
    """

    def __init__(self, host: str, port: int, secret: str) -> None:
        self.url = f"http://{host}:{port}"
        self.token: str | None = None
        self._connection = http.client.HTTPConnection(host, port, timeout=30)
        self._secret = secret

    def send(self, method: str, path: str, body: Body, key: str | None = None) -> Any:
        """Send a command; with an idempotency `key`, it may be sent again."""
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["idempotency-key"] = key
        return self._call(method, path, json.dumps(body).encode(), headers)

    def refused(self, method: str, path: str, body: Body) -> str:
        """Send a command that must be refused (4xx); answers the problem's code."""
        headers = {"content-type": "application/json"}
        status, answer = self._try(method, path, json.dumps(body).encode(), headers)
        assert 400 <= status < 500, (path, status, answer)
        return answer["code"]

    def deliver(self, body: bytes) -> int:
        """Deliver an event as Stripe does, signed just now; answers its position in the log."""
        headers = {"stripe-signature": sign(body, self._secret, int(time.time()))}
        return self._call("POST", "/webhooks/stripe", body, headers)["position"]

    def forge(self, body: bytes) -> str:
        """Deliver an event that Stripe did not sign; answers the problem's code."""
        status, answer = self._try("POST", "/webhooks/stripe", body, {"stripe-signature": UNSIGNED})
        assert status == 400, (status, answer)
        return answer["code"]

    def get(self, path: str, **query: Any) -> Any:
        """Read."""
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path, None, {})

    def everything(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page."""
        page = self.get(path, limit=200, **query)
        yield from page["items"]
        while page["next"]:
            page = self.get(path, limit=200, cursor=page["next"], **query)
            yield from page["items"]

    def close(self) -> None:
        """Hang up; the next call connects again."""
        self._connection.close()

    def _call(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Any:
        status, answer = self._try(method, path, body, headers)
        for _ in range(PATIENCE):
            if status not in {503, 504}:
                break
            time.sleep(0.1)
            status, answer = self._try(method, path, body, headers)
        assert 200 <= status < 300, (method, path, status, answer)
        return answer

    def _try(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Any]:
        if self.token is not None:
            headers = headers | {"authorization": f"Bearer {self.token}"}
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            return response.status, json.loads(response.read())
        except OSError:
            self._connection.close()  # the next call connects again
            raise
