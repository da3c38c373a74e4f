"""The service of the console's tests: with a follower, people of each role, and a shop."""

import json
import re
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from html import unescape
from threading import Event, Thread
from typing import Any

from httpx2 import Response
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.asgi import create_app
from app.wiring import make_engine
from ledger.domain.access import Role
from ledger.domain.events import Metadata, NewEvent, StripeObjectObserved, StripePayoutListed
from ledger.domain.streams import stream_of
from ledger.log import Log
from ledger.settings import Settings
from ledger.tokens import issue
from projections.engine.follow import Follower
from simulator import SimulatedEvent, sign
from tests.support.servers import Server
from webhooks.ingest.observe import append_observed

SECRET = "whsec_of_the_console"
URL, HERE = "http://127.0.0.1", ("127.0.0.1", 50_000)
META = Metadata(actor="cli")


class Service:
    """Who signed in looks at pages and sends forms; the shop's own programs call the API."""

    def __init__(self, client: TestClient, tokens: dict[Role, str], log: Log) -> None:
        self.client = client
        self.tokens = tokens
        self.log = log
        self.position = 0

    def enter(self, role: Role) -> None:
        """Sign in with the token of a role."""
        self.client.cookies.clear()
        page = self.client.get("/console/sign-in")
        fields = hidden(page) | {"token": self.tokens[role]}
        entered = self.client.post("/console/sign-in", data=fields, follow_redirects=False)
        assert entered.status_code == 303, entered.text

    def look(self, path: str, *, htmx: bool = False) -> Response:
        return self.client.get(path, headers={"hx-request": "true"} if htmx else {})

    def see(self, path: str) -> str:
        """A page's text as a person reads it."""
        answer = self.look(path)
        assert answer.status_code == 200, answer.text
        return words(answer.text)

    def send(self, page: Response, path: str, **fields: str) -> Response:
        """Send a form of a page, with what is hidden in it."""
        return self.client.post(path, data=hidden(page) | fields)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """What a program of the shop does, seen by every page that is asked for afterwards."""
        bearer = {"authorization": f"Bearer {self.tokens[Role.ADMIN]}"}
        answer = self.client.request(method, path, json=body, headers=bearer)
        assert answer.status_code < 300, answer.text
        return self._seen(answer.json(), bearer)

    def deliver(self, events: list[SimulatedEvent]) -> None:
        """What Stripe sends."""
        bearer = {"authorization": f"Bearer {self.tokens[Role.ADMIN]}"}
        for event in events:
            header = {"stripe-signature": sign(event.body, SECRET, int(time.time()))}
            answer = self.client.post("/webhooks/stripe", content=event.body, headers=header)
            self._seen(answer.json(), bearer)

    def fetch(self, kind: str, shown: dict[str, Any]) -> None:
        """What Stripe's API shows of an object, as a pull takes it in."""
        fetched = StripeObjectObserved(
            kind=kind,
            object_id=shown["id"],
            body=json.dumps(shown).encode(),
            fetched_at=datetime.now(UTC),
            path=f"/v1/{kind}s",
            livemode=False,
        )
        append_observed(self.log, [fetched], META)
        self._waited()

    def list_payout(self, payout_id: str, *transaction_ids: str) -> None:
        """What Stripe's API lists as paid out by a payout, as a pull takes it in."""
        listed = StripePayoutListed(
            payout_id=payout_id,
            transaction_ids=transaction_ids,
            complete=True,
            fetched_at=datetime.now(UTC),
            livemode=False,
        )
        stream = str(stream_of(listed))
        self.log.append([NewEvent(stream, 1, listed, listed.fetched_at, META)])
        self._waited()

    def _waited(self) -> None:
        bearer = {"authorization": f"Bearer {self.tokens[Role.ADMIN]}"}
        self._seen({"position": self.log.head()}, bearer)

    def order(self, **given: Any) -> str:
        """Place an order of mugs at ten pounds each; answers its id."""
        quantity = given.pop("quantity", 2)
        line = {"sku": "MUG", "name": "Blue mug", "quantity": quantity, "unit_minor": 1000}
        return self.call("POST", "/orders", {"currency": "gbp", "lines": [line], **given})["id"]

    def _seen(self, answer: dict[str, Any], bearer: dict[str, str]) -> dict[str, Any]:
        waited = self.client.get("/orders", params={"after": answer["position"]}, headers=bearer)
        assert waited.status_code == 200, waited.text
        return answer


@contextmanager
def open_service(servers: Callable[[str], Server]) -> Generator[Service]:
    """A service with a thousand mugs in stock; who signed in is an operator."""
    server = servers("embedded")
    with ExitStack() as stack:
        database = server.create()
        stack.callback(server.drop, database)
        settings = Settings(
            _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
            database_url=SecretStr(database.admin_conninfo),
            stripe_webhook_secrets=(SecretStr(SECRET),),
        )
        log = stack.enter_context(closing(Log(database.conninfo("app"))))
        tokens = {
            role: issue(log, role, f"{role} here", META).token
            for role in (Role.OPS, Role.AUDITOR, Role.ANALYST, Role.ACCOUNTANT, Role.ADMIN)
        }
        stack.enter_context(_following(Follower(make_engine(settings, database, log))))
        app = create_app(settings, database)
        client = stack.enter_context(TestClient(app, base_url=URL, client=HERE))
        client.headers["origin"] = URL  # as a browser says with every form
        service = Service(client, tokens, log)
        service.call("PUT", "/products/MUG", {"name": "Blue mug", "prices": {"gbp": 1000}})
        service.call("POST", "/stock/MUG/receive", {"quantity": 1000})
        service.enter(Role.OPS)
        yield service


@contextmanager
def _following(follower: Follower) -> Generator[None]:
    stop = Event()
    thread = Thread(target=follower.run, args=[stop])
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def hidden(page: Response) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text)
    return {name: unescape(value) for name, value in found}


def words(html: str) -> str:
    """The text of a page on one line."""
    html = re.sub(r"</?code>", "", html)
    return " ".join(unescape(re.sub(r'<(?:"[^"]*"|[^>"])*>', " ", html)).split())
