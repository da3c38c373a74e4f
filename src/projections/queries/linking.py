"""Linking payments in bulk: what a rule finds, page by page, and carrying that out.

What was previewed is what is done: a page is known by its place among the payments, by the position
of the log that it was looked at, and by a digest of its pairs. Payments that were linked since then
count as if they were not, so a page may be carried out again, and then changes nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import chain, islice
from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Struct

from ledger import waits
from ledger.command_handler import CommandHandler
from ledger.domain.events import Metadata
from ledger.domain.limits import check_text
from ledger.domain.link_rule import (
    NEAR,
    REASONS,
    FoundOrder,
    LinkRule,
    SkipReason,
    UnlinkedPayment,
    Verdict,
    judge,
)
from ledger.domain.order_commands import KnownPayment, LinkPayment
from ledger.errors import PreviewChanged, Refused
from projections.engine.reads import Reads, rows
from projections.engine.tables import AnyCursor

READS: Final = ("orders", "payments", "invoices", "invoice_payments")
MOST_ITEMS: Final = 1000
"""So many payments at most are proposed, and linked, at once."""
MOST_LOOKED_AT: Final = 100_000
MOST_SECONDS: Final = 5.0
"""At so many unlinked payments, or for so long, one page looks; the next one begins behind them."""
BATCH: Final = 2000
MAX_REASON: Final = 300
"""Characters: the rule stands beside it in the audit log, and a reason has at most 500 there."""
SAMPLES: Final = 5
MOST_TRIES: Final = 10

SAID: Final[Mapping[str, str]] = {
    "metadata": "payments.labels ->> %(word)s",
    "description": "payments.description",
    "email-and-amount": "null::text",
}
"""What of a payment each kind of rule looks at."""

# Those that the shop linked after a position had not been, when it was looked at.
CANDIDATES: Final = """
select
    p.payment_id,
    p.currency,
    p.received_minor,
    p.created_at,
    p.account,
    p.order_id,
    p.said,
    %(fits)s and (
        exists (
            select from invoice_payments as n
            join invoices as i using (invoice_id)
            where n.payment_id = p.payment_id and i.subscription_id is not null
        ) or exists (
            select from invoice_payments as n
            join invoices as i using (invoice_id)
            where n.charge_id = p.charge_id and i.subscription_id is not null
        )
    ) as for_subscription
from (
    (
        select payment_id, currency, received_minor, created_at, account, order_id, charge_id,
            what_is_said as said
        from payments
        where order_id is null and payment_id > %(after)s and received_minor > 0
            and (%(upto)s::text is null or payment_id <= %(upto)s)
        order by order_id, payment_id -- as their index has them
        limit %(limit)s
    )
    union all
    select payment_id, payments.currency, payments.received_minor, payments.created_at,
        payments.account, payments.order_id, payments.charge_id, what_is_said
    from payments
    join payment_reports as r using (payment_id)
    where r.latest_by > %(position)s and linked_by = 'shop' and payments.received_minor > 0
        and payment_id > %(after)s and payment_id <= %(upto)s
) as p
order by p.payment_id
limit %(limit)s
"""
NAMED: Final = """
select order_id, currency, total_minor, placed_at
from orders
where order_id = any(%(names)s)
"""
FITTING: Final = """
select p.payment_id, o.order_id, o.currency, o.total_minor, o.placed_at,
    (
        select count(*)
        from payments as q
        where lower(q.email) = lower(o.email) and q.currency = o.currency
            and q.received_minor = o.total_minor and q.account is null
            and q.created_at between o.placed_at - %(near)s and o.placed_at + %(near)s
    ) as payments,
    exists (
        select from payments as q
        where q.order_id = o.order_id and q.payment_id <> p.payment_id and q.received_minor > 0
    ) as has_payment
