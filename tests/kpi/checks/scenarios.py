"""For each check, how its trouble comes, goes, and comes again."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, LiteralString, NamedTuple

from kpi.checks.declare import Check
from kpi.checks.run import Outcome
from kpi.snapshots import prove, take
from ledger.domain.events import (
    BooksBalancesListed,
    BooksOpeningEntered,
    BooksPeriodClosed,
    BooksPeriodReopened,
    ConflictFound,
    OpeningBalance,
    OrderCanceled,
    OrderExpired,
    OrderFulfilled,
    OrderReinstated,
    PaymentLinked,
    PaymentUnlinked,
    ProductListed,
    PurchaseOrdered,
    PurchaseRefused,
    RefundRefused,
    RefundRequested,
    StockAdjusted,
    StockReceived,
    StockReleased,
    StockReserved,
    StripeObjectNotTold,
    StripeObjectObserved,
    TransactionClassified,
)
from ledger.domain.money import with_code
from tests.kpi.builder import CHECKS, LedgerBuilder
from tests.webhooks.billing_examples import (
    coupon,
    discount,
    invoice,
    invoice_payment,
    item,
    payout,
    subscription,
)
from tests.webhooks.examples import (
    MADE,
    TOLD,
    Json,
    charge,
    dispute,
    intent,
    refund,
    session,
    transaction,
)

Deed = Callable[[LedgerBuilder], object]

NEW_YEAR_2100 = 4_102_444_800
CHARGED_ON = datetime.fromtimestamp(MADE, UTC).date()
MONTH = f"{CHARGED_ON:%Y-%m}"


class Scenario(NamedTuple):
    """What makes a check find the object `reference`, find nothing, and find it again."""

    reference: str
    wrong: Deed
    good: Deed
    again: Deed


def live_through(builder: LedgerBuilder, check: Check, scenario: Scenario) -> None:
    """The check finds nothing, finds its trouble, resolves it, and reopens it."""
    reference, wrong, good, again = scenario
    assert not asked(builder, check).findings, f"{check.name} finds something before `wrong`"
    wrong(builder)
    found = asked(builder, check)
    assert found.events == {"issue.opened.v1": 1}, (
        f"{check.name} should find one thing after `wrong`, not {len(found.findings)}"
    )
    assert found.still_open == 1
    (issue,) = builder.issues()
    assert (issue["state"], issue["reference"]) == ("open", reference)
    assert issue["severity"] == check.severity
    assert with_code(reference, issue["evidence"].get("currency")) in issue["sentence"]
    assert issue["evidence"]
    builder.wait(days=1)
    assert asked(builder, check).events == {}, "evidence does not change by itself"
    good(builder)
    cleared = asked(builder, check)
    assert cleared.events == {"issue.resolved.v1": 1}, (
        f"{check.name} still finds something after `good`"
    )
    assert cleared.still_open == 0
    again(builder)
    assert asked(builder, check).events == {"issue.reopened.v1": 1}, (
        f"{check.name} finds nothing after `again`"
    )
    (issue,) = builder.issues()
    assert (issue["state"], issue["times_reopened"], issue["by_itself"]) == ("open", 1, True)


def asked(builder: LedgerBuilder, check: Check) -> Outcome:
    """What a check came to; it must have an answer."""
    outcome = builder.run(check)
    assert outcome.crashed is None, f"{check.name} has no answer: {outcome.crashed}"
    return outcome


def charged(builder: LedgerBuilder, charge_id: str = "ch_1", **fields: Any) -> None:
    """A charge that is a payment of its own."""
    builder.stripe("charge.succeeded", bare(charge_id, **fields))


def bare(charge_id: str = "ch_1", amount: int = 1000, **fields: Any) -> dict[str, Any]:
    return charge(
        id=charge_id, payment_intent=None, amount=amount, amount_captured=amount, **fields
    )


def bounced(builder: LedgerBuilder, charge_id: str, **fields: Any) -> None:
    """The bank takes a charge back."""
    thing = bare(charge_id, status="failed", paid=False, **fields)
    builder.stripe("charge.failed", thing)


def subscription_updated_twice(builder: LedgerBuilder, minutes: int) -> None:
    """Two updates within one second that say different things."""
    for quantity in (3, 2):
        changed = subscription(item(quantity=quantity))
        builder.stripe("customer.subscription.updated", changed, minutes=minutes)


def refunded(
    builder: LedgerBuilder,
    amount: int,
    charge_id: str = "ch_1",
    refund_id: str = "re_1",
    minutes: int | None = None,
    **fields: Any,
) -> None:
    thing = refund(id=refund_id, charge=charge_id, payment_intent=None, amount=amount, **fields)
    builder.stripe("refund.created", thing, minutes)


def given_back(**fields: Any) -> dict[str, Any]:
    return refund(id="re_1", charge="ch_1", payment_intent=None, amount=400, **fields)


def disputed(builder: LedgerBuilder, **fields: Any) -> None:
    thing = dispute(charge="ch_1", payment_intent=None, balance_transactions=[], **fields)
    builder.stripe("charge.dispute.updated", thing)


def came_back(
    builder: LedgerBuilder,
    amount: int,
    charge_id: str = "ch_1",
    refund_id: str = "re_1",
    **fields: Any,
) -> None:
    """A refund fails after all."""
    thing = refund(
        id=refund_id,
        charge=charge_id,
        payment_intent=None,
        amount=amount,
        status="failed",
        **fields,
    )
    builder.stripe("refund.failed", thing)


def ordered_and_charged(builder: LedgerBuilder, amount: int = 1000, **fields: Any) -> None:
    builder.place()
    charged(builder, amount=amount, **fields)


def paid_by_word_only(builder: LedgerBuilder) -> None:
    builder.place()
    builder.stripe("payment_intent.succeeded", intent())


def paid_twice(builder: LedgerBuilder) -> None:
    ordered_and_charged(builder)
    charged(builder, "ch_2")


def paid_in_part(builder: LedgerBuilder) -> None:
    ordered_and_charged(builder, 400)


def canceled_and_charged(builder: LedgerBuilder) -> None:
    builder.place()
    builder.shop(OrderCanceled(order_id="A1"))
    charged(builder)


def fulfilled(builder: LedgerBuilder) -> None:
    builder.shop(OrderFulfilled(order_id="A1", based_on_position=1))


def sent_unpaid(builder: LedgerBuilder) -> None:
    builder.place()
    fulfilled(builder)


def sent_after_refund(builder: LedgerBuilder) -> None:
    ordered_and_charged(builder)
    refunded(builder, 1000)
    fulfilled(builder)


def refunded_in_full(builder: LedgerBuilder) -> None:
    ordered_and_charged(builder)
    refunded(builder, 1000)


def given_back_too_much(builder: LedgerBuilder) -> None:
    charged(builder)
    refunded(builder, 700)
    refunded(builder, 700, refund_id="re_2")


def charge_knows_no_refund(builder: LedgerBuilder) -> None:
    charged(builder)
    refunded(builder, 400)
    builder.stripe("charge.updated", bare(amount_refunded=0))


def expired_and_charged(builder: LedgerBuilder) -> None:
    builder.place()
    builder.shop(OrderExpired(order_id="A1"))
    charged(builder)


def listed(builder: LedgerBuilder, *, preorder: bool) -> None:
    builder.shop(ProductListed(sku="MUG", name="Mug", prices={"gbp": 1000}, preorder=preorder))


def preordered_no_more(builder: LedgerBuilder) -> None:
    listed(builder, preorder=True)
    builder.shop(StockReserved(sku="MUG", order_id="A1", quantity=2))
    listed(builder, preorder=False)


def held(builder: LedgerBuilder) -> None:
    builder.shop(StockReserved(sku="MUG", order_id="A1", quantity=2))


def taken_down(builder: LedgerBuilder) -> None:
    """Ten pounds are paid, and figures of that day reported."""
    ordered_and_charged(builder)
    builder.follow()
    take(builder.engine, CHARGED_ON, builder.now, days=1)


def change_reported(builder: LedgerBuilder, by: LiteralString) -> None:
    """One figure of a snapshot is changed, and the snapshot proven after that."""
    builder.tamper(
        """
        update kpi.snapshots
        set figures = jsonb_set(figures, '{revenue}', to_jsonb((figures -> 'revenue')::bigint + by))
        where window_days = 7 and currency = 'gbp'
        """.replace("by", by)
    )
    prove(builder.engine, builder.now)


def cut_short(*things: Json) -> Json:
    """A list of which Stripe shows all but the last."""
    return {"object": "list", "data": list(things), "has_more": True}


def cut_subscription() -> Json:
    """A subscription of two items, of which Stripe shows one."""
    url = "/v1/subscription_items?subscription=sub_1"
    return subscription(items=cut_short(item()) | {"url": url})


def read_on(builder: LedgerBuilder) -> None:
    """Somebody fetched it, and read the list to its end."""
    second = json.dumps(item() | {"id": "si_2"}).encode()
    builder.shop(observed(builder, cut_subscription(), rest={"items": (second,)}))


def observed(builder: LedgerBuilder, shown: Json, **fields: Any) -> StripeObjectObserved:
    """An object as it is fetched now."""
    return StripeObjectObserved(
        kind=shown["object"],
        object_id=shown["id"],
        body=json.dumps(shown).encode(),
        fetched_at=builder.at,
        path=f"/v1/{shown['object']}s/{shown['id']}",
        livemode=False,
        **fields,
    )


def told(builder: LedgerBuilder) -> StripeObjectObserved:
    """Stripe has the transaction after all."""
    return observed(builder, transaction())


def not_told(builder: LedgerBuilder, hours: int) -> StripeObjectNotTold:
    """Stripe does not know a transaction."""
    return StripeObjectNotTold(
        kind="balance_transaction",
        object_id="txn_9",
        path="/v1/balance_transactions/txn_9",
        cause="not_found",
        asked_at=builder.at + timedelta(hours=hours),
        livemode=False,
    )


def back_abroad(builder: LedgerBuilder, **fields: Any) -> None:
    """Ten pounds are disputed, and twelve dollars come back."""
    moved = [transaction(), transaction(id="txn_10", amount=1200, currency="usd", created=TOLD)]
    thing = dispute(balance_transactions=moved, **fields)
    builder.stripe("charge.dispute.updated", thing)


def page(builder: LedgerBuilder, name: str = "completed", **fields: Any) -> None:
    builder.stripe(f"checkout.session.{name}", session(**({"payment_intent": None} | fields)))


def completed_for_nothing(builder: LedgerBuilder) -> None:
    """A subscription's page is paid, and hours pass without its payment."""
    builder.place()
    page(builder, mode="subscription", invoice="in_1", subscription="sub_1")
    builder.wait(days=1)


