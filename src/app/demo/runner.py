"""Plays the script over HTTP: products, wishes, orders, what Stripe sends, the shop's answers."""

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from app.demo.client import Client
from app.demo.script import Placed, Script
from app.demo.shop import PEOPLE, PRODUCTS, Body, Product, single
from simulator import SimulatedEvent

FULFILLED_OF_TEN = 7

Item = TypeVar("Item")


class Track(Protocol):
    """Hands on the items of an act, and may show how far it is."""

    def __call__(self, label: str, items: Sequence[Item], /) -> Iterable[Item]:
        """The items."""
        ...


class Played(NamedTuple):
    """What was played: the last position, how many deliveries came and how many came again."""

    position: int
    deliveries: int
    duplicates: int


def play(client: Client, script: Script, track: Track) -> Played:
    """Play all of it."""
    for product in (*PRODUCTS, script.print):
        _stock(client, product)
    _wish(client, script.wishes)
    for placed in track("placing orders", script.orders):
        _place(client, placed)
    assert client.refused("POST", "/orders", single("one-too-many", script.print, PEOPLE[0]))
    sent = script.send(int(time.time()) + 1)
    assert client.forge(sent[0].body) == "bad_signature"
    position = 0
    for event in track("Stripe's events", sent):
        position = max(position, _deliver(client, event))
    last = max(position, _answer(client, script, position, track))
    return Played(last, len(sent), len(sent) - len({event.id for event in sent}))


def _deliver(client: Client, event: SimulatedEvent) -> int:
    """Deliver an event once it has happened; answers its position."""
    time.sleep(max(0.0, event.created - time.time()))
    return client.deliver(event.body)


def _stock(client: Client, product: Product) -> None:
    listed = {"name": product.name, "prices": product.prices}
    client.send("PUT", f"/products/{product.sku}", listed)
    received = {"quantity": product.units, "reason": "delivery note"}
    client.send("POST", f"/stock/{product.sku}/receive", received)


def _wish(client: Client, wishes: Sequence[Body]) -> None:
    """Customers fill their wishlists; the last one thinks better of it."""
    for wish in wishes:
        client.send("POST", "/wishlist/add", wish)
    client.send("POST", "/wishlist/remove", wishes[-1])


def _place(client: Client, placed: Placed) -> None:
    """Place an order, every seventh one twice with the same key: a shop repeats itself."""
    order_id = placed.body["id"]
    first = client.send("POST", "/orders", placed.body, key=f"place-{order_id}")
    if order_id.endswith("7"):
        assert client.send("POST", "/orders", placed.body, key=f"place-{order_id}") == first
    if placed.then:
        client.send("POST", f"/orders/{order_id}/{placed.then}", {"reason": "the customer left"})


def _answer(client: Client, script: Script, position: int, track: Track) -> int:
    """What the shop does once the money is there; answers the last position."""
    for order_id, payment_id in script.unlinked:
        client.send("POST", f"/orders/{order_id}/payments", {"payment_id": payment_id})
    last = _fulfil(client, script, position, track)
    for given in script.goodwill:
        asked = {"amount_minor": given.amount_minor, "reason": "arrived late"}
        client.send("POST", f"/orders/{given.order_id}/refunds", asked)
    for events in script.send_goodwill(int(time.time())):
        for event in events:
            last = _deliver(client, event)
    return last


def _fulfil(client: Client, script: Script, position: int, track: Track) -> int:
    """Send out most of what is paid and keeps its money; one customer sends goods back."""
    ours = {placed.body["id"]: placed.body for placed in script.orders}
    paid = list(client.everything("/orders", state="paid", after=position))
    kept = [row["order_id"] for row in paid if row["order_id"] in ours and row["net_minor"] > 0]
    sent = [order_id for order_id in kept if script.random.randrange(10) < FULFILLED_OF_TEN]
    for order_id in track("sending out", sent):
        position = client.send("POST", f"/orders/{order_id}/fulfil", {})["position"]
    line = ours[sent[0]]["lines"][0]
    back = {"quantities": {line["sku"]: 1}, "reason": "the wrong size"}
    return client.send("POST", f"/orders/{sent[0]}/return", back)["position"]
