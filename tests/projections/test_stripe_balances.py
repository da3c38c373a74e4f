"""Balances at Stripe, by its events and by its answers."""

from tests.projections.models import NOON, Models

HELD = {
    "object": "balance",
    "livemode": False,
    "available": [{"amount": 700, "currency": "eur"}, {"amount": 5, "currency": "jpy"}],
    "pending": [{"amount": -30, "currency": "eur"}],
    "issuing": {"available": [{"amount": 40, "currency": "eur"}]},
    "refund_and_dispute_prefunding": {
        "available": [{"amount": 60, "currency": "eur"}],
        "pending": [],
    },
    "connect_reserved": [{"amount": 80, "currency": "eur"}],
}
TOLD = "select account, currency, minor from stripe_balances order by 1, 2"


def test_an_event_tells_every_balance_and_a_later_one_counts(models: Models) -> None:
    def event(number: int, seconds: int, **more: object) -> dict[str, object]:
        return {
            "id": f"evt_{number}",
            "object": "event",
            "type": "balance.available",
            "created": int(NOON.timestamp()) + seconds,
            "livemode": False,
            "data": {"object": HELD | more},
        }

    models.hear(event(1, 60))
    assert models.rows(TOLD) == [
        ("assets:stripe:connect_reserved:available", "eur", 80),
        ("assets:stripe:issuing:available", "eur", 40),
        ("assets:stripe:payments:available", "eur", 700),
        ("assets:stripe:payments:available", "jpy", 5),
        ("assets:stripe:payments:pending", "eur", -30),
        ("assets:stripe:payments:pending", "jpy", 0),
        ("assets:stripe:prefunding:available", "eur", 60),
        ("assets:stripe:prefunding:pending", "eur", 0),
    ]
    models.hear(event(2, 50, available=[{"amount": 1, "currency": "eur"}]))
    models.hear(event(3, 70, available=[{"amount": 710, "currency": "eur"}], issuing="damaged"))
    held = dict(models.rows("select account, minor from stripe_balances where currency = 'eur'"))
    assert held["assets:stripe:payments:available"] == 710
    assert held["assets:stripe:issuing:available"] == 40
