"""What no reading knows still has its amounts named, whatever Stripe calls it."""

from typing import Any

import pytest

from ledger.domain.facts import AmountsNotCounted, Fact
from tests.webhooks.billing_examples import invoice, invoice_payment
from tests.webhooks.examples import MADE, Json, charge, customer, event, refund, session, translated


def facts(type_: str, thing: Json, **fields: Any) -> list[Any]:
    _, _, found = translated(event(type_, thing, **fields))
    return list(found)


def named(found: list[Fact]) -> list[tuple[str, str, str, int | None, str]]:
    return [
        (each.kind, each.subject_id, amount.part, amount.amount_minor, amount.currency)
        for each in found
        if isinstance(each, AmountsNotCounted)
        for amount in each.amounts
    ]


CREDIT_NOTE = {"object": "credit_note", "id": "cn_1", "currency": "GBP", "amount": 500}
FEE = {"object": "application_fee", "id": "fee_1", "currency": "eur", "amount": 90}
AMOUNTS: list[tuple[str, Json, list[tuple[str, str, str, int | None, str]]]] = [
    (
        "credit_note.created",
        CREDIT_NOTE
        | {"subtotal": 450, "lines": {"data": [{"amount": 400, "quantity": 3}, {"amount": 50}]}},
        [
            ("credit_note", "cn_1", "amount", 500, "gbp"),
            ("credit_note", "cn_1", "subtotal", 450, "gbp"),
            ("credit_note", "cn_1", "lines.data.amount", 450, "gbp"),
        ],
    ),
    (
        "application_fee.refunded",
        FEE | {"amount_refunded": 40},
        [
            ("application_fee", "fee_1", "amount", 90, "eur"),
            ("application_fee", "fee_1", "amount_refunded", 40, "eur"),
        ],
    ),
    (
        "application_fee.refund.updated",
        {"object": "fee_refund", "id": "fr_1", "currency": "eur", "amount": 40},
        [("fee_refund", "fr_1", "amount", 40, "eur")],
    ),
    (
        "issuing_transaction.created",
        {"object": "issuing.transaction", "id": "ipi_1", "currency": "usd", "amount": -700},
        [("issuing.transaction", "ipi_1", "amount", -700, "usd")],
    ),
    (
        "quote.accepted",
        {
            "object": "quote",
            "id": "qt_1",
            "currency": "usd",
            "amount_total": 3,
            "amount_subtotal": 2,
        },
        [
            ("quote", "qt_1", "amount_total", 3, "usd"),
            ("quote", "qt_1", "amount_subtotal", 2, "usd"),
        ],
    ),
    (
        "levitation.risen",
        {"object": "levitation", "id": "lev_1", "currency": "jpy", "lifted_amount": 8, "height": 3},
        [("levitation", "lev_1", "lifted_amount", 8, "jpy")],
    ),
    (
        "billing.credit_grant.created",
        {
            "object": "billing.credit_grant",
            "id": "cg_1",
            "amount": {"type": "monetary", "monetary": {"currency": "usd", "value": 1000}},
        },
        [("billing.credit_grant", "cg_1", "amount.monetary.value", 1000, "usd")],
    ),
    (
        "levitation.held",
        {
            "object": "levitation",
            "available": [
                {"amount": 7, "currency": "gbp"},
                {"amount": 5, "currency": "jpy"},
                {"amount": 1, "currency": "gbp"},
            ],
            "pending": [{"amount": 0, "currency": "gbp"}],
        },
        [
            ("levitation", "levitation", "available.amount", 8, "gbp"),
            ("levitation", "levitation", "available.amount", 5, "jpy"),
        ],
    ),
    (
        "cash_balance.funds_available",
        {"object": "cash_balance", "customer": "cus_1", "available": {"eur": 1200}},
        [("cash_balance", "cus_1", "available", 1200, "eur")],
    ),
    (
        "topup.succeeded",
        {"object": "topup", "id": "tu_1", "amount": 10**16},
        [("topup", "tu_1", "amount", None, "")],
    ),
    (
        "topup.succeeded",
        {"object": "topup", "id": "tu_1", "amount": "12345", "currency": "gbp"},
        [("topup", "tu_1", "amount", None, "gbp")],
    ),
    (
        "topup.succeeded",
        {"object": "topup", "id": "tu_1", "amount": 12345.5, "currency": "gbp"},
        [("topup", "tu_1", "amount", None, "gbp")],
    ),
    (
        "charge.levitated",  # not the kind that its type says
        {"object": "levitation", "id": "lev_1", "currency": "gbp", "amount": 5},
        [("levitation", "lev_1", "amount", 5, "gbp")],
    ),
    (
        "treasury.financial_account.updated",  # by currency, two levels down
        {
            "object": "treasury.financial_account",
            "id": "fa_1",
            "balance": {"cash": {"usd": 70}, "inbound_pending": {"usd": 0}},
        },
        [("treasury.financial_account", "fa_1", "balance.cash", 70, "usd")],
    ),
    (
        "transfer.updated",  # in another currency than what it stands in
        {
            "object": "transfer",
            "id": "tr_1",
            "currency": "gbp",
            "amount": 90,
            "reached": {"currency": "jpy", "landed": 170, "created": MADE, "attempt_count": 2},
        },
        [
            ("transfer", "tr_1", "amount", 90, "gbp"),
            ("transfer", "tr_1", "reached.landed", 170, "jpy"),
        ],
    ),
    (
        "issuing_authorization.created",  # a currency for each of two amounts
        {
            "object": "issuing.authorization",
            "id": "iauth_1",
            "currency": "gbp",
            "amount": 90,
            "merchant_amount": 170,
            "merchant_currency": "jpy",
            "amount_details": {"atm_fee": 4, "cashback_amount": None},
        },
        [
            ("issuing.authorization", "iauth_1", "amount", 90, "gbp"),
            ("issuing.authorization", "iauth_1", "merchant_amount", 170, "jpy"),
            ("issuing.authorization", "iauth_1", "amount_details.atm_fee", 4, "gbp"),
        ],
    ),
    (
        "levitation.risen",  # no name says money, but the currency does
        {
            "object": "levitation",
            "id": "lev_1",
            "currency": "kwd",
            "lifted": 8000,
            "risen_at": MADE,
            "feather_count": 3,
            "lift_percent": 7,
        },
        [("levitation", "lev_1", "lifted", 8000, "kwd")],
    ),
    (
        "levitation.risen",
        {
            "object": "levitation",
            "id": "lev_1",
            "lift": {"parts": [{"grandTotal": 5}, {"grandTotal": 6}], "reserves": {"eur": 1}},
        },
        [
            ("levitation", "lev_1", "lift.parts.grandTotal", 11, ""),
            ("levitation", "lev_1", "lift.reserves", 1, "eur"),
        ],
    ),
    (
        "customer.updated",
        customer(balance=-300, currency="gbp"),
        [("customer", "cus_1", "balance", -300, "gbp")],
    ),
    (
        "customer.updated",
        customer(account_balance=0, currency="gbp"),
        [],
    ),
    (
        "invoice.paid",
        invoice(paid_out_of_band=True, amount_paid=0),
        [("invoice", "in_1", "paid_out_of_band", 1200, "gbp")],
    ),
    (
        "invoice_payment.paid",
        invoice_payment() | {"payment": {"type": "payment_record", "payment_record": "pr_1"}},
        [("invoice_payment", "inpay_1", "amount_paid", 1200, "gbp")],
    ),
]


