"""Disputes: their state, and the money that they moved."""

from collections.abc import Sequence

import pytest

from ledger.domain.facts import (
    DisputeFact,
    DisputeInquiry,
    DisputeLost,
    DisputeOpened,
    DisputeUnderReview,
    DisputeWon,
    FundsMovement,
)
from tests.projections.models import NOON, Models

OUT, BACK, PART = ("txn_1", -1000), ("txn_2", 1000), ("txn_3", 600)


def dispute(
    state: type[DisputeFact],
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
    return state(
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
        pytest.param([dispute(DisputeInquiry)], "inquiry", 0, id="an inquiry moves nothing"),
        pytest.param([dispute(DisputeOpened)], "open", 0, id="opened is not withdrawn"),
        pytest.param([dispute(DisputeOpened, OUT)], "open", 1000, id="withdrawn at once"),
        pytest.param(
            [dispute(DisputeOpened, OUT), dispute(DisputeUnderReview, OUT, withdrawn=True)],
            "under_review",
            1000,
            id="booked once by transaction",
        ),
        pytest.param([dispute(DisputeLost, OUT)], "lost", 1000, id="lost"),
        pytest.param([dispute(DisputeWon, OUT)], "won", 1000, id="won, the money not back yet"),
        pytest.param([dispute(DisputeWon, OUT, BACK)], "won", 0, id="won, the money is back"),
        pytest.param([dispute(DisputeWon, OUT, PART)], "won", 400, id="a part came back"),
        pytest.param(
            [dispute(DisputeWon, OUT, BACK), dispute(DisputeOpened, OUT)],
            "won",
            0,
            id="the opening arrives last",
        ),
        pytest.param(
            [dispute(DisputeOpened, withdrawn=True)], "open", 1000, id="withdrawn, without booking"
        ),
        pytest.param(
            [dispute(DisputeOpened, withdrawn=True), dispute(DisputeWon, reinstated=True)],
            "won",
            0,
            id="reinstated, without booking",
        ),
        pytest.param(
            [dispute(DisputeOpened, OUT), dispute(DisputeWon, reinstated=True)],
            "won",
            0,
            id="reinstated, only the withdrawal booked",
        ),
        pytest.param(
            [dispute(DisputeOpened, ("txn_1", -1170), currency="usd")],
            "open",
            1000,
            id="booked in the account's currency",
        ),
        pytest.param(
            [dispute(DisputeWon, ("txn_1", -1170), ("txn_2", 1150), currency="usd")],
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