def pays_the_page(builder: LedgerBuilder) -> None:
    builder.stripe("invoice_payment.paid", invoice_payment("pi_1", invoice="in_1"))
    builder.stripe("payment_intent.succeeded", intent(metadata={}))


def page_without_end(builder: LedgerBuilder) -> None:
    builder.place()
    builder.stripe("payment_intent.processing", intent(status="processing", amount_received=0))
    builder.wait(days=22)


def requested_and_forgotten(builder: LedgerBuilder) -> None:
    ordered_and_charged(builder)
    builder.shop(
        RefundRequested(order_id="A1", amount_minor=400, currency="gbp", based_on_position=1)
    )
    builder.wait(days=4)


def requested_and_refused(builder: LedgerBuilder) -> None:
    ordered_and_charged(builder)
    builder.shop(
        RefundRequested(order_id="A1", amount_minor=400, currency="gbp", based_on_position=1),
        RefundRefused(
            request_id="A1:2",
            order_id="A1",
            payment_id="ch_1",
            amount_minor=400,
            currency="gbp",
            code="charge_disputed",
            message="Charge ch_1 has been charged back.",
        ),
    )


def sold_under_no_name(builder: LedgerBuilder) -> None:
    """A payment that names an order as none can be called."""
    builder.stripe("payment_intent.succeeded", intent(metadata={"order_id": "cart/7"}))
    builder.shop(
        PurchaseRefused(kind="payment", object_id="pi_1", message="order id 'cart/7' is none.")
    )


