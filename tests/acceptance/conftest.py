"""The whole service in this process, for callers who wish it ill."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from typing import NamedTuple

import pytest
from httpx2 import Response
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.asgi import create_app
from app.wiring import make_engine
from ledger.errors import RebuildRunning
from ledger.log import Log
from ledger.settings import Settings
from projections.engine.build import ProjectionContext
from projections.engine.verify import Proof, verify
from simulator import SimulatedStripe, sign
from tests.support.callers import let_in
from tests.support.following import following
from tests.support.judged import JudgedClient
from tests.support.servers import Server

SECRET = "whsec_of_the_hostile"


class Service(NamedTuple):
    """The whole service with its follower, and something in its read models."""

    client: TestClient
    engine: ProjectionContext
    names: list[str]


@pytest.fixture(scope="module")
def service(servers: Callable[[str], Server]) -> Iterator[Service]:
    server = servers("embedded")
    with ExitStack() as stack:
        database = server.create()
        stack.callback(server.drop, database)
        given = Settings(
            _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
            database_url=SecretStr(database.admin_conninfo),
            stripe_webhook_secrets=(SecretStr(SECRET),),
        )
        log = stack.enter_context(closing(Log(database.conninfo("app"))))
        engine = make_engine(given, database, log)
        stack.enter_context(following(engine))
        client = stack.enter_context(
            JudgedClient(
                create_app(given, database),
                base_url="http://127.0.0.1",
                client=("127.0.0.1", 50000),
                raise_server_exceptions=False,
            )
        )
        let_in(client)
        yield Service(client, engine, fill(client))


def deliver(client: TestClient, body: bytes) -> Response:
    """Send a body as Stripe does, signed just now."""
    headers = {"stripe-signature": sign(body, SECRET, int(time.time()))}
    return client.post("/webhooks/stripe", content=body, headers=headers)


def fill(client: TestClient) -> list[str]:
    """An order, paid; answers the ids that a caller may know."""
    stripe = SimulatedStripe("hostile")
    payment, events = stripe.create_payment(2500, "gbp", order_id="A1")
    client.put("/products/MUG", json={"name": "Blue mug", "prices": {"gbp": 1250}})
    client.post("/stock/MUG/receive", json={"quantity": 500})
    line = {"sku": "MUG", "name": "Blue mug", "quantity": 2, "unit_minor": 1250}
    answer = client.post("/orders", json={"id": "A1", "currency": "gbp", "lines": [line]})
    assert answer.status_code == 201, answer.text
    for event in [*events, *stripe.pay_by_card(payment)]:
        assert deliver(client, event.body).status_code == 200
    assert payment.intent_id is not None
    return ["A1", "MUG", "1", payment.intent_id]


def verify_alone(engine: ProjectionContext) -> Proof:
    """The proof, once those that callers asked for have ended."""
    while True:
        with suppress(RebuildRunning):
            return verify(engine)
        time.sleep(0.1)