@pytest.mark.parametrize(
    "name",
    [
        *("rate_adjustment_amount", "fixed_fee", "monthly_fee", "annual_amount", "usage_fee"),
        *("late_fee_days_total", "fee_flat", "limit_balance", "unitTaxes"),
    ],
)
def test_a_word_of_terms_or_counts_does_not_hide_one_of_money(name: str) -> None:
    thing = {"object": "levitation", "id": "lev_1", "currency": "gbp", name: 7, "lifted": 3}
    assert named(facts("levitation.risen", thing)) == [("levitation", "lev_1", name, 7, "gbp")]


@pytest.mark.parametrize(
    "name",
    [
        *("unit_amount", "unitAmount", "flat_amount", "minimum_amount", "fee_rate", "tax_rate"),
        *("amount_limit", "fee_percent", "total_count", "amount_decimal", "fee_days", "total_at"),
    ],
)
def test_a_term_a_bound_or_a_share_of_money_is_no_amount(name: str) -> None:
    thing = {"object": "levitation", "id": "lev_1", "currency": "gbp", name: 7, "amount": 5}
    found = named(facts("levitation.risen", thing))
    assert found == [("levitation", "lev_1", "amount", 5, "gbp")]


def test_a_named_amount_of_nothing_hides_no_other_number() -> None:
    thing = {"object": "levitation", "id": "lev_1", "currency": "gbp", "amount": 0, "lifted": 5}
    assert named(facts("levitation.risen", thing)) == [("levitation", "lev_1", "lifted", 5, "gbp")]