def unreadable(builder: LedgerBuilder) -> None:
    builder.stripe("charge.succeeded", charge(amount="ten"))


def credit_note(builder: LedgerBuilder, **fields: Any) -> None:
    """A kind of money that no figure counts."""
    note = {"object": "credit_note", "id": "cn_1", "currency": "gbp", "amount": 500} | fields
    builder.stripe("credit_note.updated", note)


def linked_against_its_metadata(builder: LedgerBuilder) -> None:
    """A payment was expected for an order, and Stripe reports that it is another one's."""
    builder.place("A2", sku="POSTER")
    builder.shop(PaymentLinked(order_id="A2", payment_id="ch_1"))
    ordered_and_charged(builder)


def paid_on_connected_account(builder: LedgerBuilder) -> None:
    builder.place()
    builder.stripe("charge.succeeded", bare(), account="acct_x")


def charged_abroad(builder: LedgerBuilder, currency: str) -> None:
    """A payment in pounds whose charge took its money in another currency."""
    builder.stripe("payment_intent.payment_failed", intent(status="requires_payment_method"))
    builder.stripe("charge.updated", charge(currency=currency))


def of_other_mode(builder: LedgerBuilder) -> None:
    builder.stripe("charge.succeeded", charge(), livemode=True)


def conflict(source: str) -> ConflictFound:
    """Another content of an event that the log holds, by where it came from."""
    return ConflictFound(
        event_id="evt_1",
        stored_position=1,
        stored_sha256="ab" * 32,
        other_sha256=sha256(source.encode()).hexdigest(),
        source=source,
    )


