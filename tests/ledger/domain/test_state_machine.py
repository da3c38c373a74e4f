"""The page of an order's states: what it shows is what the decider does."""

from typing import get_args

import pytest

from app.cli.docs.order_states import attempts, name_of, page
from ledger.domain.order import NoOrder, Order
from ledger.domain.order_commands import OrderCommand

TRIED = attempts()
OUTCOMES = {
    (name_of(attempt.state), attempt.money, attempt.command): attempt.outcome for attempt in TRIED
}


def test_every_state_is_reached() -> None:
    """By commands alone, from no order at all."""
    assert {type(attempt.state) for attempt in TRIED} == set(get_args(Order))


def test_every_command_is_tried_in_every_state() -> None:
    commands = {attempt.command for attempt in TRIED}
    moneys = {attempt.money for attempt in TRIED}
    assert len({command.partition(",")[0] for command in commands}) == len(get_args(OrderCommand))
    assert len(TRIED) == len(OUTCOMES) == len(get_args(Order)) * len(moneys) * len(commands)


@pytest.mark.parametrize(
    ("state", "money", "command", "outcome"),
    [
        ("no order", "unpaid", "place, goods there", "pending"),
        ("no order", "unpaid", "place, goods gone", "–"),
        ("pending", "unpaid", "cancel", "canceled"),
        ("pending", "paid in part", "cancel", "–"),
        ("pending", "refunded", "expire", "–"),
        ("pending", "refunded", "cancel", "canceled"),
        ("expired", "refunded", "cancel", "canceled"),
        ("expired", "unpaid", "cancel", "–"),
        ("paid, unallocated", "paid", "cancel", "–"),
        ("paid, unallocated", "refunded", "cancel", "canceled"),
        ("pending", "paid in part", "fulfil", "–"),
        ("pending", "paid", "fulfil", "fulfilled"),
        ("pending", "refunded", "fulfil", "–"),
        ("canceled", "unpaid", "cancel", "no change"),
        ("canceled", "paid", "reallocate, goods there", "–"),
        ("expired", "paid", "reallocate, goods there", "pending"),
        ("expired", "paid", "reallocate, goods gone", "paid, unallocated"),
        ("paid, unallocated", "paid", "reallocate, goods gone", "no change"),
        ("fulfilled", "paid", "return", "stays"),
        ("fulfilled", "refunded", "refund", "–"),
    ],
)
def test_outcomes(state: str, money: str, command: str, outcome: str) -> None:
    assert OUTCOMES[state, money, command] == outcome


def test_nothing_leads_out_of_canceled_and_fulfilled() -> None:
    final = {"canceled", "fulfilled"}
    after = {name_of(each.after) for each in TRIED if name_of(each.state) in final}
    assert after == final


def test_the_picture_shows_every_move_and_no_other() -> None:
    moves = {
        (type(each.state), type(each.after))
        for each in TRIED
        if type(each.state) is not type(each.after)
    }
    arrows = [line.partition(":")[0].strip() for line in page().splitlines() if " --> " in line]
    shown = {
        f"{'[*]' if before is NoOrder else before.__name__} --> {after.__name__}"
        for before, after in moves
    }
    assert set(arrows) == shown
