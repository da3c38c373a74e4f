"""Every figure as docs/kpi_definitions.md defines it: plain loops over the log, without SQL.

It shares no code with `kpi` and the projections; `tests/kpi/plain` puts the objects together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ledger.domain.events import (
    AddedToWishlist,
    StockAdjusted,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSold,
)
from tests.kpi.plain.balance import booked, unknown_fees
from tests.kpi.plain.payments import Payment, read_payments
from tests.kpi.plain.said import Said, all_of
from tests.kpi.plain.sales import Sale, orders_of, overpaid, read_sales
from tests.kpi.plain.subscribers import read_changes
from tests.kpi.plain.volume import made_customers, payers, volume_of

Values = dict[str, int | Fraction | None]
WHOLE_SHOP = ""


class Line(NamedTuple):
    """A part of a figure."""

    figure: str
    currency: str
    at: datetime
    value: int


class Brute:
    """A log that was read to its end, with days as a zone cuts them."""

    def __init__(self, said: Said, zone: ZoneInfo) -> None:
        orders = orders_of(said)
        payments = read_payments(said)
        self._zone = zone
        self._linked = [payment for payment in payments if payment.order_id in orders]
        self._sales = list(read_sales(said, payments))
        self._payers = list(payers(payments))
        self._wishes = [(at.effective_at, f.customer_id) for at, f in all_of(said, AddedToWishlist)]
        self._lines = [
            *(line for payment in self._linked for line in money_lines(payment)),
            *(line for payment in payments for line in outcome_lines(payment)),
            *(
                Line(each.figure, each.currency, *each.amount)
                for parts in (volume_of(said, payments), booked(said), unknown_fees(said, payments))
                for each in parts
            ),
            *(Line("customers_created", WHOLE_SHOP, at, 1) for at in made_customers(said)),
            *(line for sale in self._sales for line in sale_lines(sale)),
            *(Line("overpaid_amount", *each) for each in overpaid_lines(said, payments)),
            *stock_lines(said, self._sales),
            *subscription_lines(said),
        ]

    def figures(self, first: date, last: date, currency: str) -> Values:
        """All figures of a window in a currency, or those of the whole shop."""

        def within(at: datetime) -> bool:
            return first <= at.astimezone(self._zone).date() <= last

        def upto(at: datetime) -> bool:
            return at.astimezone(self._zone).date() <= last

        def before(at: datetime) -> bool:
            return at.astimezone(self._zone).date() < first

        moved, held = self._sums(currency, within), self._sums(currency, upto)
        if currency == WHOLE_SHOP:
            made = {"customers_created": moved["customers_created"]}
            return wishes(self._wishes, self._sales, within) | stock(held) | made
        sales = [sale for sale in self._sales if sale.order.currency == currency]
        return {
            **money(moved, self._refunded_orders(currency, within)),
            "captured_payments_to_date": held["captured_payments"],
            **volume(moved, self._paying_customers(currency, within)),
            **balance(moved),
            "transactions_to_date": held["transactions"],
            **goods(moved),
            **customers(sales, within),
            **outcomes(moved),
            **subscriptions(moved, held, self._sums(currency, before)),
        }

    def _sums(self, currency: str, when: Callable[[datetime], bool]) -> Counter[str]:
        sums = Counter[str]()
        for line in self._lines:
            if line.currency == currency and when(line.at):
                sums[line.figure] += line.value
        return sums

    def _paying_customers(self, currency: str, when: Callable[[datetime], bool]) -> int:
        return len({who for who, code, at in self._payers if code == currency and when(at)})

    def _refunded_orders(self, currency: str, when: Callable[[datetime], bool]) -> int:
        net = Counter[str | None]()
        for payment in self._linked:
            if payment.currency == currency:
                net[payment.order_id] += sum(a.value for a in payment.refunds if when(a.at))
        return sum(minor > 0 for minor in net.values())


# ── Parts ───────────────────────────────────────────────────────────────────────────────────────


def money_lines(payment: Payment) -> Iterator[Line]:
    """What a payment that is linked to a known order brought in and gave back."""
    held = 0
    for at, minor in payment.received:
        counts = (held + minor > 0) - (held > 0)
        held += minor
        yield Line("captured_payments", payment.currency, at, counts)
    for figure, amounts in (
        ("revenue", payment.received),
        ("refunded_amount", payment.refunds),
        ("disputed_amount", payment.disputed),
        ("dispute_count", payment.disputes),
    ):
        yield from (Line(figure, payment.currency, a.at, a.value) for a in amounts)


def overpaid_lines(said: Said, payments: list[Payment]) -> Iterator[tuple[str, datetime, int]]:
    for currency, amount in overpaid(said, payments):
        yield currency, amount.at, amount.value


def outcome_lines(payment: Payment) -> Iterator[Line]:
    """One succeeds when it first holds money, and fails when a bank takes back all of that."""

    def line(outcome: str, at: datetime, value: int) -> Line:
        return Line(f"payments_{outcome}", payment.currency, at, value)

    if not payment.received and payment.failed_at is not None:
        yield line("failed", payment.failed_at, 1)
    held, failed = 0, False
    for at, minor in payment.received:
        turn = (held + minor > 0) - (held > 0)
        held += minor
        yield line("succeeded", at, turn)
        yield line("failed", at, -turn if failed or turn < 0 else 0)
        failed |= turn < 0


def sale_lines(sale: Sale) -> Iterator[Line]:
    """What an order sold when it was paid in full; all of it goes when its money does."""
    for line in sold_lines(sale):
        yield line
        if sale.unpaid_at is not None:
            yield line._replace(at=sale.unpaid_at, value=-line.value)


def sold_lines(sale: Sale) -> Iterator[Line]:
    order, paid_at = sale.order, sale.paid_at

    def line(figure: str, value: int, at: datetime = paid_at) -> Line:
        return Line(figure, order.currency, at, value)

    yield line("orders", 1)
    yield line("paid_orders_amount", sale.brought_minor)
    yield line("refunded_orders_cohort", int(sale.refunded_minor > 0))
    yield line("refunded_amount_cohort", sale.refunded_minor)
    yield line("shipping", order.shipping_minor)
    yield line("taxes", order.tax_minor)
    yield line("page_discounts", order.total_minor - sale.brought_minor)
    if sale.canceled_at is not None:
        yield line("shipping", -order.shipping_minor, sale.canceled_at)
        yield line("taxes", -order.tax_minor, sale.canceled_at)
        yield line("page_discounts", sale.brought_minor - order.total_minor, sale.canceled_at)
    for each in sale.lines:
        yield line("gross_sales", each.gross_minor)
        yield line("discounts", each.discount_minor)
        yield line("units", each.units)
        for back in each.back:
            yield line("returns", back.return_minor, back.at)
            yield line("units", -back.units, back.at)


def stock_lines(said: Said, sales: list[Sale]) -> Iterator[Line]:
    """What orders hold is committed while they are paid in full, and reserved else."""
    kinds = (StockReceived, StockAdjusted, StockReserved, StockReleased, StockSold, StockReturned)

    def line(level: str, units: int, at: datetime) -> Line:
        return Line(f"stock_{level}", WHOLE_SHOP, at, units)

    for moment, fact in all_of(said, *kinds):
        at, order, held = moment.effective_at, None, 0
        match fact:
            case StockReceived(quantity=n) | StockAdjusted(change=n):
                yield from (line("on_hand", n, at), line("available", n, at))
            case StockReserved(quantity=n, order_id=order):
                held = n
                yield line("available", -n, at)
            case StockReleased(quantity=n, order_id=order):
                held = -n
                yield line("available", n, at)
            case StockSold(quantity=n, order_id=order):  # from what was held
                held = -n
                yield line("on_hand", -n, at)
            case StockReturned(quantity=n):
                yield from (line("on_hand", n, at), line("available", n, at))
        yield from (line("held", held, at), line("reserved", held, at))
        for sale in sales:
            if sale.order.order_id != order or (sale.unpaid_at and at >= sale.unpaid_at):
                continue
            since = max(at, sale.paid_at)
            yield from (line("committed", held, since), line("reserved", -held, since))
            if (over := sale.unpaid_at) is not None:
                yield from (line("committed", -held, over), line("reserved", held, over))


def subscription_lines(said: Said) -> Iterator[Line]:
    for change in read_changes(said):
        parts = {
            "mrr": change.mrr_minor,
            "active_subscriptions": change.subscriptions,
            "mrr_uncounted_subscriptions": change.uncounted,
            "subscribers": change.began - change.ended,
            "new_subscribers": int(change.began),
            "churned_subscribers": int(change.ended),
        }
        if change.kind is not None:
            parts[change.kind] = change.mrr_minor
        for figure, value in parts.items():
            yield Line(figure, change.customer[1], change.at, value)


# ── Figures ─────────────────────────────────────────────────────────────────────────────────────


def money(moved: Counter[str], refunded_orders: int) -> Values:
    revenue, orders = moved["revenue"], moved["orders"]
    refunded, disputed = moved["refunded_amount"], moved["disputed_amount"]
    return {
        "revenue": revenue,
        "captured_payments": moved["captured_payments"],
        "orders": orders,
        "paid_orders_amount": moved["paid_orders_amount"],
        "aov": over(moved["paid_orders_amount"], orders),
        "overpaid_amount": moved["overpaid_amount"],
        "refunded_amount": refunded,
        "refunded_orders": refunded_orders,
        "refund_rate_orders_pct": over(100 * refunded_orders, orders),
        "refund_rate_value_pct": over(100 * refunded, revenue),
        "refunded_orders_cohort": moved["refunded_orders_cohort"],
        "refunded_amount_cohort": moved["refunded_amount_cohort"],
        "refund_rate_cohort_pct": over(100 * moved["refunded_orders_cohort"], orders),
        "disputed_amount": disputed,
        "dispute_count": moved["dispute_count"],
        "dispute_rate_pct": over(100 * moved["dispute_count"], moved["captured_payments"]),
        "net_revenue": revenue - refunded - disputed,
    }


def volume(moved: Counter[str], paying: int) -> Values:
    gross, refunded = moved["gross_volume"], moved["refunded_volume"]
    disputed, disputes = moved["disputed_volume"], moved["disputes_opened"]
    return {
        "gross_volume": gross,
        "bounced_volume": moved["bounced_volume"],
        "refunded_volume": refunded,
        "disputed_volume": disputed,
        "net_volume_before_fees": gross - refunded - disputed,
        "disputes_opened": disputes,
        "dispute_activity_pct": over(100 * disputes, moved["payments_succeeded"]),
        "paying_customers": paying,
        "customer_volume": moved["customer_volume"],
        "spend_per_customer": over(moved["customer_volume"], paying),
    }


def balance(moved: Counter[str]) -> Values:
    gross, fees = moved["settled_gross"], moved["fees"]
    back = {name: moved[name] for name in ("settled_refunds", "settled_disputes")}
    return {
        "fees_unknown": moved["fees_unknown"],
        "settled_gross": gross,
        **back,
        "fees": fees,
        "net_volume": gross - sum(back.values()) - fees,
        "effective_fee_rate_pct": over(100 * fees, gross),
    }


def goods(moved: Counter[str]) -> Values:
    net_sales = moved["gross_sales"] - moved["discounts"] - moved["returns"]
    return {
        "gross_sales": moved["gross_sales"],
        "discounts": moved["discounts"],
        "page_discounts": moved["page_discounts"],
        "returns": moved["returns"],
        "net_sales": net_sales,
        "shipping": moved["shipping"],
        "taxes": moved["taxes"],
        "total_sales": net_sales + moved["shipping"] + moved["taxes"],
        "units": moved["units"],
        "product_revenue": net_sales,
    }


def customers(sales: Iterable[Sale], within: Callable[[datetime], bool]) -> Values:
    orders, first_order_at = Counter[str](), dict[str, datetime]()
    for sale in sales:
        if sale.customer is None or not sale.is_first:
            continue
        earlier = first_order_at.get(sale.customer, sale.paid_at)
        first_order_at[sale.customer] = min(earlier, sale.paid_at)
        orders[sale.customer] += within(sale.paid_at)
    unique = sum(count > 0 for count in orders.values())
    repeat = sum(count > 1 for count in orders.values())
    new = sum(within(at) for at in first_order_at.values())
    return {
        "unique_customers": unique,
        "repeat_customers": repeat,
        "repeat_rate_pct": over(100 * repeat, unique),
        "new_customers": new,
        "returning_customers": unique - new,
        "returning_customer_rate_pct": over(100 * (unique - new), unique),
    }


def wishes(
    wished: Iterable[tuple[datetime, str]],
    sales: Iterable[Sale],
    within: Callable[[datetime], bool],
) -> Values:
    first_wish: dict[str, datetime] = {}
    for at, customer in wished:
        if within(at):
            first_wish[customer] = min(at, first_wish.get(customer, at))
    bought = {
        sale.customer
        for sale in sales
        if sale.customer in first_wish
        and sale.is_first
        and within(sale.paid_at)
        and sale.paid_at > first_wish[sale.customer]
    }
    return {
        "wishlisted_users": len(first_wish),
        "purchased_users": len(bought),
        "wishlist_conversion_pct": over(100 * len(bought), len(first_wish)),
    }


def outcomes(moved: Counter[str]) -> Values:
    succeeded, failed = moved["payments_succeeded"], moved["payments_failed"]
    return {
        "payments_succeeded": succeeded,
        "payments_failed": failed,
        "payment_success_pct": over(100 * succeeded, succeeded + failed),
    }


def stock(held: Counter[str]) -> Values:
    return {f"stock_{level}": held[f"stock_{level}"] for level in LEVELS}


def subscriptions(moved: Counter[str], held: Counter[str], before: Counter[str]) -> Values:
    new, churned = moved["new_subscribers"], moved["churned_subscribers"]
    return {
        "active_subscriptions": held["active_subscriptions"],
        "opening_mrr": before["mrr"],
        "mrr": held["mrr"],
        "mrr_uncounted_subscriptions": held["mrr_uncounted_subscriptions"],
        **{f"{kind}_mrr": moved[f"{kind}_mrr"] for kind in MOVEMENTS},
        "opening_subscribers": before["subscribers"],
        "new_subscribers": new,
        "churned_subscribers": churned,
        "subscriber_churn_pct": over(100 * churned, before["subscribers"] + new),
    }


LEVELS = ("on_hand", "held", "committed", "reserved", "available")
MOVEMENTS = ("new", "expansion", "contraction", "churned", "reactivation")


def over(part: int, whole: int) -> Fraction | None:
    return Fraction(part, whole) if whole else None
