"""What the golden examples are made of: short stories, asked of the evaluator and of `brute`."""

from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from kpi.evaluate import NO_CURRENCY, Values, evaluate
from kpi.windows import Window
from ledger.domain.facts import CheckoutFact, CheckoutState, RefundState
from tests.kpi.brute import Brute
from tests.projections.days import day, on
from tests.projections.models import Models, at, charge, order, refund


def figures(models: Models, first: str, last: str, currency: str = "gbp") -> Values:
    """All figures from one day to another, of a currency and of the shop, in both readings."""
    window = Window(day(first), day(last))
    with models.dicts() as cursor:
        (found,) = evaluate(cursor, [window])
    ((zone,),) = models.rows("select current_setting('ledger.time_zone')")
    brute = Brute(models.said, ZoneInfo(zone))
    in_money, of_shop = (brute.figures(*window, name) for name in (currency, NO_CURRENCY))
    assert found[NO_CURRENCY] == of_shop
    assert found[currency] == in_money if currency in found else not any(in_money.values())
    return in_money | of_shop


def asked(values: Values, *names: str) -> list[Any]:
    return [values[name] for name in names]


def bought(
    models: Models,
    order_id: str,
    time: str,
    minor: int = 1000,
    currency: str = "gbp",
    **more: Any,
) -> None:
    """An order is placed, and paid in full a minute later."""
    placed = msgspec.structs.replace(order(minor, order_id), currency=currency, **more)
    models.take(placed, minutes=on(time))
    captured(models, order_id, on(time) + 1, minor, currency)


def captured(
    models: Models,
    order_id: str | None,
    minutes: int,
    minor: int = 1000,
    currency: str = "gbp",
    *,
    name: str | None = None,
) -> None:
    """A charge of a payment `pi_<name>` is captured, by default named as the order it is for."""
    name = name or order_id
    money = charge(
        minor,
        charge_id=f"ch_{name}",
        payment_id=f"pi_{name}",
        order_id=order_id,
        currency=currency,
        minutes=minutes,
    )
    models.take(money, minutes=minutes)


def visited(
    models: Models, order_id: str, name: str, minutes: int, *, asked: int, off: int
) -> None:
    """A payment page `cs_<name>` takes something off an order, and is paid."""
    page = CheckoutFact(
        state=CheckoutState.PAID,
        session_id=f"cs_{name}",
        created_at=at(minutes),
        currency="gbp",
        total_minor=asked,
        discount_minor=off,
        nothing_due=asked == 0,
        order_id=order_id,
        mode="payment",
    )
    models.take(page, minutes=minutes)


def refunded(
    models: Models,
    name: str,
    time: str,
    minor: int = 1000,
    state: RefundState = RefundState.SUCCEEDED,
) -> None:
    """A refund `re_<name><minor>` of the payment `pi_<name>` is reported."""
    back = refund(
        state,
        minor,
        refund_id=f"re_{name}{minor}",
        charge_id=f"ch_{name}",
        payment_id=f"pi_{name}",
        minutes=on(time),
    )
    models.take(back, minutes=on(time))
