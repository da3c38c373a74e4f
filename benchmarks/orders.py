"""Orders over HTTP: many products at once, and everybody wanting the last pieces of one."""

import json
from contextlib import closing
from functools import partial
from typing import Final, NamedTuple

from benchmarks import load
from benchmarks.commits import SINGLE_ROW_COMMITS, Commits
from benchmarks.load import CONNECTIONS, Load
from benchmarks.measuring import Figure, Goal, Sample, Taken, alternate
from benchmarks.processes import Service, in_child, serving
from benchmarks.server import Server
from ledger.domain.stock import Item, StockEvent, Unlisted, evolve
from ledger.log import Log

DIFFERENT: Final = "orders of different products"
ONE: Final = "64 buyers of one product"
PRODUCTS: Final = 400
UNITS: Final = 1_000_000
PRICE_MINOR: Final = 1250
SOLD_OUT: Final = "409 out_of_stock"


class Scale(NamedTuple):
    """How much is measured, in orders a repetition; `stock` units are there for `buyers` orders."""

    rounds: int
    warm_up: int
    orders: int
    buyers: int
    stock: int
    commit_seconds: int


FULL = Scale(rounds=3, warm_up=300, orders=3_000, buyers=1_280, stock=320, commit_seconds=4)
QUICK = Scale(rounds=1, warm_up=64, orders=256, buyers=192, stock=40, commit_seconds=1)


def measure(server: Server, scale: Scale) -> list[Figure]:
    """Orders a second, and what becomes of buyers when a product runs out, in turns."""
    with serving(server) as service:
        in_child(offer, service, [_sku(number) for number in range(PRODUCTS)], UNITS)
        _place(service, "warm-up", scale.warm_up)
        taken = alternate(
            scale.rounds,
            {
                DIFFERENT: partial(_place_timed, service, orders=scale.orders),
                ONE: partial(_sell_out, service, buyers=scale.buyers, stock=scale.stock),
                SINGLE_ROW_COMMITS: Commits(server, scale.commit_seconds),
            },
        )
    return _figures(taken)


def _figures(taken: Taken) -> list[Figure]:
    return [
        Figure(
            what=f"orders of 2 lines placed, different products, {CONNECTIONS} connections",
            unit="/s",
            samples=taken.of(DIFFERENT),
            beside=taken.beside(SINGLE_ROW_COMMITS),
            goals=(Goal("≥", 500),),
        ),
        Figure(what="from order to answer, p99", unit="ms", samples=taken.of(DIFFERENT, "p99_ms")),
        Figure(what=f"{ONE}, answered", unit="/s", samples=taken.of(ONE)),
        Figure(
            what="units sold, of those there were",
            unit="%",
            samples=taken.of(ONE, "sold_percent"),
            goals=(Goal("=", 100, of_speed=False),),
        ),
        Figure(
            what="answers but a sale or out of stock",
            unit="",
            samples=taken.of(ONE, "other_answers"),
            goals=(Goal("=", 0, of_speed=False),),
        ),
        Figure(
            what="lowest stock that the log shows",
            unit="units",
            samples=taken.of(ONE, "lowest"),
            goals=(Goal("≥", 0, of_speed=False),),
        ),
    ]


def _place(service: Service, turn: object, orders: int) -> Load:
    placed = in_child(place_orders, service, f"{turn}", orders)
    assert placed.answers == {"201": orders}, placed.answers
    return placed


def _place_timed(service: Service, turn: int, orders: int) -> Sample:
    return _place(service, turn, orders).sample()


def _sell_out(service: Service, turn: int, buyers: int, stock: int) -> Sample:
    """All want one unit of a product that not all can have."""
    sku = f"RARE-{turn}"
    in_child(offer, service, [sku], stock)
    answered = in_child(buy, service, sku, buyers)
    sold = answered.answers.get("201", 0)
    refused = answered.answers.get(SOLD_OUT, 0)
    lowest, left = _stock_levels(service, sku)
    assert left == stock - sold, "answers and log disagree about what was sold"
    return {
        **answered.sample(),
        "sold_percent": 100 * sold / stock,
        "other_answers": buyers - sold - refused,
        "lowest": lowest,
    }


def _stock_levels(service: Service, sku: str) -> tuple[int, int]:
    """The lowest level after any event of the product's stream, and the last one."""
    item: Item = Unlisted()
    levels: list[int] = []
    with closing(Log(service.database.conninfo("reader"), connections=1)) as log:
        for recorded in log.stream(f"stock/{sku}"):
            assert isinstance(recorded.event, StockEvent)
            item = evolve(item, recorded.event)
            levels.append(item.levels.available)
    return min(levels), levels[-1]


# ── In a process of its own ─────────────────────────────────────────────────────────────────────


def offer(service: Service, skus: list[str], units: int) -> None:
    """List products, and count in units of each."""
    product = {"name": "A product", "prices": {"gbp": PRICE_MINOR}}
    listed = load.fire(
        service.port, [_json(service, "PUT", f"/products/{sku}", product) for sku in skus]
    )
    assert listed.answers == {"200": len(skus)}, listed.answers
    received = load.fire(
        service.port,
        [_json(service, "POST", f"/stock/{sku}/receive", {"quantity": units}) for sku in skus],
    )
    assert received.answers == {"200": len(skus)}, received.answers


def place_orders(service: Service, turn: str, count: int) -> Load:
    """Place orders of two lines, each of two products that its neighbours do not want."""
    orders = [
        _order(service, f"order-{turn}-{number}", _sku(2 * number), _sku(2 * number + 1))
        for number in range(count)
    ]
    return load.fire(service.port, orders)


def buy(service: Service, sku: str, count: int) -> Load:
    """So many orders of one unit of one product."""
    orders = [_order(service, f"order-{sku}-{number}", sku) for number in range(count)]
    return load.fire(service.port, orders)


def _sku(number: int) -> str:
    return f"SKU-{number % PRODUCTS}"


def _order(service: Service, order_id: str, *skus: str) -> bytes:
    lines = [
        {"sku": sku, "name": "A product", "quantity": 1, "unit_minor": PRICE_MINOR} for sku in skus
    ]
    order = {
        "id": order_id,
        "currency": "gbp",
        "email": "buyer@example.com",
        "lines": lines,
    }
    return _json(service, "POST", "/orders", order, Idempotency_Key=f"key-{order_id}")


def _json(service: Service, method: str, path: str, body: object, **headers: str) -> bytes:
    bearer = f"Bearer {service.token}"
    return load.request(method, path, json.dumps(body).encode(), Authorization=bearer, **headers)
