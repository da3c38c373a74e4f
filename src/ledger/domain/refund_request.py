"""Refund requests: of each, whether Stripe may have been asked for it, or it was withdrawn first.

An order's stream says what was asked for; a stream of the request says what became of it. A refund
is begun there before Stripe is asked, so a request is begun or withdrawn, and never both: the log
decides, and not who is faster at Stripe (docs/decisions/0047).
"""

from collections.abc import Sequence
from typing import Literal, assert_never

from msgspec import Struct

from ledger.domain.aggregate import Aggregate, Command
from ledger.domain.events import RefundBegun, RefundRefused, RefundWithdrawn
from ledger.domain.limits import is_id
from ledger.domain.order_commands import OnMoney
from ledger.errors import FieldError, InvalidCommand, WrongState


class BeginRefund(Command, frozen=True, kw_only=True):
    """Say that Stripe is asked for the refund of a request from now on."""

    request_id: str
    order_id: str


class RefuseRefund(Command, frozen=True, kw_only=True):
    """Say that Stripe does not make it."""

    refused: RefundRefused

    @property
    def request_id(self) -> str:
        """The request that is refused."""
        return self.refused.request_id


class WithdrawRefund(OnMoney, frozen=True, kw_only=True):
    """Take back what of a request is open; refused once Stripe may have been asked for it."""

    request_id: str


RefundCommand = BeginRefund | RefuseRefund | WithdrawRefund
RefundEvent = RefundBegun | RefundRefused | RefundWithdrawn


class RefundProgress(Struct, frozen=True):
    """What became of a request, as far as we did it ourselves; its refunds are Stripe's word."""

    state: Literal["waits", "begun", "refused", "withdrawn"] = "waits"


def evolve(_progress: RefundProgress, event: RefundEvent) -> RefundProgress:
    """What became of it after an event of its stream."""
    match event:
        case RefundBegun():
            return RefundProgress("begun")
        case RefundRefused():
            return RefundProgress("refused")
        case RefundWithdrawn():
            return RefundProgress("withdrawn")
        case _:
            assert_never(event)


def decide(command: RefundCommand, progress: RefundProgress) -> Sequence[RefundEvent]:
    """What a command does to a request; no events: it is so already. Raises a `Refused`."""
    match command:
        case BeginRefund(request_id=request_id, order_id=order_id):
            if progress.state in {"refused", "withdrawn"}:
                raise WrongState(f"Request {request_id} is {progress.state}; ask for it again.")
            is_begun = progress.state == "begun"
            return [] if is_begun else [RefundBegun(request_id=request_id, order_id=order_id)]
        case RefuseRefund(refused=refused):
            if progress.state == "withdrawn":
                raise WrongState(f"Request {refused.request_id} is withdrawn.")
            return [] if progress.state == "refused" else [refused]
        case WithdrawRefund():
            return _withdraw(command, progress)
        case _:
            assert_never(command)


def _withdraw(command: WithdrawRefund, progress: RefundProgress) -> Sequence[RefundEvent]:
    request_id, order_id, money = command.request_id, command.order_id, command.money
    is_of_order = request_id.rpartition(":")[0] == order_id
    if is_of_order and progress.state == "withdrawn":
        return []
    if is_of_order and progress.state == "begun":
        raise WrongState(
            f"Stripe was asked for the refund of request {request_id}, so it cannot be withdrawn;"
            " wait for what Stripe says. `ledger refund carry-out` asks again at once."
        )
    open_minor = money.open_requests.get(request_id) if is_of_order else None
    if open_minor is None:
        raise WrongState(
            f"Order {order_id} has no request {request_id[:100]!r} of which anything is open;"
            " `ledger refund list` and `GET /refund_requests` show what is."
        )
    return [
        RefundWithdrawn(
            request_id=request_id,
            order_id=order_id,
            amount_minor=open_minor,
            based_on_position=money.position,
        )
    ]


def _check(command: RefundCommand) -> None:
    """Raise InvalidCommand for what cannot be an order's request: its number follows the order."""
    order_id, _, number = command.request_id.rpartition(":")
    if not (is_id(order_id) and number.isascii() and number.isdigit() and len(number) < 20):
        is_none = f"{command.request_id[:100]!r} is no request's id, as `A1:5` is."
        raise InvalidCommand(f"request id {is_none}", FieldError("request_id", "invalid", is_none))


AGGREGATE = Aggregate(
    initial=RefundProgress(),
    events=RefundEvent,
    evolve=evolve,
    stream_id=lambda event: event.request_id,
    commands=RefundCommand,
    key="request_id",
    decide=lambda command, progress, _: decide(command, progress),
    check=_check,
    answer=lambda command: {"id": command.request_id.rpartition(":")[0]},
)