@pytest.mark.parametrize(("type_", "thing", "expected"), AMOUNTS)
def test_an_amount_that_no_figure_counts_is_named(
    type_: str, thing: Json, expected: list[tuple[str, str, str, int | None, str]]
) -> None:
    assert named(facts(type_, thing)) == expected


NOTHING = [
    ("invoice.upcoming", invoice()),  # of an invoice that does not exist
    ("refund.created", refund(reason="expired_uncaptured_charge")),  # nothing was taken
    ("checkout.session.completed", session()),
    ("invoice.paid", invoice()),
    ("invoice.updated", invoice(paid_out_of_band=False)),
    ("invoice_payment.paid", invoice_payment()),
    ("customer.created", customer(balance=0)),
    ("product.created", {"object": "product", "id": "prod_1", "amount": None}),
    ("setup_intent.created", {"object": "setup_intent", "id": "seti_1", "total": True}),
    ("levitation.risen", {"object": "levitation", "id": "lev_1", "height": 3}),
    (
        "levitation.risen",  # counts, times, shares, references, and terms
        {
            "object": "levitation",
            "id": "lev_1",
            "currency": "gbp",
            "created": MADE,
            "fee_percent": 20,
            "total_count": 3,
            "balance_transaction": "txn_1",
            "tax_rates": [{"object": "tax_rate", "flat_amount": {"amount": 5}}],
            "price_data": {"currency": "gbp", "unit_amount": 500},
            "price": {"object": "price", "currency": "gbp", "unit_amount": 500},
            "spending_limits": [{"amount": 700, "interval": "daily"}],
            "paid": True,
            "metadata": {"amount": "5"},
        },
    ),
    ("promotion_code.created", {"object": "promotion_code", "coupon": {"amount_off": 500}}),
    ("shipping_rate.created", {"object": "shipping_rate", "fixed_amount": {"amount": 500}}),
    (
        "review.opened",  # a charge has events of its own
        {"object": "review", "id": "prv_1", "charge": charge()},
    ),
]


@pytest.mark.parametrize(("type_", "thing"), NOTHING)
def test_what_carries_no_amount_or_is_read_names_none(type_: str, thing: Json) -> None:
    assert named(facts(type_, thing)) == []


def test_an_object_that_has_no_amount_any_more_says_so() -> None:
    cash = {"object": "cash_balance", "customer": "cus_1", "available": None}
    settled = [
        *facts("cash_balance.funds_available", cash),
        *facts("customer.updated", customer(balance=0, currency=None)),
    ]
    found = [each for each in settled if isinstance(each, AmountsNotCounted)]
    assert [(each.kind, each.subject_id, each.amounts) for each in found] == [
        ("cash_balance", "cus_1", ()),
        ("customer", "cus_1", ()),
    ]


def test_what_is_nested_too_deeply_or_has_too_many_amounts_is_said_to_be_there() -> None:
    deep: Json = {"amount": 5}
    for _ in range(60):
        deep = {"below": deep}
    thing = {"object": "levitation", "id": "lev_1", "currency": "gbp"}
    ((_, _, part, minor, _),) = named(facts("levitation.risen", thing | deep))
    assert (part.count("below"), minor) == (33, None)
    many = {f"amount_{word}": 1 for word in map(str, range(200))}
    found = named(facts("levitation.risen", thing | many))
    assert len(found) == 101
    assert found[-1] == ("levitation", "lev_1", "more", None, "")


def test_an_amount_belongs_to_its_account() -> None:
    (found,) = named(facts("credit_note.created", CREDIT_NOTE, account="acct_one"))
    assert found[1] == "cn_1@acct_one"
