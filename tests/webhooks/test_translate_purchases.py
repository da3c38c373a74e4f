"""What was sold, as Stripe's objects show it: amounts without tax, lines, the shop's own words."""

from typing import Any

import pytest

from ledger.domain.events import Address
from ledger.domain.facts import PurchaseFact, SoldLine
from tests.webhooks.billing_examples import invoice, old_invoice
from tests.webhooks.examples import MADE, event, facts_of, intent, session, translated
from webhooks.translate.payments import at

FREE: dict[str, Any] = {"metadata": {}, "client_reference_id": None}
PAGE = "checkout.session.completed"


def sold_by(type_: str, obj: Any, **fields: Any) -> PurchaseFact:
    """The one purchase that the event of an object tells of."""
    (found,) = [f for f in facts_of(type_, obj, **fields) if isinstance(f, PurchaseFact)]
    return found


def says_nothing(type_: str, obj: Any) -> bool:
    return not any(isinstance(fact, PurchaseFact) for fact in facts_of(type_, obj))


def item(**fields: Any) -> dict[str, Any]:
    """A line of a page: two for 12.00 each, with 20 % tax on top."""
    return {
        "id": "li_1",
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": 2400,
        "amount_tax": 480,
        "amount_total": 2880,
        "description": "Mug",
        "price": {"id": "price_1", "product": "prod_1", "lookup_key": None, "metadata": {}},
        "quantity": 2,
    } | fields


def test_a_page_says_what_it_comes_to() -> None:
    details = {"amount_discount": 100, "amount_shipping": 500, "amount_tax": 166}
    shipped = {"name": "Ann", "address": {"line1": "1 High St", "city": "Ely", "country": "GB"}}
    fact = sold_by(
        PAGE, session(**FREE, total_details=details, shipping_details=shipped), account="acct_two"
    )
    assert (fact.kind, fact.purchase_id, fact.created_at) == ("checkout", "cs_1@acct_two", at(MADE))
    sale = fact.sale
    assert (sale.currency, sale.total_minor, sale.shipping_minor) == ("gbp", 1000, 500)
    assert (sale.tax_minor, sale.discount_minor) == (166, 100)
    assert (sale.customer_id, sale.email) == ("cus_1@acct_two", "ann@example.com")
    assert sale.shipping_address == Address(name="Ann", line1="1 High St", city="Ely", country="GB")
    assert fact.lines == ()


def test_lines_of_a_page_are_without_tax_be_it_on_top_or_within() -> None:
    within = item(amount_tax=400, amount_total=2400, amount_subtotal=2400)
    reduced = item(amount_discount=300, amount_tax=420, amount_total=2520)
    shown = session(**FREE, amount_total=7800, line_items={"data": [item(), within, reduced]})
    lines = sold_by(PAGE, shown).lines
    assert [line.amount_minor for line in lines] == [2400, 2000, 2400]
    assert lines[0] == SoldLine(name="Mug", quantity=2, amount_minor=2400, product_id="prod_1")


@pytest.mark.parametrize(
    ("price", "sku", "product_id"),
    [
        ({"metadata": {"sku": " MUG "}, "lookup_key": "mug"}, "MUG", None),
        ({"product": {"id": "prod_1", "metadata": {"sku": "MUG"}}}, "MUG", None),
        ({"lookup_key": "mug-large"}, "mug-large", None),
        ({"lookup_key": "not a sku"}, None, "prod_1@acct_two"),
        ({"product": None}, None, "price_1@acct_two"),
        ({"metadata": "odd", "lookup_key": 7}, None, "prod_1@acct_two"),
    ],
)
def test_a_line_is_called_by_the_shops_word_else_by_the_product(
    price: dict[str, Any], sku: str | None, product_id: str | None
) -> None:
    priced = item(price=item()["price"] | price)
    shown = session(**FREE, line_items={"data": [priced]})
    (line,) = sold_by(PAGE, shown, account="acct_two").lines
    assert (line.sku, line.product_id) == (sku, product_id)


