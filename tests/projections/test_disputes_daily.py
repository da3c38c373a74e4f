"""Disputes by day: opened, withdrawn, reinstated, each on its own day."""

from collections.abc import Sequence

import pytest

from ledger.domain.events import PaymentLinked
from ledger.domain.facts import DisputeFact, DisputeState, FundsMovement
from tests.projections.days import day, on, reporting_in
from tests.projections.models import Models, at, charge, order

DAYS = "select day, currency, disputed_minor, disputes from disputes_daily order by day, currency"
FACTS = """
select extract(day from day)::integer, kind, transaction_id, disputes, amount_minor
from dispute_facts
order by day, kind, transaction_id
"""
OPENED = (1, "opened", "", 1, 0)


def moved(day_of_march: int, amount_minor: int, currency: str = "gbp") -> FundsMovement:
    """Funds move at noon."""
    return FundsMovement(
        transaction_id=f"txn_{day_of_march}",
        amount_minor=amount_minor,
        fee_minor=2000,
        currency=currency,
        created_at=at(on(f"2026-03-{day_of_march:02} 12:00")),
    )


def dispute(
    state: DisputeState,
    *movements: FundsMovement,
    withdrawn: bool = False,
    reinstated: bool = False,
    currency: str = "gbp",
    charge_id: str | None = "ch_1",
) -> DisputeFact:
    """Of 1 March, about 1000."""
    return DisputeFact(
        state=state,
        dispute_id="dp_1",
        amount_minor=1000,
        currency=currency,
        created_at=at(0),
        charge_id=charge_id,
        payment_id="pi_1",
        movements=movements,
        withdrawn=withdrawn,
        reinstated=reinstated,
    )


OUT, BACK, PART = moved(2, -1000), moved(9, 1000), moved(12, 600)
DOLLARS_OUT, DOLLARS_BACK = moved(2, -1170, "usd"), moved(9, 1150, "usd")
Facts = list[tuple[int, str, str, int, int]]

