"""What becomes of a request for a refund: begun or withdrawn, and never both."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import product

import pytest

from ledger.domain.events import RefundBegun, RefundRefused, RefundWithdrawn
from ledger.domain.order_commands import OrderMoney
from ledger.domain.refund_request import (
    AGGREGATE,
    BeginRefund,
    RefundCommand,
    RefundEvent,
    RefuseRefund,
    WithdrawRefund,
)
from ledger.errors import InvalidCommand, Refused, WrongState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEGUN = RefundBegun(request_id="A1:2", order_id="A1")
REFUSED = RefundRefused(
    request_id="A1:2",
    order_id="A1",
    payment_id="pi_1",
    amount_minor=400,
    currency="gbp",
    code="charge_disputed",
    message="Charge ch_1 has been charged back.",
)
WITHDRAWN = RefundWithdrawn(request_id="A1:2", order_id="A1", amount_minor=400, based_on_position=7)
BEGIN = BeginRefund(request_id="A1:2", order_id="A1", at=NOW)
REFUSE = RefuseRefund(refused=REFUSED, at=NOW)


def withdraw(
    request_id: str = "A1:2", order_id: str = "A1", open_minor: int | None = 400
) -> WithdrawRefund:
    money = OrderMoney(
        paid_minor=1000,
        refunded_minor=0,
        pending_refund_minor=0,
        currency="gbp",
        fully_paid=True,
        position=7,
        open_requests={} if open_minor is None else {"A1:2": open_minor},
    )
    return WithdrawRefund(request_id=request_id, order_id=order_id, at=NOW, money=money)


def decided(events: Sequence[RefundEvent], command: RefundCommand) -> Sequence[RefundEvent]:
    progress = AGGREGATE.initial
    for event in events:
        progress = AGGREGATE.evolve(progress, event)
    AGGREGATE.check(command)
    assert AGGREGATE.decide is not None
    return AGGREGATE.decide(command, progress, lambda _: None)  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize(
    ("events", "command", "expected"),
    [
        ([], BEGIN, [BEGUN]),
        ([BEGUN], BEGIN, []),
        ([BEGUN], REFUSE, [REFUSED]),
        ([], REFUSE, [REFUSED]),
        ([BEGUN, REFUSED], REFUSE, []),
        ([], withdraw(), [WITHDRAWN]),
        ([WITHDRAWN], withdraw(), []),
        ([WITHDRAWN], withdraw(open_minor=None), []),
        ([REFUSED], withdraw(), [WITHDRAWN]),
        ([BEGUN, REFUSED], withdraw(), [WITHDRAWN]),
    ],
)
def test_decided(
    events: Sequence[RefundEvent], command: RefundCommand, expected: Sequence[RefundEvent]
) -> None:
    assert decided(events, command) == expected


@pytest.mark.parametrize(
    ("events", "command", "error", "told"),
    [
        ([BEGUN], withdraw(), WrongState, "Stripe was asked"),
        ([WITHDRAWN], BEGIN, WrongState, "ask for it again"),
        ([REFUSED], BEGIN, WrongState, "ask for it again"),
        ([WITHDRAWN], REFUSE, WrongState, "is withdrawn"),
        ([], withdraw(open_minor=None), WrongState, "ledger refund list"),
        ([], withdraw("A1:3"), WrongState, "no request 'A1:3'"),
        ([], withdraw("A1:2", "B1"), WrongState, "Order B1 has no request"),
        ([WITHDRAWN], withdraw("A1:2", "B1"), WrongState, "Order B1 has no request"),
        ([BEGUN], withdraw("A1:2", "B1"), WrongState, "Order B1 has no request"),
        ([], withdraw("A1"), InvalidCommand, "request id"),
        ([], withdraw("A 1:2"), InvalidCommand, "request id"),
        ([], withdraw("A1:"), InvalidCommand, "request id"),
        ([], withdraw("A1:x"), InvalidCommand, "as `A1:5` is"),
        ([], withdraw("A1:" + 20 * "1"), InvalidCommand, "request id"),
    ],
)
def test_refused(
    events: Sequence[RefundEvent], command: RefundCommand, error: type[Refused], told: str
) -> None:
    with pytest.raises(error, match=told):
        decided(events, command)


@pytest.mark.parametrize("commands", [*product([BEGIN, REFUSE, withdraw()], repeat=4)])
def test_a_request_is_begun_or_withdrawn_whatever_is_asked_of_it(
    commands: Sequence[RefundCommand],
) -> None:
    """Withdrawn after it was begun only where Stripe refused it, and each thing once."""
    events: list[RefundEvent] = []
    for command in commands:
        try:
            events += decided(events, command)
        except Refused:
            continue
    kinds = [type(event) for event in events]
    assert kinds == [k for k in (RefundBegun, RefundRefused, RefundWithdrawn) if k in kinds]
    if RefundBegun in kinds and RefundWithdrawn in kinds:
        assert RefundRefused in kinds