def moved(builder: LedgerBuilder, transaction_id: str, amount: int, category: str) -> None:
    """A balance transaction of so much, without a fee."""
    builder.observe(
        "balance_transaction",
        transaction(
            id=transaction_id,
            type="adjustment",
            reporting_category=category,
            amount=amount,
            fee=0,
            net=amount,
        ),
    )


def told_balance(builder: LedgerBuilder, available: int) -> None:
    """Stripe's balance, asked for now."""
    amounts = [{"amount": available, "currency": "gbp"}]
    shown = {"object": "balance", "available": amounts, "pending": [], "livemode": False}
    builder.observe("balance", {"id": "balance", **shown})
    builder.wait(1)


def pulled_less(builder: LedgerBuilder) -> None:
    """An event tells the balance before anything was pulled; then comes what moved nothing."""
    told_balance(builder, 700)
    assert not asked(builder, CHECKS["books_balance_differs"]).findings
    moved(builder, "txn_0", 0, "charge")


def closed_month(builder: LedgerBuilder, version: int = 1) -> None:
    """The month of `MADE`, as if nothing had moved in it."""
    builder.shop(
        BooksBalancesListed(period=MONTH, version=version, balances=()),
        BooksPeriodClosed(
            period=MONTH, version=version, zone="UTC", rules_version=1, position=1, root=""
        ),
    )


def closed_too_early(builder: LedgerBuilder) -> None:
    closed_month(builder)
    moved(builder, "txn_1", 700, "charge")


