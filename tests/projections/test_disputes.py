"""Disputes: their state, and the money that they moved."""

from collections.abc import Sequence

import msgspec
import pytest

from ledger.domain.facts import DisputeFact, DisputeState, FundsMovement
from tests.projections.models import NOON, Models, at
from tests.webhooks import examples
from tests.webhooks.examples import event, transaction

OUT, BACK, PART = ("txn_1", -1000), ("txn_2", 1000), ("txn_3", 600)


def dispute(
    state: DisputeState,
    *moved: tuple[str, int],
    currency: str = "gbp",
    withdrawn: bool = False,
    reinstated: bool = False,
) -> DisputeFact:
    movements = [
        FundsMovement(
            transaction_id=name,
            amount_minor=amount_minor,
            fee_minor=2000,
            currency=currency,
            created_at=NOON,
        )
        for name, amount_minor in moved
    ]
    return DisputeFact(
        state=state,
        dispute_id="dp_1",
        amount_minor=1000,
        currency="gbp",
        created_at=NOON,
        charge_id="ch_1",
        movements=tuple(movements),
        withdrawn=withdrawn,
        reinstated=reinstated,
    )


@pytest.mark.parametrize(
    ("reports", "state", "disputed_minor"),
    [
        pytest.param([dispute(DisputeState.INQUIRY)], "inquiry", 0, id="an inquiry moves nothing"),
        pytest.param([dispute(DisputeState.OPEN)], "open", 0, id="opened is not withdrawn"),
        pytest.param([dispute(DisputeState.OPEN, OUT)], "open", 1000, id="withdrawn at once"),
        pytest.param(
            [
                dispute(DisputeState.OPEN, OUT),
                dispute(DisputeState.UNDER_REVIEW, OUT, withdrawn=True),
            ],
            "under_review",
            1000,
            id="booked once by transaction",
        ),
        pytest.param([dispute(DisputeState.LOST, OUT)], "lost", 1000, id="lost"),
        pytest.param(
            [dispute(DisputeState.WON, OUT)], "won", 1000, id="won, the money not back yet"
        ),
        pytest.param([dispute(DisputeState.WON, OUT, BACK)], "won", 0, id="won, the money is back"),
        pytest.param([dispute(DisputeState.WON, OUT, PART)], "won", 400, id="a part came back"),
        pytest.param(
            [dispute(DisputeState.WON, OUT, BACK), dispute(DisputeState.OPEN, OUT)],
            "won",
            0,
            id="the opening arrives last",
        ),
        pytest.param(
            [dispute(DisputeState.OPEN, withdrawn=True)],
            "open",
            1000,
            id="withdrawn, without booking",
        ),
        pytest.param(
            [
                dispute(DisputeState.OPEN, withdrawn=True),
                dispute(DisputeState.WON, reinstated=True),
            ],
            "won",
            0,
            id="reinstated, without booking",
        ),
        pytest.param(
            [dispute(DisputeState.OPEN, OUT), dispute(DisputeState.WON, reinstated=True)],
            "won",
            0,
            id="reinstated, only the withdrawal booked",
        ),
        pytest.param(
            [dispute(DisputeState.OPEN, ("txn_1", -1170), currency="usd")],
            "open",
            1000,
            id="booked in the account's currency",
        ),
        pytest.param(
            [dispute(DisputeState.WON, ("txn_1", -1170), ("txn_2", 1150), currency="usd")],
            "won",
            0,
            id="back at another rate",
        ),
    ],
)
def test_disputed_money_is_withdrawn_less_reinstated(
    models: Models, reports: Sequence[DisputeFact], state: str, disputed_minor: int
):
    for report in reports:
        models.take(report)
    assert models.one("disputes", "state", "disputed_minor") == (state, disputed_minor)


Told = tuple[str, examples.Json]


def told(type_: str, status: str, *moved: examples.Json) -> Told:
    """A report of the dispute; without a list where none is given."""
    fields = examples.dispute(status=status, balance_transactions=list(moved) or None)
    return f"charge.dispute.{type_}", fields


WITHDRAWAL = transaction(id="txn_1")
RETURN = transaction(id="txn_2", amount=1000, created=examples.TOLD)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("reports", "disputed_minor"),
    [
        pytest.param(
            [told("funds_withdrawn", "needs_response"), told("funds_reinstated", "lost")],
            1000,
            id="withdrawn and reinstated of a lost one",
        ),
        pytest.param(
            [
                told("funds_withdrawn", "needs_response"),
                told("closed", "lost"),
                told("closed", "won", transaction(created=examples.TOLD), RETURN),
            ],
            0,
            id="withdrawn, lost, and won with its list",
        ),
        pytest.param(
            [
                told("created", "needs_response", WITHDRAWAL),
                told("closed", "lost", WITHDRAWAL),
                told("closed", "won", WITHDRAWAL, RETURN),
            ],
            0,
            id="lost and won",
        ),
        pytest.param(
            [
                told("created", "needs_response", WITHDRAWAL),
                told("closed", "won", WITHDRAWAL, RETURN),
                told("closed", "lost", WITHDRAWAL, RETURN),
            ],
            1000,
            id="won and lost",
        ),
    ],
)
def test_what_is_told_of_one_second_agrees_with_the_state(
    models: Models, reports: Sequence[Told], disputed_minor: int, backwards: bool
):
    """In any order of arrival: of one second the event's id decides."""
    events = [
        event(type_, fields, id=f"evt_{number}") for number, (type_, fields) in enumerate(reports)
    ]
    models.hear(*(reversed(events) if backwards else events))
    assert models.one("disputes", "disputed_minor") == disputed_minor
    assert models.one("disputes", "state") == {"won": "won"}.get(reports[-1][1]["status"], "lost")


def test_an_older_ending_with_a_later_movement_undoes_no_newer_one(models: Models):
    late = FundsMovement(
        transaction_id="txn_2", amount_minor=1000, fee_minor=0, currency="gbp", created_at=at(30)
    )
    models.take(dispute(DisputeState.OPEN, OUT), minutes=1)
    lost = dispute(DisputeState.LOST, OUT)
    models.take(msgspec.structs.replace(lost, movements=(*lost.movements, late)), minutes=10)
    models.take(dispute(DisputeState.WON, OUT), minutes=20)
    assert models.one("disputes", "state", "disputed_minor") == ("won", 0)