CASES: dict[str, tuple[Sequence[DisputeFact], Facts]] = {
    # reports, one a day from 20 March on: day, kind, transaction, disputes, amount
    "opened is not withdrawn": ([dispute(DisputeState.OPEN)], [OPENED]),
    "lost": (
        [dispute(DisputeState.OPEN, OUT), dispute(DisputeState.LOST, OUT)],
        [OPENED, (2, "withdrawn", "txn_2", 0, 1000)],
    ),
    "won": (
        [
            dispute(DisputeState.WON, OUT, BACK),
            dispute(DisputeState.WON, OUT, BACK, reinstated=True),
        ],
        [OPENED, (2, "withdrawn", "txn_2", 0, 1000), (9, "reinstated", "txn_9", 0, -1000)],
    ),
    "a part came back": (
        [dispute(DisputeState.WON, OUT, PART)],
        [OPENED, (2, "withdrawn", "txn_2", 0, 1000), (12, "reinstated", "txn_12", 0, -600)],
    ),
    "withdrawn, without booking": (
        [dispute(DisputeState.OPEN), dispute(DisputeState.OPEN, withdrawn=True)],
        [OPENED, (21, "withdrawn", "", 0, 1000)],
    ),
    "withdrawn and reinstated, without booking": (
        [dispute(DisputeState.OPEN, withdrawn=True), dispute(DisputeState.WON, reinstated=True)],
        [OPENED, (20, "withdrawn", "", 0, 1000), (21, "reinstated", "", 0, -1000)],
    ),
    "reinstated, only the withdrawal booked": (
        [dispute(DisputeState.OPEN, OUT), dispute(DisputeState.WON, reinstated=True)],
        [OPENED, (2, "withdrawn", "txn_2", 0, 1000), (21, "reinstated", "", 0, -1000)],
    ),
    "only that it was reinstated is known": (
        [dispute(DisputeState.WON, reinstated=True)],
        [OPENED],
    ),
    "booked in the account's currency": (
        [dispute(DisputeState.OPEN, DOLLARS_OUT)],
        [OPENED, (2, "withdrawn", "txn_2", 0, 1000)],
    ),
    "back at another rate, then won": (
        [
            dispute(DisputeState.OPEN, DOLLARS_OUT),
            dispute(DisputeState.WON, DOLLARS_OUT, DOLLARS_BACK),
        ],
        [
            OPENED,
            (2, "withdrawn", "txn_2", 0, 1000),
            (9, "reinstated", "txn_9", 0, -983),  # 20 of 1170 are out, 17 of 1000
            (21, "reinstated", "", 0, -17),
        ],
    ),
    "won, then back at another rate": (
        [
            dispute(DisputeState.WON, DOLLARS_OUT),
            dispute(DisputeState.WON, DOLLARS_OUT, moved(25, 1150, "usd")),
        ],
        [OPENED, (2, "withdrawn", "txn_2", 0, 1000), (25, "reinstated", "txn_25", 0, -1000)],
    ),
    "lost, and the rate was corrected": (
        [dispute(DisputeState.LOST, moved(2, -7400, "eur"), moved(5, 120, "eur"))],
        [OPENED, (2, "withdrawn", "txn_2", 0, 1000), (5, "reinstated", "txn_5", 0, -16)],
    ),
    "the rate was corrected to and fro": (
        [
            dispute(
                DisputeState.LOST, moved(2, -4000, "usd"), moved(5, 40, "usd"), moved(6, -20, "usd")
            )
        ],
        [
            OPENED,
            (2, "withdrawn", "txn_2", 0, 1000),
            (5, "reinstated", "txn_5", 0, -10),
            (6, "withdrawn", "txn_6", 0, 5),
        ],
    ),
    "lost, a part came back in another currency": (
        [dispute(DisputeState.LOST, moved(2, -4000, "usd"), moved(9, 1600, "usd"))],
        [OPENED, (2, "withdrawn", "txn_2", 0, 1000), (9, "reinstated", "txn_9", 0, -400)],
    ),
    "a half is rounded to even": (
        [dispute(DisputeState.LOST, moved(2, -16, "usd"), moved(8, 3, "usd"), moved(9, 12, "usd"))],
        [
            OPENED,
            (2, "withdrawn", "txn_2", 0, 1000),
            (8, "reinstated", "txn_8", 0, -188),  # 812.5 is left, 812
            (9, "reinstated", "txn_9", 0, -750),  # 62.5 is left, 62
        ],
    ),
    "withdrawn in two parts abroad, one of them back": (
        [
            dispute(
                DisputeState.LOST,
                moved(2, -2000, "usd"),
                moved(3, -2000, "usd"),
                moved(9, 2000, "usd"),
            )
        ],
        [OPENED, (2, "withdrawn", "txn_2", 0, 1000), (9, "reinstated", "txn_9", 0, -500)],
    ),
    "withdrawn again after it was reinstated": (
        [dispute(DisputeState.LOST, DOLLARS_OUT, DOLLARS_BACK, moved(15, -1160, "usd"))],
        [
            OPENED,
            (2, "withdrawn", "txn_2", 0, 1000),
            (9, "reinstated", "txn_9", 0, -983),
            (15, "withdrawn", "txn_15", 0, 983),
        ],
    ),
    "reported withdrawn, reinstated and withdrawn again": (
        [
            dispute(DisputeState.OPEN, withdrawn=True),
            dispute(DisputeState.OPEN, reinstated=True),
            dispute(DisputeState.OPEN, withdrawn=True),
        ],
        [
            OPENED,
            (20, "withdrawn", "", 0, 1000),
            (21, "reinstated", "", 0, -1000),
            (22, "withdrawn", "", 0, 1000),
        ],
    ),
    "a partial return that is reported and listed": (
        [dispute(DisputeState.OPEN, OUT), dispute(DisputeState.LOST, OUT, PART, reinstated=True)],
        [OPENED, (2, "withdrawn", "txn_2", 0, 1000), (12, "reinstated", "txn_12", 0, -600)],
    ),
    "reported withdrawn, listed later": (
        [dispute(DisputeState.OPEN, withdrawn=True), dispute(DisputeState.LOST, moved(25, -990))],
        [OPENED, (20, "withdrawn", "", 0, 1000), (25, "reinstated", "txn_25", 0, -10)],
    ),
    "lost, and nothing says what left": (
        [dispute(DisputeState.OPEN), dispute(DisputeState.LOST), dispute(DisputeState.LOST)],
        [OPENED, (21, "withdrawn", "", 0, 1000)],
    ),
    "lost after all of it had come back": (
        [dispute(DisputeState.OPEN, OUT, BACK), dispute(DisputeState.LOST, OUT, BACK)],
        [
            OPENED,
            (2, "withdrawn", "txn_2", 0, 1000),
            (9, "reinstated", "txn_9", 0, -1000),
            (21, "withdrawn", "", 0, 1000),
        ],
    ),
    "lost, then won": (
        [dispute(DisputeState.LOST, OUT), dispute(DisputeState.WON, OUT, moved(25, 1000))],
        [OPENED, (2, "withdrawn", "txn_2", 0, 1000), (25, "reinstated", "txn_25", 0, -1000)],
    ),
    "lost, reinstated, then won": (
        [
            dispute(DisputeState.LOST, OUT),
            dispute(DisputeState.LOST, OUT, moved(21, 1000)),
            dispute(DisputeState.WON, OUT, moved(21, 1000)),
        ],
        [OPENED, (2, "withdrawn", "txn_2", 0, 1000), (22, "reinstated", "", 0, -1000)],
    ),
    "lost and nothing listed, then won": (
        [dispute(DisputeState.LOST), dispute(DisputeState.WON)],
        [OPENED, (20, "withdrawn", "", 0, 1000), (21, "reinstated", "", 0, -1000)],
    ),
    "won, back in another currency than it left in": (
        [dispute(DisputeState.WON, OUT, moved(9, 1150, "usd"))],
        [OPENED, (2, "withdrawn", "txn_2", 0, 1000), (20, "reinstated", "", 0, -1000)],
    ),
    "withdrawn in two currencies, half of one back": (
        [dispute(DisputeState.LOST, moved(2, -600), moved(3, -500, "usd"), moved(9, 250, "usd"))],
        [
            OPENED,
            (2, "withdrawn", "txn_2", 0, 600),
            (3, "withdrawn", "txn_3", 0, 400),
            (9, "reinstated", "txn_9", 0, -200),
        ],
    ),
    "an inquiry": ([dispute(DisputeState.INQUIRY)], []),
    "an inquiry that was closed": (
        [dispute(DisputeState.INQUIRY), dispute(DisputeState.INQUIRY_CLOSED)],
        [],
    ),
    "an inquiry that was refunded": (
        [dispute(DisputeState.INQUIRY), dispute(DisputeState.CLOSED)],
        [],
    ),
    "an inquiry that became a dispute": (
        [dispute(DisputeState.INQUIRY), dispute(DisputeState.OPEN, OUT)],
        [OPENED, (2, "withdrawn", "txn_2", 0, 1000)],
    ),
    "a dispute that was refunded": (
        [dispute(DisputeState.OPEN), dispute(DisputeState.CLOSED)],
        [OPENED],
    ),
    "in another currency than the payment": ([dispute(DisputeState.OPEN, currency="usd")], []),
    "names only the payment": ([dispute(DisputeState.OPEN, charge_id=None)], [OPENED]),
}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("reports", "facts"), CASES.values(), ids=CASES)
def test_a_dispute_in_facts(
    models: Models, reports: Sequence[DisputeFact], facts: Facts, backwards: bool
):
    """Whichever report arrives first."""
    models.take(order()).take(charge())
    timed = [(report, on("2026-03-20 12:00") + 1440 * i) for i, report in enumerate(reports)]
    for report, minutes in reversed(timed) if backwards else timed:
        models.take(report, minutes=minutes)
    assert models.rows(FACTS) == facts
    in_facts = sum(amount_minor for *_, amount_minor in facts)
    assert models.one("payments", "disputed_minor") == in_facts


