"""The demo's shop: what is sold, to whom, and what lies in a basket."""

from random import Random
from typing import Any, Final

from msgspec import Struct


class Product(Struct, frozen=True):
    """A product; `prices` in minor units by currency, `units` arrive at the start."""

    sku: str
    name: str
    prices: dict[str, int]
    units: int


# More units than the orders of any run ask for, whatever their baskets: the demo must not fail.
PRODUCTS: Final = (
    Product("MUG-BLUE", "Blue mug", {"gbp": 1250, "usd": 1599, "jpy": 2200, "kwd": 4250}, 60),
    Product("MUG-RED", "Red mug", {"gbp": 1250, "usd": 1599, "jpy": 2200, "kwd": 4250}, 60),
    Product(
        "TEAPOT", "Stoneware teapot", {"gbp": 4200, "usd": 5400, "jpy": 7900, "kwd": 16200}, 60
    ),
    Product("TEE-S", "T-shirt, small", {"gbp": 2400, "usd": 2900, "jpy": 4100, "kwd": 8800}, 60),
    Product("TEE-M", "T-shirt, medium", {"gbp": 2400, "usd": 2900, "jpy": 4100, "kwd": 8800}, 60),
    Product("POSTER", "Poster of the bay", {"gbp": 899, "usd": 1099, "jpy": 1500, "kwd": 3120}, 60),
    Product("LAMP", "Desk lamp", {"gbp": 8950, "usd": 10900, "jpy": 16800, "kwd": 33500}, 60),
    Product("STAMPS", "Book of stamps", {"gbp": 135, "usd": 160, "jpy": 220, "kwd": 500}, 120),
)
_POPULARITY: Final = (9, 5, 4, 5, 8, 6, 3, 6)
"""How often each of `PRODUCTS` is wanted."""
SHIPPING_MINOR: Final = {"gbp": 395, "usd": 500, "jpy": 800, "kwd": 1500}
PEOPLE: Final = (
    "Ada Byron",
    "Bo Nilsson",
    "Chidi Okafor",
    "Dana Levy",
    "Emi Sato",
    "Farah Aziz",
    "Gwen Price",
    "Hugo Martin",
    "Ines Costa",
    "Jonas Weber",
)
WISHING: Final = 3
"""How many people wish for something in a day."""

Body = dict[str, Any]
"""What a call takes, such as `POST /orders`."""


def edition(run: int) -> Product:
    """A print of which there is one, another one in every run."""
    return Product(f"PRINT-{run}", f"Signed print no. {run}", {"gbp": 4800}, 1)


def choose(random: Random) -> list[Product]:
    """What a customer wants: one to three products, the popular ones more often."""
    count = random.choice((1, 1, 2, 2, 3))
    chosen = {p.sku: p for p in random.choices(PRODUCTS, _POPULARITY, k=count)}
    return list(chosen.values())


def units(random: Random) -> int:
    """How many units of a product a customer takes."""
    return random.choice((1, 1, 1, 1, 2, 3))


def basket(random: Random, order_id: str, currency: str) -> Body:
    """One to three products for a random customer, sent to their address."""
    lines = [_line(product, currency, units(random)) for product in choose(random)]
    return _body(order_id, currency, lines, random.choice(PEOPLE))


def single(order_id: str, product: Product, person: str) -> Body:
    """One unit of one product, in pounds."""
    return _body(order_id, "gbp", [_line(product, "gbp", 1)], person)


def wishes(random: Random) -> list[Body]:
    """What people put on their wishlists before they order, one to three products each."""
    return [
        {"customer_id": customer_id_of(person), "sku": product.sku}
        for person in random.sample(PEOPLE, WISHING)
        for product in random.sample(PRODUCTS, random.randint(1, 3))
    ]


def customer_id_of(person: str) -> str:
    """The id by which the shop knows a person."""
    return person.partition(" ")[0].lower()


def email_of(person: str) -> str:
    """An address that cannot exist (RFC 2606)."""
    return f"{customer_id_of(person)}@example.com"


def total_minor(body: Body) -> int:
    """What the order comes to, in minor units of its currency."""
    goods = sum(line["quantity"] * line["unit_minor"] for line in body["lines"])
    return goods + body["shipping_minor"]


def _line(product: Product, currency: str, quantity: int) -> Body:
    unit_minor = product.prices[currency]
    return {
        "sku": product.sku,
        "name": product.name,
        "quantity": quantity,
        "unit_minor": unit_minor,
    }


def _body(order_id: str, currency: str, lines: list[Body], person: str) -> Body:
    return {
        "id": order_id,
        "currency": currency,
        "lines": lines,
        "customer_id": customer_id_of(person),
        "email": email_of(person),
        "shipping_minor": SHIPPING_MINOR[currency],
        "shipping_address": {"name": person, "line1": "1 Harbour Street", "country": "GB"},
    }
