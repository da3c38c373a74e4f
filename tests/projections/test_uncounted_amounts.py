"""Amounts that no figure counts: one row an object, as last reported."""

from tests.projections.models import Models
from tests.webhooks.examples import TOLD, Json, customer, event

FEE = {"object": "application_fee", "id": "fee_1", "currency": "eur", "amount": 90}


def told(second: int, type_: str, obj: Json, **fields: str) -> Json:
    return event(type_, obj, id=f"evt_{second}", created=TOLD + second, **fields)


def amounts(models: Models) -> list[tuple[object, ...]]:
    """Kind, id, and each amount of each object, in that order."""
    return models.rows("""
        select u.kind, u.subject_id, a.part, a.currency, a.amount_minor
        from uncounted_amounts as u
        left join lateral jsonb_to_recordset(u.amounts) as a (
            part text, currency text, amount_minor bigint
        ) on true
        order by 1, 2, 3, 4
    """)


def test_the_newest_report_of_an_object_is_right(models: Models):
    models.hear(
        told(2, "application_fee.refunded", FEE | {"amount_refunded": 40}),
        told(1, "application_fee.refunded", FEE | {"amount_refunded": 10}),
        told(0, "application_fee.created", FEE),
        told(3, "customer.updated", customer(balance=-300, currency="gbp")),
        told(4, "customer.updated", customer(balance=-200, currency="gbp")),
    )
    assert amounts(models) == [
        ("application_fee", "fee_1", "amount", "eur", 90),
        ("application_fee", "fee_1", "amount_refunded", "eur", 40),
        ("customer", "cus_1", "balance", "gbp", -200),
    ]


def test_what_was_settled_since_is_gone_whatever_its_currency_is_now(models: Models):
    """Stripe names no currency of a customer who has none, nor of cash that is not there."""

    def cash(second: int, available: Json | None) -> Json:
        thing = {"object": "cash_balance", "customer": "cus_9", "available": available}
        return told(second, "cash_balance.funds_available", thing)

    models.hear(
        told(0, "customer.updated", customer(balance=-300, currency="gbp")),
        told(1, "customer.updated", customer(balance=0, currency=None)),
        cash(2, {"sek": 100, "eur": 7}),
        cash(3, {"sek": 30}),
        told(4, "application_fee.created", FEE | {"currency": "usd"}),
        told(5, "application_fee.created", FEE),
    )
    assert amounts(models) == [
        ("application_fee", "fee_1", "amount", "eur", 90),
        ("cash_balance", "cus_9", "available", "sek", 30),
        ("customer", "cus_1", None, None, None),
    ]
    models.hear(cash(6, None))
    assert ("cash_balance", "cus_9", None, None, None) in amounts(models)


def test_equal_ids_of_two_accounts_are_two_objects(models: Models):
    models.hear(
        told(0, "application_fee.created", FEE),
        told(1, "application_fee.created", FEE, account="acct_one"),
    )
    found = models.rows("select subject_id, account from uncounted_amounts order by 1")
    assert found == [("fee_1", None), ("fee_1@acct_one", "acct_one")]


def test_an_object_without_an_id_is_its_customers(models: Models):
    def cash(customer_id: str, amount: int) -> Json:
        return {"object": "cash_balance", "customer": customer_id, "available": {"sek": amount}}

    models.hear(
        told(0, "cash_balance.funds_available", cash("cus_1", 10000)),
        told(1, "cash_balance.funds_available", cash("cus_2", 3000)),
        told(2, "cash_balance.funds_available", cash("cus_2", 0)),
        told(3, "transfer.reversed", FEE | {"object": "transfer", "amount_reversed": 40}),
        told(4, "transfer.updated", FEE | {"object": "transfer", "amount_reversed": 0}),
    )
    assert amounts(models) == [
        ("cash_balance", "cus_1", "available", "sek", 10000),
        ("cash_balance", "cus_2", None, None, None),
        ("transfer", "fee_1", "amount", "eur", 90),
    ]