def test_a_dispute_by_day(models: Models):
    """Opened on 1 March; 1000 are withdrawn on the 2nd, and come back on the 9th as it is won."""
    models.take(order()).take(charge()).take(dispute(DisputeState.WON, OUT, BACK))
    assert models.rows(DAYS) == [
        (day("2026-03-01"), "gbp", 0, 1),
        (day("2026-03-02"), "gbp", 1000, 0),
        (day("2026-03-09"), "gbp", -1000, 0),
    ]


def test_a_dispute_counts_once_the_order_of_its_payment_is_known(models: Models):
    models.take(charge(order_id=None)).take(dispute(DisputeState.LOST, OUT))
    models.take(PaymentLinked(order_id="A1", payment_id="pi_1"))
    assert models.rows(DAYS) == []
    models.take(order(), minutes=on("2026-03-20 12:00"))
    assert models.rows(DAYS) == [
        (day("2026-03-01"), "gbp", 0, 1),
        (day("2026-03-02"), "gbp", 1000, 0),
    ]


def test_a_day_begins_at_midnight_in_the_reporting_zone(models: Models):
    """Noon in London is the next day in Kiritimati, 14 hours ahead."""
    with reporting_in(models, "Pacific/Kiritimati"):
        models.take(order()).take(charge()).take(dispute(DisputeState.LOST, OUT))
    assert models.rows(DAYS) == [
        (day("2026-03-02"), "gbp", 0, 1),
        (day("2026-03-03"), "gbp", 1000, 0),
    ]
