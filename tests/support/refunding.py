"""A shop whose requested refunds are made at a simulated Stripe."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

from app.pauses import Pauses
from app.refunds import Refunder
from ledger.command_handler import CommandHandler
from ledger.domain.events import Line, Metadata, StripeEventReceived
from ledger.domain.order_commands import RULES_OF_THE_PAST, PlaceOrder, RequestRefund
from ledger.domain.refund_request import WithdrawRefund
from projections.engine.build import ProjectionContext
from projections.engine.reads import Reads
from simulator.objects import Payment
from tests.app.test_stripe_pull import rows
from tests.simulator.api.shop import SECRET, Shop
from tests.support.following import following
from webhooks.ingest.append import append_events
from webhooks.stripe_client import StripeClient

OLGA = Metadata(actor="ops:olga", reason="broken in the post")


class World:
    """A shop whose orders are paid at a simulated Stripe; `refunder` is a process that starts."""

    def __init__(self, engine: ProjectionContext, served: Shop) -> None:
        self.engine = engine
        self.served = served
        self.stripe = served.stripe
        self.reads = Reads(engine)
        self.commands = CommandHandler(engine.log, self.reads.money)
        self._heard = 0
        self.begun = 0

    def follow(self) -> None:
        """Wait for the follower, which runs beside as in the service."""
        with self.reads.snapshot(None, self.engine.log.head()):
            pass

    def hear(self) -> None:
        """What Stripe has sent since arrives as webhooks."""
        assert self.stripe.memory is not None
        events = list(self.stripe.memory.events.things)
        received = [
            StripeEventReceived(
                event_id=each.id, body=each.body, received_at=datetime.now(UTC), source="webhook"
            )
            for each in events[self._heard :]
        ]
        append_events(self.engine.log, received, Metadata(actor="stripe"))
        self._heard = len(events)
        self.follow()

    def order(self, order_id: str, *paid: int, currency: str = "eur") -> list[Payment]:
        """An order that is paid by these payments."""
        line = Line(sku="TEA", name="Tea", quantity=1, unit_minor=sum(paid))
        now = datetime.now(UTC)
        self.commands.execute(
            PlaceOrder(
                order_id=order_id,
                at=now,
                currency=currency,
                lines=(line,),
                expires_at=now + timedelta(minutes=30),
                rules=RULES_OF_THE_PAST,
                reserves_stock=False,
            ),
            OLGA,
        )
        made: list[Payment] = []
        for amount_minor in paid:
            payment, _ = self.stripe.create_payment(amount_minor, currency, order_id=order_id)
            self.stripe.pay_by_card(payment)
            made.append(payment)
        self.hear()
        return made

    def ask(self, order_id: str, *amounts_minor: int, at: datetime | None = None) -> None:
        """All of them in one second."""
        at = at or datetime.now(UTC)
        for amount_minor in amounts_minor:
            self.follow()
            command = RequestRefund(
                order_id=order_id,
                at=at,
                amount_minor=amount_minor,
                money=self.commands.money(order_id),
            )
            self.commands.execute(command, OLGA)
        self.follow()

    def withdraw(self, order_id: str, request_id: str) -> list[str]:
        """Take back what is open of a request; the topics of what went on record."""
        self.follow()
        command = WithdrawRefund(
            request_id=request_id,
            order_id=order_id,
            at=datetime.now(UTC),
            money=self.commands.money(order_id),
        )
        recorded = self.commands.execute(command, OLGA).recorded
        self.follow()
        return [*(recorded or ())]

    def refunder(self, key: str = SECRET.secret, pauses: Pauses | None = None) -> Refunder:
        def client_of(account: str | None) -> StripeClient:
            return StripeClient(key, self.served.base, account=account, calls_per_second=10_000)

        return Refunder(self.reads, client_of, "test", pauses or Pauses(lambda: 0.0))

    def look(self, refunder: Refunder | None = None) -> None:
        (refunder or self.refunder()).run(Event())
        self.follow()

    def requests(self) -> list[tuple[Any, ...]]:
        return rows(
            self.engine,
            "select state, open_minor from refund_requests order by requested_at, request_id",
        )

    def made(self) -> list[int]:
        """The amounts that Stripe gave back."""
        assert self.stripe.memory is not None
        return sorted(each.amount_minor for each in self.stripe.memory.shelf("refund").things)

    def known(self) -> list[int]:
        found = rows(self.engine, "select amount_minor from refunds order by 1")
        return [amount_minor for (amount_minor,) in found]

    def posts(self) -> int:
        """How often Stripe answered a call for a refund with one."""
        return sum(call.method == "POST" and call.status == 200 for call in self.served.api.calls)


@contextmanager
def refunding(engine: ProjectionContext, served: Shop) -> Iterator[World]:
    """The world, with a follower beside, for the length of the block."""
    world = World(engine, served)
    with closing(world.reads), following(engine):
        yield world