SCENARIOS: dict[str, Scenario] = {
    "books_suspense": Scenario(
        "other_adjustment gbp",
        lambda b: moved(b, "txn_1", -300, "other_adjustment"),
        lambda b: b.shop(TransactionClassified(transaction_id="txn_1", against="expenses:misc")),
        lambda b: b.tamper("delete from postings where part = 'classified' and slot = 2"),
    ),
    "books_clearing": Scenario(
        "assets:clearing:reserve gbp",
        lambda b: moved(b, "txn_1", -300, "reserve_hold"),
        lambda b: moved(b, "txn_2", 300, "reserve_hold"),
        lambda b: moved(b, "txn_3", -500, "reserve_hold"),
    ),
    "books_balance_differs": Scenario(
        "assets:stripe:payments:available gbp",
        pulled_less,
        lambda b: moved(b, "txn_1", 700, "charge"),
        lambda b: b.shop(
            BooksOpeningEntered(
                period=MONTH,
                version=1,
                balances=(
                    OpeningBalance(
                        account="assets:stripe:payments:available",
                        currency="gbp",
                        opening_minor=5,
                    ),
                ),
            )
        ),
    ),
    "books_figures_differ": Scenario(
        f"settled_gross {CHARGED_ON} gbp",
        lambda b: (
            moved(b, "txn_1", 700, "charge"),
            b.tamper("update fees_daily set charged_minor = 701"),
        ),
        lambda b: b.tamper("update fees_daily set charged_minor = 700"),
        lambda b: b.tamper("update postings set amount_minor = -699 where slot = 2"),
    ),
    "late_after_close": Scenario(
        f"{MONTH} gbp",
        closed_too_early,
        lambda b: b.shop(BooksPeriodReopened(period=MONTH, version=1)),
        lambda b: closed_month(b, 2),
    ),
    "conflicting_events": Scenario(
        "evt_1",
        lambda b: b.shop(conflict("webhook")),
        lambda b: b.tamper("delete from conflicts"),
        lambda b: b.shop(conflict("backfill")),
    ),
    "paid_without_proof": Scenario(
        "A1",
        paid_by_word_only,
        lambda b: b.stripe("charge.succeeded", charge()),
        lambda b: b.stripe("payment_intent.succeeded", intent(id="pi_2", latest_charge="ch_2")),
    ),
    "proof_without_payment": Scenario(
        "cs_1",
        lambda b: b.stripe("checkout.session.completed", session()),
        lambda b: b.stripe("charge.succeeded", charge()),
        lambda b: b.tamper("update payments set state = 'pending', received_minor = 0"),
    ),
    "overpaid": Scenario(
        "A1",
        lambda b: ordered_and_charged(b, 1500),
        lambda b: refunded(b, 500),
        lambda b: came_back(b, 500),
    ),
    "underpaid": Scenario(
        "A1",
        paid_in_part,
        lambda b: charged(b, "ch_2", amount=600),
        lambda b: bounced(b, "ch_2", amount=600),
    ),
    "paid_twice": Scenario(
        "A1",
        paid_twice,
        lambda b: refunded(b, 1000, "ch_2"),
        lambda b: came_back(b, 1000, "ch_2"),
    ),
    "currency_mismatch": Scenario(
        "ch_1",
        lambda b: ordered_and_charged(b, currency="usd"),
        lambda b: refunded(b, 1000, currency="usd"),
        lambda b: came_back(b, 1000, currency="usd"),
    ),
    "refund_currency_mismatch": Scenario(
        "re_1",
        lambda b: (charged(b), refunded(b, 400, currency="usd")),
        lambda b: b.stripe("refund.updated", given_back()),
        lambda b: b.stripe("refund.updated", given_back(currency="jpy")),
    ),
    "charge_currency_mismatch": Scenario(
        "ch_1",
        lambda b: charged_abroad(b, "usd"),
        lambda b: charged_abroad(b, "gbp"),
        lambda b: charged_abroad(b, "eur"),
    ),
    "dispute_currency_mismatch": Scenario(
        "dp_1",
        lambda b: (charged(b), disputed(b, currency="usd")),
        disputed,
        lambda b: disputed(b, currency="jpy"),
    ),
    "refund_without_payment": Scenario(
        "re_1",
        lambda b: refunded(b, 400),
        charged,
        lambda b: b.tamper("delete from payments where payment_id = 'ch_1'"),
    ),
    "dispute_without_payment": Scenario(
        "dp_1",
        disputed,
        charged,
        lambda b: b.tamper("delete from payments where payment_id = 'ch_1'"),
    ),
    "paid_after_cancel": Scenario(
        "A1",
        canceled_and_charged,
        lambda b: refunded(b, 1000),
        lambda b: came_back(b, 1000),
    ),
    "unlinked_payments": Scenario(
        "gbp before the first order",
        lambda b: charged(b, metadata={}),
        lambda b: (b.place(), b.shop(PaymentLinked(order_id="A1", payment_id="ch_1"))),
        lambda b: b.shop(PaymentLinked(order_id="Z9", payment_id="ch_1")),
    ),
    "paid_on_connected_account": Scenario(
        "acct_x gbp",
        paid_on_connected_account,
        lambda b: b.tamper("update payments set linked_by = 'shop'"),
        lambda b: b.tamper("update payments set linked_by = 'metadata'"),
    ),
    "payment_of_two_orders": Scenario(
        "ch_1",
        linked_against_its_metadata,
        lambda b: b.shop(PaymentUnlinked(order_id="A2", payment_id="ch_1")),
        lambda b: b.shop(PaymentLinked(order_id="A2", payment_id="ch_1")),
    ),
    "invoice_paid_without_payment": Scenario(
        "in_1",
        lambda b: b.stripe("invoice.paid", invoice()),
        lambda b: (b.stripe("invoice_payment.paid", invoice_payment("ch_1")), charged(b)),
        lambda b: b.tamper("update payments set received_minor = 0"),
    ),
    "invoice_payments_cut": Scenario(
        "in_1",
        lambda b: b.stripe("invoice.paid", invoice(payments=cut_short(invoice_payment()))),
        lambda b: b.stripe("invoice_payment.paid", invoice_payment("pi_2")),
        lambda b: b.tamper("delete from invoice_payments where payment_id = 'pi_2'"),
    ),
    "lists_cut": Scenario(
        "subscription/items",
        lambda b: b.stripe("customer.subscription.created", cut_subscription()),
        read_on,
        lambda b: b.stripe("customer.subscription.updated", cut_subscription()),
    ),
    "transactions_not_told": Scenario(
        "txn_9",
        lambda b: [b.shop(not_told(b, times)) for times in range(3)],
        lambda b: b.shop(told(b)),
        lambda b: b.tamper("delete from transactions where transaction_id = 'txn_9'"),
    ),
    "mrr_unknown": Scenario(
        "coupon/QUARTER",
        lambda b: (
            b.stripe("customer.discount.created", discount()),
            b.stripe("customer.subscription.created", subscription(discounts=["di_1"])),
        ),
        lambda b: b.stripe("coupon.updated", coupon()),
        lambda b: b.tamper(
            """
            update subscription_versions
            set uncounted = 1, unknown = '["coupon/QUARTER"]'
            where at = (select max(at) from subscription_versions)
            """
        ),
    ),
    "subscription_updates_tie": Scenario(
        "sub_1",
        lambda b: subscription_updated_twice(b, minutes=5),
        lambda b: b.stripe("customer.subscription.updated", subscription(), minutes=6),
        lambda b: subscription_updated_twice(b, minutes=7),
    ),
    "order_refunds_differ": Scenario(
        "A1",
        lambda b: (refunded_in_full(b), b.tamper("update orders set refunded_minor = 999")),
        lambda b: b.tamper("update orders set refunded_minor = 1000"),
        lambda b: b.tamper("update orders set refunded_minor = 1001"),
    ),
    "daily_facts_differ": Scenario(
        "revenue_daily/2023-11-14/gbp",
        lambda b: (ordered_and_charged(b), b.tamper("update revenue_daily set captures = 2")),
        lambda b: b.tamper("update revenue_daily set captures = 1"),
        lambda b: b.tamper("delete from revenue_daily"),
    ),
    "snapshots_differ": Scenario(
        "2023-11-14/7/gbp",
        lambda b: (taken_down(b), change_reported(b, "1")),
        lambda b: change_reported(b, "-1"),
        lambda b: change_reported(b, "5"),
    ),
    "refunded_beyond_captured": Scenario(
        "ch_1",
        given_back_too_much,
        lambda b: came_back(b, 700, refund_id="re_2"),
        lambda b: refunded(b, 700, refund_id="re_3"),
    ),
    "checkout_without_payment": Scenario(
        "cs_1",
        completed_for_nothing,
        pays_the_page,
        lambda b: b.tamper("delete from payments"),
    ),
    "checkout_total_differs": Scenario(
        "cs_1",
        lambda b: (b.place(), page(b, amount_total=0, payment_status="no_payment_required")),
        lambda b: page(b, amount_total=1000),
        lambda b: page(b, amount_total=900),
    ),
    "payment_pending_too_long": Scenario(
        "A1",
        page_without_end,
        lambda b: b.stripe("payment_intent.succeeded", intent()),
        lambda b: b.tamper(
            "update orders set state = 'pending', waiting_at = placed_at - interval '30 days'"
        ),
    ),
    "refund_request_waits": Scenario(
        "A1:2",
        requested_and_forgotten,
        lambda b: refunded(b, 400, created=int(b.now.timestamp())),
        lambda b: b.tamper("update refund_requests set state = 'requested'"),
    ),
    "refund_refused": Scenario(
        "A1:2",
        requested_and_refused,
        lambda b: refunded(b, 400, created=int(b.now.timestamp())),
        lambda b: b.tamper("update refund_requests set state = 'refused', open_minor = 400"),
    ),
    "purchase_refused": Scenario(
        "pi_1",
        sold_under_no_name,
        lambda b: b.shop(PurchaseOrdered(kind="payment", object_id="pi_1", order_id="cart-7")),
        lambda b: b.tamper(
            "insert into waiting_purchases (purchase_id, kind, objects, payments, names)"
            " values ('pi_1', 'payment', '[]', '[]', 'cart/7')"
        ),
    ),
    "dispute_share_unknown": Scenario(
        "dp_1",
        back_abroad,
        lambda b: back_abroad(b, status="won"),
        lambda b: b.stripe("charge.dispute.funds_withdrawn", dispute(status="won")),
    ),
    "charge_refunds_differ": Scenario(
        "ch_1",
        charge_knows_no_refund,
        lambda b: b.stripe("charge.updated", bare(amount_refunded=400)),
        lambda b: b.stripe("charge.updated", bare(amount_refunded=900)),
    ),
    "fulfilled_without_payment": Scenario("A1", sent_unpaid, charged, lambda b: bounced(b, "ch_1")),
    "fulfilled_after_full_refund": Scenario(
        "A1",
        sent_after_refund,
        lambda b: came_back(b, 1000),
        lambda b: refunded(b, 1000, refund_id="re_2", minutes=2),
    ),
    "refunded_not_canceled": Scenario(
        "A1",
        refunded_in_full,
        lambda b: b.shop(OrderCanceled(order_id="A1")),
        lambda b: b.shop(OrderReinstated(order_id="A1")),
    ),
    "negative_stock": Scenario(
        "MUG",
        preordered_no_more,
        lambda b: b.shop(StockReceived(sku="MUG", quantity=2)),
        lambda b: b.shop(StockAdjusted(sku="MUG", change=-1)),
    ),
    "reservations_differ": Scenario(
        "MUG",
        held,
        lambda b: b.shop(StockReleased(sku="MUG", order_id="A1", quantity=2)),
        held,
    ),
    "paid_unallocated": Scenario(
        "A1",
        expired_and_charged,
        lambda b: b.shop(OrderReinstated(order_id="A1")),
        lambda b: b.shop(OrderExpired(order_id="A1")),
    ),
    "reservation_overdue": Scenario(
        "A1",
        lambda b: b.place(),
        lambda b: b.shop(OrderExpired(order_id="A1")),
        lambda b: b.shop(OrderReinstated(order_id="A1")),
    ),
    # What is not understood, a better version understands: a rebuild then leaves the row out.
    "unknown_words": Scenario(
        "dispute status levitating",
        lambda b: b.stripe("charge.dispute.updated", dispute(status="levitating")),
        lambda b: b.tamper("delete from not_understood"),
        lambda b: b.stripe("charge.dispute.updated", dispute(status="levitating")),
    ),
    "unreadable_parts": Scenario(
        "dispute evidence_details",
        lambda b: b.stripe("charge.dispute.updated", dispute(evidence_details=5)),
        lambda b: b.tamper("delete from not_understood"),
        lambda b: b.stripe("charge.dispute.updated", dispute(evidence_details=5)),
    ),
    "amounts_not_counted": Scenario(
        "credit_note gbp",
        credit_note,
        lambda b: b.tamper("delete from uncounted_amounts"),
        credit_note,
    ),
    "events_of_other_mode": Scenario(
        "other_mode",
        of_other_mode,
        lambda b: b.tamper("delete from audit where outcome = 'other_mode'"),
        of_other_mode,
    ),
    "impossible_dates": Scenario(
        "payout po_1",
        lambda b: b.stripe("payout.paid", payout(created=NEW_YEAR_2100)),
        lambda b: b.stripe("payout.updated", payout()),
        lambda b: b.tamper("update payouts set arrives_at = '1970-01-01 00:00 utc'"),
    ),
    "unreadable_events": Scenario(
        "charge.succeeded 74ec089f",
        unreadable,
        lambda b: b.tamper("delete from unreadable_events"),
        lambda b: b.tamper(
            "insert into unreadable_events values (2, 'evt_0', 'charge.succeeded',"
            " 'Expected `int`, got `str` - at `$.amount`')"
        ),
    ),
}
