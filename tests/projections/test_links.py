"""Links: which events touched which object, and what belongs together."""

from ledger.domain.billing_facts import CouponFact, InvoiceFact, InvoicePaymentFact, InvoiceState
from ledger.domain.events import PaymentLinked, StockReserved
from ledger.domain.facts import CheckoutFact, CheckoutState, RefundState, StripeEventRecorded
from projections.queries.history import positions
from projections.queries.listing import Positions
from tests.projections.billing import discount, subscription, terms
from tests.projections.models import NOON, Models, charge, order, refund


def related(models: Models, kind: str, name: str, *, after: int = 0, limit: int = 99) -> list[int]:
    with models.dicts() as cursor:
        return positions(cursor, kind, name, Positions(after, latest_first=False), limit=limit)


def test_what_an_event_names_twice_is_one_link(models: Models):
    models.take(
        charge(), refund(RefundState.SUCCEEDED), refund(RefundState.SUCCEEDED, refund_id="re_2")
    )
    query = "select kind, id from links where kind in ('charge', 'payment') order by kind"
    assert models.rows(query) == [("charge", "ch_1"), ("payment", "pi_1")]


def test_an_order_is_touched_by_what_hangs_on_its_payments(models: Models):
    models.take(order())
    models.take(charge(order_id=None))
    models.take(charge(order_id="B1", payment_id="pi_2", charge_id="ch_2"))
    models.take(refund(RefundState.SUCCEEDED, payment_id=None))
    assert related(models, "order", "A1") == [1], "nothing connects the payment yet"
    models.take(PaymentLinked(order_id="A1", payment_id="pi_1"))
    assert related(models, "order", "A1") == [1, 2, 4, 5]
    assert related(models, "order", "A1", after=2, limit=1) == [4]
    assert related(models, "payment", "pi_2") == [3]


def test_a_session_connects_an_order_and_a_payment(models: Models):
    models.take(charge(order_id=None))
    models.take(
        CheckoutFact(
            state=CheckoutState.PAID,
            session_id="cs_1",
            created_at=NOON,
            payment_id="pi_1",
            reference="A1",
        )
    )
    assert related(models, "order", "A1") == [1, 2]


def test_products_and_customers_connect_nothing(models: Models):
    for order_id in ("A1", "B1"):
        models.take(order(order_id=order_id, customer_id="ada"))
        models.take(StockReserved(sku="MUG", order_id=order_id, quantity=1))
    assert related(models, "order", "A1") == [1, 2]
    assert related(models, "sku", "MUG") == [2, 4]
    assert related(models, "customer", "ada") == [1, 3]


def test_an_event_that_is_only_recorded_may_name_its_object(models: Models):
    models.take(
        StripeEventRecorded(
            event_id="evt_1",
            type="radar.early_fraud_warning.created",
            outcome="unprojected",
            livemode=False,
            charge_id="ch_1",
        )
    )
    assert related(models, "charge", "ch_1") == [1]


def test_a_subscription_is_touched_by_its_discounts_coupons_and_invoices(models: Models):
    """Not by what becomes of an invoice's payment, nor by what else a coupon was given to."""
    models.take(subscription(discounts=("di_1",)))
    models.take(discount(None))
    models.take(CouponFact(coupon_id="OFF", terms=terms("50")))
    models.take(
        InvoiceFact(
            state=InvoiceState.OPEN,
            invoice_id="in_1",
            currency="gbp",
            due_minor=1000,
            paid_minor=0,
            remaining_minor=1000,
            created_at=NOON,
            subscription_id="sub_1",
        )
    )
    models.take(InvoicePaymentFact(invoice_id="in_1", payment_id="pi_1"))
    models.take(charge())
    models.take(discount(None, "di_2"))
    models.take(subscription(subscription_id="sub_2"))
    assert related(models, "subscription", "sub_1") == [1, 2, 3, 4]
    assert related(models, "discount", "di_2") == [3, 7]
    assert related(models, "coupon", "OFF") == [3]
    assert related(models, "invoice", "in_1") == [4, 5, 6]
    assert related(models, "payment", "pi_1") == [5, 6]


def test_a_discount_that_shows_its_terms_needs_no_coupon(models: Models):
    models.take(discount(terms("50")))
    models.take(CouponFact(coupon_id="OFF", terms=terms("50")))
    assert related(models, "discount", "di_1") == [1]
