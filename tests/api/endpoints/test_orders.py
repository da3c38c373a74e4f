"""Orders over HTTP: what a shop's developer sends, and what they are answered."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from api.auth import Auth
from api.endpoints import orders, stock
from api.openapi import describe
from api.operations import problem
from ledger.command_handler import CommandHandler
from ledger.domain.events import (
    Address,
    Line,
    OrderPlaced,
    PaymentLinked,
    PaymentUnlinked,
    ProductListed,
    RefundRequested,
    RefundWithdrawn,
    StockAdjusted,
    StockReturned,
)
from ledger.domain.order_commands import KnownPayment, OrderMoney
from ledger.errors import (
    InvalidCommand,
    InvalidRequest,
    LedgerError,
    Refused,
    UnknownOrder,
    UnknownPayment,
)
from ledger.log import Log
from ledger.postgres.database import Database
from ledger.settings import Settings
from tests.support.callers import let_in
from tests.support.judged import JudgedClient

routes = [*orders.routes, *stock.routes]
UNPAID = OrderMoney(
    paid_minor=0,
    refunded_minor=0,
    pending_refund_minor=0,
    currency="eur",
    fully_paid=False,
    position=0,
)
PAID = replace(UNPAID, paid_minor=3000, fully_paid=True, position=3)
FREE = KnownPayment(exists=True)
MUGS = {"sku": "MUG", "name": "Mug", "quantity": 2, "unit_minor": 1200}
TEA = {"sku": "TEA", "name": "Tea", "quantity": 1, "unit_minor": 600}
ORDER: dict[str, Any] = {"id": "A1", "currency": "eur", "lines": [MUGS, TEA]}
STATUSES = {
    UnknownOrder: 404,
    UnknownPayment: 404,
    InvalidCommand: 422,
    Refused: 409,
    InvalidRequest: 422,
}


def refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, LedgerError)
    return problem(error, next(s for kind, s in STATUSES.items() if isinstance(error, kind)))


class Shop:
    """The service with its command handler; `money` is what Stripe is known to have done."""

    def __init__(self, log: Log, *, repeated: bool) -> None:
        self.log = log
        self.repeated = repeated
        self.money: dict[str, OrderMoney] = {}
        self.payments = {"pi_1": FREE, "pi_2": FREE}
        self.command_handler = CommandHandler(
            log,
            lambda order_id: self.money.get(order_id, UNPAID),
            lambda payment_id: self.payments.get(payment_id, KnownPayment()),
        )
        self.client = JudgedClient(
            Starlette(
                routes=routes, exception_handlers={LedgerError: refuse}, lifespan=self._lifespan
            ),
            client=("127.0.0.1", 50_000),
        )
        self.actor: str

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[dict[str, Any]]:
        yield {
            "command_handler": self.command_handler,
            "log": self.log,
            "auth": Auth(self.log),
            "settings": Settings(ledger_reservation_minutes=45, ledger_repeated_skus=self.repeated),
        }

    def ask(self, path: str, body: Any = None, *, method: str = "POST", **headers: str) -> Any:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.request(method, path, json=body or {}, headers=sent)

    def stock_up(self) -> None:
        for sku, unit_minor in (("MUG", 1200), ("TEA", 600)):
            product = {"name": sku, "prices": {"eur": unit_minor}}
            assert self.ask(f"/products/{sku}", product, method="PUT").status_code == 200
            assert self.ask(f"/stock/{sku}/receive", {"quantity": 10}).status_code == 200

    def last(self) -> Any:
        (recorded,) = self.log.read(self.log.head() - 1)
        return recorded


@pytest.fixture
def shop(database: Database, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """With a parameter: one that allows a SKU in several lines."""
    log = Log(database.conninfo("app"))
    shop = Shop(log, repeated=getattr(request, "param", False))
    with shop.client:
        shop.actor = let_in(shop.client)
        yield shop
    log.close()


def test_a_product_is_listed_and_its_stock_counted(shop: Shop) -> None:
    product = {"name": "Mug", "prices": {"eur": 1200, "usd": 1300}, "preorder": True}
    answer = shop.ask("/products/MUG", product, method="PUT")
    assert (answer.status_code, answer.json()) == (
        200,
        {"sku": "MUG", "position": 1, "recorded": ["stock.product_listed.v1"]},
    )
    assert shop.last().event == ProductListed(
        sku="MUG", name="Mug", prices={"eur": 1200, "usd": 1300}, preorder=True
    )
    answer = shop.ask("/products/MUG", product, method="PUT")
    assert answer.json() == {"sku": "MUG", "position": 1, "recorded": []}
    answer = shop.ask("/stock/MUG/receive", {"quantity": 10, "reason": "invoice 12"})
    assert (answer.status_code, answer.json()) == (
        200,
        {"sku": "MUG", "position": 2, "recorded": ["stock.received.v1"]},
    )
    answer = shop.ask("/stock/MUG/adjust", {"change": -3, "reason": "broken"})
    assert (answer.json()["position"], answer.json()["recorded"]) == (3, ["stock.adjusted.v1"])
    assert shop.last().event == StockAdjusted(sku="MUG", change=-3)
    assert shop.last().meta.reason == "broken"


def test_a_currency_may_be_written_in_capitals_and_must_be_one(shop: Shop) -> None:
    shop.stock_up()
    assert shop.ask("/orders", ORDER | {"currency": "EUR"}).status_code == 201
    placed = next(e.event for e in shop.log.stream("order/A1"))
    assert isinstance(placed, OrderPlaced)
    assert placed.currency == "eur"
    refused = shop.ask("/products/CUP", {"name": "Cup", "prices": {"zzz": 100}}, method="PUT")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "currency")
    refused = shop.ask("/products/CUP", {"name": "Cup", "prices": {"isk": 101}}, method="PUT")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "prices.isk")


PAST = ORDER | {"placed_at": "2019-03-01T10:00:00+02:00"}


def test_an_order_of_the_past_takes_no_stock_and_has_its_own_time(shop: Shop) -> None:
    unknown = {"sku": "price_1Abc", "name": "Gone", "quantity": 900, "unit_minor": 7}
    answer = shop.ask("/orders", PAST | {"lines": [unknown, unknown]})
    assert (answer.status_code, answer.json()["recorded"]) == (201, ["order.placed.v1"])
    recorded = shop.last()
    assert recorded.effective_at == datetime(2019, 3, 1, 8, tzinfo=UTC)
    assert (recorded.event.origin, recorded.event.reserves_stock) == ("import", False)
    assert recorded.event.expires_at == recorded.effective_at + timedelta(minutes=45)
    assert recorded.event.total_minor == 12_600


@pytest.mark.parametrize("wrong", ["2999-01-01T00:00:00Z", "1969-12-31T23:59:59Z"])
def test_the_past_is_between_1970_and_now(shop: Shop, wrong: str) -> None:
    answer = shop.ask("/orders", PAST | {"placed_at": wrong})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "placed_at")
    naive = shop.ask("/orders", PAST | {"placed_at": "2019-03-01T10:00:00"})
    assert naive.status_code == 422
    assert shop.log.head() == 0


def test_an_order_is_placed_as_it_was_sent(shop: Shop) -> None:
    shop.stock_up()
    start, now = shop.log.head(), datetime.now(UTC)
    sent = ORDER | {
        "customer_id": "cus_1",
        "email": "ada@example.com",
        "shipping_minor": 500,
        "tax_minor": 70,
        "discount_minor": 20,
        "total_minor": 3550,
        "shipping_address": {"name": "Ada", "city": "London"},
    }
    answer = shop.ask("/orders", sent)
    assert answer.status_code == 201
    reserved = ["stock.reserved.v1"] * 2
    made = ["order.placed.v1", *reserved]
    assert answer.json() == {"id": "A1", "position": start + 3, "recorded": made}
    recorded = shop.log.read(start)[0]
    assert isinstance(recorded.event, OrderPlaced)
    assert now <= recorded.effective_at <= datetime.now(UTC)
    reserved = recorded.event.expires_at - recorded.effective_at
    assert timedelta(minutes=45) <= reserved < timedelta(minutes=46)  # by whichever clock is ahead
    assert recorded.event == OrderPlaced(
        order_id="A1",
        currency="eur",
        lines=(Line(**MUGS), Line(**TEA)),
        total_minor=3550,
        expires_at=recorded.event.expires_at,
        customer_id="cus_1",
        email="ada@example.com",
        shipping_minor=500,
        tax_minor=70,
        discount_minor=20,
        shipping_address=Address(name="Ada", city="London"),
    )


def test_an_order_without_an_id_gets_one(shop: Shop) -> None:
    shop.stock_up()
    ids = {shop.ask("/orders", {**ORDER, "id": None}).json()["id"] for _ in range(2)}
    assert {len(order_id) for order_id in ids} == {32}
    assert len(ids) == 2


def test_the_audit_log_learns_who_asked_from_where_and_why(shop: Shop) -> None:
    shop.stock_up()
    shop.ask("/orders", ORDER)
    shop.ask(
        "/orders/A1/cancel", {"reason": "changed her mind"}, User_Agent="till/1", X_Request_Id="r1"
    )
    meta = shop.last().meta
    assert (meta.actor, meta.address, meta.user_agent) == (shop.actor, "127.0.0.1", "till/1")
    assert (meta.request_id, meta.reason) == ("r1", "changed her mind")
    assert meta.correlation == "order/A1"


def test_an_order_lives_from_payment_to_refund(shop: Shop) -> None:
    shop.stock_up()
    shop.ask("/orders", ORDER)
    linked = shop.ask("/orders/A1/payments", {"payment_id": "pi_1"})
    assert linked.status_code == 201
    assert shop.last().event == PaymentLinked(order_id="A1", payment_id="pi_1")
    assert shop.ask("/orders/A1/fulfil").json()["code"] == "wrong_state"
    shop.money["A1"] = PAID
    assert shop.ask("/orders/A1/fulfil").status_code == 200
    head = shop.log.head()
    assert shop.ask("/orders/A1/fulfil").json() == {
        "id": "A1",
        "position": head - 2,
        "recorded": [],  # it was so already
    }
    assert shop.log.head() == head
    back = shop.ask("/orders/A1/return", {"quantities": {"MUG": 1}, "reason": "chipped"})
    assert back.status_code == 200
    assert shop.last().event == StockReturned(sku="MUG", order_id="A1", quantity=1)
    asked = shop.ask("/orders/A1/refunds", {"amount_minor": 1200, "reason": "chipped"})
    assert (asked.status_code, asked.json()["id"]) == (201, "A1")
    assert shop.last().event == RefundRequested(
        order_id="A1", amount_minor=1200, currency="eur", based_on_position=3
    )
    assert shop.ask("/orders/A1/refunds", {"amount_minor": 1801}).status_code == 422
    shop.money["A1"] = replace(PAID, open_requests={"A1:5": 1200})
    withdrawn = shop.ask("/orders/A1/refunds/A1:5/withdraw", {"reason": "not chipped after all"})
    assert (withdrawn.status_code, withdrawn.json()["id"]) == (200, "A1")
    assert shop.last().event == RefundWithdrawn(
        request_id="A1:5", order_id="A1", amount_minor=1200, based_on_position=3
    )
    assert shop.last().meta.reason == "not chipped after all"
    assert shop.ask("/orders/A1/refunds/A1:5/withdraw").json()["recorded"] == []
    assert shop.ask("/orders/A1/refunds/A1:6/withdraw").json()["code"] == "wrong_state"
    assert shop.ask("/orders/A1/refunds/B1:5/withdraw").json()["code"] == "wrong_state"
    assert shop.ask("/orders/A1/refunds/A1/withdraw").status_code == 422


@pytest.mark.parametrize("shop", [True], indirect=True)
def test_lines_of_one_sku_come_back_by_their_ids(shop: Shop) -> None:
    shop.stock_up()
    lines = [MUGS, MUGS | {"name": "Mug for Ada", "quantity": 1, "line_id": "ada"}]
    assert shop.ask("/orders", ORDER | {"lines": [*lines, lines[1]]}).status_code == 422
    assert shop.ask("/orders", ORDER | {"lines": lines}).status_code == 201
    shop.money["A1"] = replace(PAID, paid_minor=3600)
    assert shop.ask("/orders/A1/fulfil").status_code == 200
    by_sku = shop.ask("/orders/A1/return", {"quantities": {"MUG": 1}, "reason": "chipped"})
    assert by_sku.status_code == 422
    assert "is out in the lines 1, ada" in by_sku.json()["detail"]
    both = shop.ask(
        "/orders/A1/return", {"line_quantities": {"1": 1, "ada": 1}, "reason": "chipped"}
    )
    assert both.status_code == 200
    assert shop.last().event == StockReturned(sku="MUG", order_id="A1", quantity=2)
    nothing = shop.ask("/orders/A1/return", {"reason": "chipped"})
    assert (nothing.status_code, nothing.json()["code"]) == (422, "invalid_command")


def test_a_link_names_a_payment_that_is_known_and_free_and_can_be_taken_back(shop: Shop) -> None:
    shop.stock_up()
    shop.ask("/orders", ORDER)
    shop.payments |= {
        "ch_1": KnownPayment(charge_of="pi_1"),
        "pi_taken": KnownPayment(exists=True, order_id="B2", linked_by="metadata"),
        "pi_ours": KnownPayment(exists=True, order_id="A1", linked_by="metadata"),
    }

    def linked(payment_id: str, **more: Any) -> tuple[int, str]:
        answer = shop.ask("/orders/A1/payments", {"payment_id": payment_id, **more})
        return answer.status_code, answer.json().get("detail", "")

    assert linked("pi_typo")[0] == 404
    assert linked("pi_typo", expected=True)[0] == 201
    assert linked("ch_1") == (422, "ch_1 is a charge of payment pi_1; link that.")
    assert linked("pi_taken") == (409, "Payment pi_taken belongs to order B2.")
    assert linked("pi_1")[0] == 201
    path = "/orders/A1/payments/pi_1"
    gone = shop.ask(f"{path}?reason=wrong", method="DELETE", Idempotency_Key="k")
    assert gone.status_code == 200
    unlinked = shop.log.at([gone.json()["position"] - 1, gone.json()["position"]])[0]
    assert unlinked.event == PaymentUnlinked(order_id="A1", payment_id="pi_1")
    assert unlinked.meta.reason == "wrong"
    again = shop.ask(f"{path}?reason=wrong", method="DELETE", Idempotency_Key="k")
    assert again.json() == gone.json()
    assert shop.ask(path, method="DELETE").status_code == 404
    assert shop.ask("/orders/A1/payments/pi_ours", method="DELETE").status_code == 409
    assert shop.ask("/orders/NONE/payments/pi_1", method="DELETE").status_code == 404


def test_an_order_paid_too_late_gets_stock_when_there_is_some(shop: Shop) -> None:
    shop.stock_up()
    shop.ask("/orders", ORDER)
    assert shop.ask("/orders/A1/expire").status_code == 200
    assert shop.ask("/orders/A1/reallocate").json()["code"] == "wrong_state"
    shop.money["A1"] = PAID
    assert shop.ask("/orders/A1/reallocate").status_code == 200
    assert shop.ask("/orders/A1/fulfil").status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "change"),
    [
        ("/orders", ORDER, {"email": "ada@example.com"}),
        ("/orders/A0/cancel", {}, {"reason": "late"}),
        ("/orders/A0/payments", {"payment_id": "pi_1"}, {"payment_id": "pi_2"}),
        ("/stock/MUG/receive", {"quantity": 1}, {"quantity": 2}),
    ],
)
def test_a_key_makes_a_call_safe_to_repeat(
    shop: Shop, path: str, body: dict[str, Any], change: dict[str, Any]
) -> None:
    """The same answer to the same request, whatever its spaces; another one is refused."""
    shop.stock_up()
    shop.ask("/orders", ORDER | {"id": "A0"})
    first = shop.ask(path, body, Idempotency_Key="key 1")
    head = shop.log.head()
    assert first.is_success
    assert first.json()["position"] == head
    headers = {"Idempotency-Key": "key 1", "Content-Type": "application/json"}
    spaced = str(body).replace("'", '"').replace(",", " ,\n")
    again = shop.client.post(path, content=spaced, headers=headers)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    other = shop.ask(path, body | change, Idempotency_Key="key 1")
    elsewhere = shop.ask("/orders/A0/expire", Idempotency_Key="key 1")
    assert other.json()["code"] == elsewhere.json()["code"] == "idempotency_mismatch"
    assert shop.log.head() == head


def test_a_repeat_gets_the_id_that_was_made_for_the_first(shop: Shop) -> None:
    shop.stock_up()
    order = {"currency": "eur", "lines": [TEA]}
    first = shop.ask("/orders", order, Idempotency_Key="k")
    assert shop.ask("/orders", order, Idempotency_Key="k").json() == first.json()


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/orders", ORDER, 409, "already_exists"),
        ("/orders", ORDER | {"id": "A2", "lines": [MUGS | {"quantity": 9}]}, 409, "out_of_stock"),
        ("/orders", ORDER | {"id": "A2", "lines": [MUGS | {"unit_minor": 1}]}, 409, "wrong_price"),
        ("/orders", ORDER | {"id": "A2", "lines": [MUGS | {"sku": "X"}]}, 409, "unknown_product"),
        ("/orders", ORDER | {"id": "A2", "lines": [TEA, TEA]}, 422, "invalid_command"),
        ("/orders", ORDER | {"id": "A2", "total_minor": 1}, 422, "invalid_command"),
        ("/orders", ORDER | {"id": "a/b"}, 422, "invalid_request"),
        ("/orders", ORDER | {"currency": "EURO"}, 422, "invalid_request"),
        ("/orders", ORDER | {"lines": [MUGS | {"quantity": 51}]}, 422, "invalid_request"),
        ("/orders", ORDER | {"lines": [MUGS | {"unit_minor": 12.0}]}, 422, "invalid_request"),
        ("/orders", ORDER | {"email": "a\0b"}, 422, "invalid_request"),
        ("/orders/B1/cancel", {}, 404, "unknown_order"),
        ("/orders/B%00/cancel", {}, 422, "invalid_command"),
        ("/orders/A1/return", {"quantities": {"MUG": 1}}, 422, "invalid_request"),
        ("/orders/A1/return", {"quantities": {}, "reason": "x"}, 422, "invalid_request"),
        ("/orders/A1/return", {"quantities": {"MUG": 1}, "reason": "x"}, 409, "wrong_state"),
        ("/orders/A1/refunds", {"amount_minor": 1}, 409, "wrong_state"),
        ("/stock/CUP/receive", {"quantity": 1}, 409, "unknown_product"),
        ("/stock/MUG/adjust", {"change": -1}, 422, "invalid_request"),
        ("/stock/MUG/adjust", {"change": -9, "reason": "x"}, 409, "out_of_stock"),
        ("/stock/M%00G/receive", {"quantity": 1}, 422, "invalid_command"),
    ],
)
def test_a_refused_call_says_why_and_changes_nothing(
    shop: Shop, path: str, body: dict[str, Any], status: int, says: str
) -> None:
    shop.stock_up()
    shop.ask("/orders", ORDER)
    before = shop.log.read()
    answer = shop.ask(path, body, Idempotency_Key="key-1")
    assert (answer.status_code, answer.json()["code"]) == (status, says)
    assert ("errors" in answer.json()) == (says not in {"wrong_state", "unknown_order"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert shop.log.read() == before


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        ("/orders", ORDER | {"total_minor": 1}, ("total_minor", "out_of_range", 1)),
        ("/orders", ORDER | {"discount_minor": 10**6}, ("discount_minor", "out_of_range", 10**6)),
        (
            "/orders",
            ORDER | {"lines": [MUGS | {"unit_minor": 1}]},
            ("unit_minor", "out_of_range", 1),
        ),
        (
            "/orders",
            ORDER | {"lines": [MUGS | {"quantity": 51}]},
            ("lines.0.quantity", "out_of_range", 51),
        ),
        (
            "/orders",
            ORDER | {"lines": [MUGS | {"quantity": 0}]},
            ("lines.0.quantity", "greater_than_equal", None),
        ),
        ("/stock/MUG/adjust", {"change": 0, "reason": "x"}, ("change", "invalid", None)),
        ("/stock/MUG/receive", {"quantity": 10**10}, ("quantity", "less_than_equal", None)),
    ],
)
def test_a_refusal_names_the_field_its_bounds_and_the_currency(
    shop: Shop, path: str, body: dict[str, Any], wrong: tuple[str, str, int | None]
) -> None:
    shop.stock_up()
    (told,) = shop.ask(path, body).json()["errors"]
    assert (told["field"], told["code"], told.get("value")) == wrong
    if told["code"] == "out_of_range":
        assert told["least"] <= told["most"]
        assert told.get("currency") == ("eur" if told["field"].endswith("_minor") else None)


def test_every_route_is_documented() -> None:
    document = describe(routes, "Ledger", "1", {})
    described = {(m, p) for p, methods in document["paths"].items() for m in methods}
    assert len(described) == len(routes)
    for path, method in ((p, m) for m, p in described):
        operation = document["paths"][path][method]
        assert operation["summary"]
        assert "Idempotency-Key" in {p["name"] for p in operation["parameters"]}