@pytest.mark.parametrize(
    ("type_", "obj"),
    [
        (PAGE, session(**FREE, payment_status="unpaid")),
        (PAGE, session(**FREE, mode="setup", amount_total=None)),
        ("invoice.finalized", invoice(status="open", amount_paid=0)),
        ("payment_intent.processing", intent(metadata={}, status="processing")),
    ],
)
def test_what_is_not_paid_is_no_purchase(type_: str, obj: Any) -> None:
    assert says_nothing(type_, obj)


@pytest.mark.parametrize(
    ("type_", "obj", "named"),
    [
        (PAGE, session(), "A1"),
        (PAGE, session(metadata={}, client_reference_id="cart-7"), "cart-7"),
        (PAGE, session(**FREE), None),
        ("invoice.paid", invoice(metadata={"order_id": "A1"}), "A1"),
        ("invoice.paid", invoice(metadata={}), None),
        ("payment_intent.succeeded", intent(), "A1"),
        ("payment_intent.succeeded", intent(metadata={}), None),
    ],
)
def test_a_purchase_says_which_order_it_names(type_: str, obj: Any, named: str | None) -> None:
    assert sold_by(type_, obj).sale.names == named


def test_an_invoice_of_today_says_its_lines_taxes_and_discounts() -> None:
    line = {
        "amount": 1200,
        "description": "1 × Plan",
        "quantity": 1,
        "pricing": {"price_details": {"price": "price_1", "product": "prod_1"}},
        "taxes": [{"amount": 200, "tax_behavior": "inclusive"}],
    }
    credit = {"amount": -300, "description": "Unused time", "quantity": 1}
    fact = sold_by(
        "invoice.paid",
        invoice(
            amount_due=700,
            amount_paid=700,
            total=800,
            total_taxes=[{"amount": 200, "tax_behavior": "inclusive"}],
            total_discount_amounts=[{"amount": 100, "discount": "di_1"}],
            customer_email="ann@example.com",
            lines={"data": [line, credit]},
        ),
    )
    assert (fact.kind, fact.purchase_id) == ("invoice", "in_1")
    sale = fact.sale
    assert (sale.total_minor, sale.tax_minor, sale.email) == (700, 200, "ann@example.com")
    assert sale.discount_minor == 100 + 100, "what a balance settles is not asked for"
    assert fact.lines == (
        SoldLine(name="1 × Plan", quantity=1, amount_minor=1000, product_id="prod_1"),
        SoldLine(name="Unused time", quantity=1, amount_minor=-300),
    )


def test_an_invoice_of_earlier_says_the_same_in_other_words() -> None:
    taxes = [{"amount": 200, "inclusive": False}]
    line = {
        "amount": 1000,
        "description": "Plan",
        "price": {"id": "price_1", "product": "prod_1", "lookup_key": "plan"},
        "quantity": 4,
        "tax_amounts": taxes,
    }
    paid = old_invoice(total=1200, tax=200, total_tax_amounts=taxes, lines={"data": [line]})
    fact = sold_by("invoice.paid", paid)
    assert (fact.sale.total_minor, fact.sale.tax_minor) == (1200, 200)
    assert fact.lines == (SoldLine(name="Plan", quantity=4, amount_minor=1000, sku="plan"),)


def test_a_payment_alone_is_one_line_of_all() -> None:
    paid = intent(metadata={"sku": "TEA"}, description="Tea, 2 kg")
    fact = sold_by("payment_intent.succeeded", paid)
    assert (fact.kind, fact.purchase_id, fact.lines) == ("payment", "pi_1", ())
    assert (fact.sale.sku, fact.sale.name, fact.sale.total_minor) == ("TEA", "Tea, 2 kg", 1000)


@pytest.mark.parametrize(
    "odd", [{"line_items": "none"}, {"line_items": {"data": [{"amount_total": "x"}]}}]
)
def test_lines_that_cannot_be_read_are_left_out_and_said(odd: dict[str, Any]) -> None:
    _, note, facts = translated(event(PAGE, session(**FREE, **odd)))
    assert note.outcome == "projected"
    (fact,) = [each for each in facts if isinstance(each, PurchaseFact)]
    assert (fact.sale.total_minor, fact.lines) == (1000, ())
    assert any(getattr(each, "part", None) == "line_items" for each in facts)