from payments as p
cross join lateral (
    select order_id, email, currency, total_minor, placed_at
    from orders
    where lower(email) = lower(p.email) and currency = p.currency
        and total_minor = p.received_minor
        and placed_at between p.created_at - %(near)s and p.created_at + %(near)s
    offset 0 -- one after the other, by the index: a batch is a small part of all orders
) as o
where p.payment_id = any(%(ids)s) and p.account is null
order by p.payment_id, o.order_id
"""

Outcome = Literal["linked", "linked_before", "skipped"]


class Found(NamedTuple):
    """A payment with what the rule decides of it; `linked_to` since the preview, if to anything."""

    payment: UnlinkedPayment
    verdict: Verdict
    linked_to: str | None

    @property
    def says(self) -> bool:
        """Whether an order was found for it."""
        return self.verdict.order is not None or self.verdict.reason is not None

    @property
    def why(self) -> str | None:
        """Why it is not linked, in words."""
        return self.verdict.reason and REASONS[self.verdict.reason]


class Seen(Struct, frozen=True, kw_only=True):
    """What a preview showed: payments after `after` up to `upto`, as known at a `position`.

    `sha256` is of the pairs that it would link.
    """

    position: int
    after: str
    upto: str
    sha256: str


class Counts(Struct, frozen=True, kw_only=True):
    """What a rule finds of all `unlinked` payments, or (not `complete`) of the first of them.

    `to_link` and `skipped` (by reason) are those that an order was found for. Of the others,
    `unknown_orders` name one that is not here, as the pairs of `samples` do.
    """

    unlinked: int
    to_link: int
    skipped: dict[SkipReason, int]
    unknown_orders: int
    samples: list[tuple[str, str]]
    complete: bool


class Preview(NamedTuple):
    """A page of what a rule finds; `next` is where the page after it begins, if there is one."""

    items: list[Found]
    seen: Seen
    counts: Counts | None
    next: str | None


class Linked(NamedTuple):
    """What became of a payment; `detail` says why where it was skipped."""

    found: Found
    outcome: Outcome
    detail: str | None


class Done(NamedTuple):
    """What became of the payments of a page, and the position from which reads show it."""

    items: list[Linked]
    position: int


# ── Looking ─────────────────────────────────────────────────────────────────────────────────────


def preview(
    reads: Reads, rule: LinkRule, *, after: str = "", limit: int, counts: bool = False
) -> Preview:
    """What a rule finds for the payments after one (by id), at most `limit`, as known now.

    With `counts` also how many there are in all. Raises what `Reads.snapshot` raises.
    """
    head, end = reads.engine.log.head(), time.monotonic() + MOST_SECONDS
    page = _Page(limit)
    with reads.snapshot(READS, head, current=True) as cursor:
        place = _Place(rule, head, after, None)
        for batch in _batches(cursor, place):
            page.add(batch)
            if page.has_more and not counts:
                break
            if page.looked_at >= MOST_LOOKED_AT or time.monotonic() > end:
                page.is_cut = True
                break
    upto = page.upto or after
    return Preview(
        page.items,
        Seen(position=head, after=after, upto=upto, sha256=_digest(place, upto, page.items)),
        page.counts() if counts else None,
        upto if page.has_more or page.is_cut else None,
    )


class _Place(NamedTuple):
    """Which payments are looked at, by which rule, as if it were at which position."""

    rule: LinkRule
    position: int
    after: str
    upto: str | None


class _Page:
    """The first payments that a rule says something of, and the count of all."""

    def __init__(self, limit: int) -> None:
        self.items: list[Found] = []
        self.upto: str | None = None
        self.has_more = False
        self.is_cut = False
        self.looked_at = 0
        self._limit = limit
        self._to_link = self._unknown = 0
        self._skipped = Counter[SkipReason]()
        self._samples: list[tuple[str, str]] = []

    def add(self, batch: Sequence[Found]) -> None:
        self.looked_at += len(batch)
        for each in batch:
            self._count(each)
            if len(self.items) < self._limit:
                self.upto = each.payment.payment_id
                self.items += [each] if each.says else []
            elif each.says:
                self.has_more = True

    def _count(self, each: Found) -> None:
        if each.verdict.links:
            self._to_link += 1
        elif each.verdict.reason:
            self._skipped[each.verdict.reason] += 1
        elif names := each.payment.names:
            self._unknown += 1
            if len(self._samples) < SAMPLES:
                self._samples.append((each.payment.payment_id, names[0]))

    def counts(self) -> Counts:
        """Of all that were added."""
        return Counts(
            unlinked=self.looked_at,
            to_link=self._to_link,
            skipped=dict(sorted(self._skipped.items())),
            unknown_orders=self._unknown,
            samples=self._samples,
            complete=not self.is_cut,
        )


def _batches(cursor: AnyCursor, place: _Place) -> Iterator[list[Found]]:
    """The payments of a place in the order of their ids, each decided."""
    batch = _batch(cursor, place)
    while batch:
        yield batch
        waits.go_on()
        batch = _batch(cursor, place._replace(after=batch[-1].payment.payment_id))


def _batch(cursor: AnyCursor, place: _Place) -> list[Found]:
    rule = place.rule
    candidates = rows(
        cursor,
        CANDIDATES.replace("what_is_said", SAID[rule.kind]),
        word=rule.word,
        fits=not rule.is_by_name,
        position=place.position,
        after=place.after,
        upto=place.upto,
        limit=BATCH,
    )
    linked_to = {row["payment_id"]: row.pop("order_id") for row in candidates}
    payments = [UnlinkedPayment(names=rule.names(row.pop("said")), **row) for row in candidates]
    orders = _named(cursor, payments) if rule.is_by_name else _fitting(cursor, payments)
    return [
        Found(p, judge(rule, p, orders.get(p.payment_id, ())), linked_to[p.payment_id])
        for p in payments
    ]


def _named(cursor: AnyCursor, payments: Sequence[UnlinkedPayment]) -> dict[str, list[FoundOrder]]:
    """By payment, the orders that it names and that are here."""
    names = sorted({name for each in payments for name in each.names})
    found = {row["order_id"]: FoundOrder(**row) for row in rows(cursor, NAMED, names=names)}
    return {p.payment_id: [found[name] for name in p.names if name in found] for p in payments}


def _fitting(cursor: AnyCursor, payments: Sequence[UnlinkedPayment]) -> dict[str, list[FoundOrder]]:
    """By payment, the orders that fit it."""
    fitting: dict[str, list[FoundOrder]] = {}
    ids = [each.payment_id for each in payments]
    for row in rows(cursor, FITTING, ids=ids, near=NEAR):
        fitting.setdefault(row.pop("payment_id"), []).append(FoundOrder(**row))
    return fitting


def _digest(place: _Place, upto: str, items: Sequence[Found]) -> str:
    """SHA-256 of the rule, its place, and the pairs that it links there."""
    pairs = [(each.payment.payment_id, *_order_id(each)) for each in items if each.verdict.links]
    said = [str(place.rule), place.position, place.after, upto, pairs]
    return sha256(msgspec.json.encode(said)).hexdigest()


def _order_id(found: Found) -> list[str]:
    return [found.verdict.order.order_id] if found.verdict.order else []


# ── Doing ───────────────────────────────────────────────────────────────────────────────────────


def link(reads: Reads, handler: CommandHandler, rule: LinkRule, seen: Seen, meta: Metadata) -> Done:
    """Link the payments of a preview, each by the command that links a single one.

    Raises `PreviewChanged` where the rule does not find just what was seen, and what
    `CommandHandler.execute_all` raises: what was linked until then stays, calling again goes on.
    """
    head = reads.engine.log.head()
    items = matching(reads, rule, seen, head)
    commands = [_command(each) for each in items if each.verdict.links]
    outcomes = {
        command.payment_id: outcome for command, outcome in handler.execute_all(commands, meta)
    }
    linked = [_linked(each, outcomes.get(each.payment.payment_id)) for each in items]
    positions = (o.position for o in outcomes.values() if not isinstance(o, Refused))
    return Done(linked, max(positions, default=head))


def preview_all(reads: Reads, rule: LinkRule) -> Iterator[Preview]:
    """Every page of what a rule finds; counts come with the first one."""
    after: str | None = ""
    while after is not None:
        yield (page := preview(reads, rule, after=after, limit=MOST_ITEMS, counts=not after))
        after = page.next


def link_all(
    reads: Reads,
    handler: CommandHandler,
    rule: LinkRule,
    meta: Metadata,
    follow: Callable[[], object] = lambda: None,
) -> Iterator[tuple[Preview, Done]]:
    """Link all that a rule finds, page by page; one that changes meanwhile is looked at again.

    `follow` brings the read models up to date where no other thread does.
    """
    after: str | None = ""
    while after is not None:
        page, done = _link_page(reads, handler, rule, meta, after)
        yield page, done
        follow()
        after = page.next


def _link_page(
    reads: Reads, handler: CommandHandler, rule: LinkRule, meta: Metadata, after: str
) -> tuple[Preview, Done]:
    tries = 0
    while True:
        page = preview(reads, rule, after=after, limit=MOST_ITEMS, counts=not after)
        try:
            return page, link(reads, handler, rule, page.seen, meta)
        except PreviewChanged:
            tries += 1
            if tries == MOST_TRIES:
                raise


def reason_of(rule: LinkRule, reason: str | None) -> str:
    """Why payments are linked, for the audit log: what a person said, and by which rule.

    Raises `InvalidCommand` where a person said too much.
    """
    check_text("reason", reason, MAX_REASON)
    return f"by {rule}" if reason is None else f"{reason} (by {rule})"


def matching(reads: Reads, rule: LinkRule, seen: Seen, head: int) -> list[Found]:
    """What a rule finds for the payments of a preview now; raises `PreviewChanged`."""
    place = _Place(rule, seen.position, seen.after, seen.upto)
    with reads.snapshot(READS, head, current=True) as cursor:
        each_in_turn = chain.from_iterable(_batches(cursor, place))
        items = [*islice((each for each in each_in_turn if each.says), MOST_ITEMS + 1)]
    if len(items) > MOST_ITEMS or _digest(place, seen.upto, items) != seen.sha256:
        raise PreviewChanged(
            "The rule does not find what was previewed: an order or a payment changed. Look at the"
            " preview again."
        )
    return items


def _command(found: Found) -> LinkPayment:
    order, payment_id = found.verdict.order, found.payment.payment_id
    assert order is not None, "what is linked is linked to an order"
    known = KnownPayment(
        payment_id=payment_id,
        exists=True,
        order_id=found.linked_to,
        linked_by=None if found.linked_to is None else "shop",
    )
    return LinkPayment(
        order_id=order.order_id, at=datetime.now(UTC), payment_id=payment_id, known=known
    )


def _linked(found: Found, outcome: Any) -> Linked:
    if outcome is None:
        return Linked(found, "skipped", found.why)
    if isinstance(outcome, Refused):
        return Linked(found, "skipped", str(outcome))
    return Linked(found, "linked" if outcome.recorded else "linked_before", None)
