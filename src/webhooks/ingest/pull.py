"""`ledger stripe pull`: all that an account holds, by Stripe's lists, into the log.

A pull asks for what was made in a span of time, kind by kind, in windows of it. Each window that
was read to its end goes on record, so that a pull that was ended goes on where it was; nothing
else is remembered. A window that holds much is cut into shorter ones, which are read side by side.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import uuid4

from msgspec import DecodeError, Struct, field
from msgspec.json import Decoder

from ledger import waits
from ledger.domain.events import (
    Metadata,
    NewEvent,
    PullFinished,
    PullRefreshed,
    PullStarted,
    StripeObjectObserved,
    WindowListed,
)
from ledger.domain.limits import FIRST_DAY
from ledger.domain.streams import pulls, stream_of
from ledger.errors import KeyRefused, PermissionMissing, StripeRefused
from ledger.json_text import storable
from ledger.log import Log
from webhooks.ingest.observe import NewerReports, Outcome, append_observed, no_reports
from webhooks.ingest.rest_of_lists import rest_of
from webhooks.ingest.side_by_side import side_by_side
from webhooks.stripe_client import PAGE, Answer, StripeClient

WINDOW_PAGES: Final = 20
"""Pages after which what was read of a window goes on record, and the rest is a new one."""
SPLIT_OBJECTS: Final = 2_000
"""A window in which more are expected is cut."""
RESUMED_FOR: Final = timedelta(days=1)
"""How old a pull may be to go on: what it read before may have changed since."""


class Listing(NamedTuple):
    """One of Stripe's lists: what its objects are called, its address and further parameters."""

    kind: str
    path: str
    parameters: Mapping[str, Any] = {}


LISTINGS: Final = (
    Listing("customer", "/v1/customers"),
    Listing("product", "/v1/products"),
    Listing("price", "/v1/prices", {"expand": ["data.tiers", "data.currency_options"]}),
    Listing("coupon", "/v1/coupons", {"expand": ["data.applies_to", "data.currency_options"]}),
    Listing("promotion_code", "/v1/promotion_codes"),
    Listing("payment_intent", "/v1/payment_intents"),
    Listing("charge", "/v1/charges"),
    Listing("refund", "/v1/refunds"),
    Listing("dispute", "/v1/disputes"),
    Listing("checkout.session", "/v1/checkout/sessions", {"expand": ["data.line_items"]}),
    Listing("invoice", "/v1/invoices"),
    Listing("invoice_payment", "/v1/invoice_payments"),
    Listing("subscription", "/v1/subscriptions", {"status": "all", "expand": ["data.discounts"]}),
    Listing("credit_note", "/v1/credit_notes"),
    Listing("payout", "/v1/payouts"),
    Listing("balance_transaction", "/v1/balance_transactions"),
)
"""What an account is made of, with what Stripe shows only where it is asked to.

https://docs.stripe.com/api, https://docs.stripe.com/expand
"""


class Window(NamedTuple):
    """A span of a list: what was made in [`since`, `until`), seconds since 1970."""

    listing: Listing
    since: int
    until: int


Span = tuple[int, int]
"""From the first second on, up to the second one: seconds since 1970."""


class Count(Struct):
    """Objects of a kind: all that were shown, those that were not known, and known otherwise."""

    objects: int = 0
    new: int = 0
    changed: int = 0

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Count what became of some."""
        self.objects += len(outcomes)
        self.new += outcomes.count("new")
        self.changed += outcomes.count("changed")


class PullReport(Struct, kw_only=True):
    """What a pull brought, by kind, and which permission the key lacks for each other kind.

    `refused` says in words why Stripe does not list a kind at all.
    `resumed` says that a pull went on that was ended before; its counts are those of all of it.
    """

    pull_id: str
    since: datetime
    until: datetime
    resumed: bool
    counts: dict[str, Count]
    not_permitted: dict[str, str] = field(default_factory=dict[str, str])
    refused: dict[str, str] = field(default_factory=dict[str, str])

    def count(self, kind: str, objects: int, new: int, changed: int) -> None:
        """Count what a window brought."""
        count = self.counts.setdefault(kind, Count())
        count.objects += objects
        count.new += new
        count.changed += changed


class _Head(Struct):
    """What every object of a list says of itself; `created` is missing in some."""

    id: str
    created: int | None = None


class _Part(Struct, frozen=True):
    """What was read of a window: the newest part of it, and the windows that are left."""

    window: Window
    count: Count
    left: list[Window]


_read_head: Final = Decoder(_Head).decode

Progress = Callable[[str, int, float], None]
"""Hears a kind, its objects so far, and which share of its time they cover."""


def pull(
    log: Log,
    client: StripeClient,
    *,
    livemode: bool,
    now: datetime,
    since: datetime = FIRST_DAY,
    afresh: bool = False,
    newer_reports: NewerReports = no_reports,
    progress: Progress = lambda _kind, _objects, _share: None,
    meta: Metadata,
) -> PullReport:
    """Append what Stripe holds of the client's account, made in [`since`, `now`), as it is now.

    A pull that covers `since` and was not finished goes on, if it began within `RESUMED_FOR` and
    not `afresh`. Objects that the log holds as they are, are not stored again. `livemode` is the
    key's mode, `now` is by Stripe's clock.

    Raises `StripeRefused`, `StripeUnavailable`, `StoreUnavailable` and `Stopped`; what was read
    until then is stored, and the next call goes on from there.
    """
    started, done = _unfinished(log, client.account, since, now)
    if started is None or afresh:
        started, done = _start(log, client.account, since, now, meta), []
    report = PullReport(
        pull_id=started.pull_id,
        since=started.since,
        until=started.until,
        resumed=bool(done),
        counts={},
    )
    work = _Work(log, client, livemode, newer_reports, meta)
    spans = _count_all(report, done)
    first, last = int(started.since.timestamp()), int(started.until.timestamp())
    windows = [
        Window(listing, *gap)
        for listing in LISTINGS
        for gap in gaps(first, last, spans.get(listing.kind, []))
    ]
    _read_all(work, report, windows, len(done), progress)
    finished = PullFinished(
        pull_id=report.pull_id,
        objects={kind: count.objects for kind, count in sorted(report.counts.items())},
        not_permitted=report.not_permitted,
        refused=report.refused,
        account=client.account,
    )
    record(log, finished, meta)
    return report


def read_list(
    log: Log,
    client: StripeClient,
    kind: str,
    *,
    since: datetime,
    until: datetime,
    livemode: bool,
    meta: Metadata,
) -> Count:
    """Append what one of Stripe's lists holds of a short time; raises what `pull` raises."""
    (listing,) = (each for each in LISTINGS if each.kind == kind)
    work = _Work(log, client, livemode, no_reports, meta)
    ahead = deque([Window(listing, int(since.timestamp()), int(until.timestamp()))])
    count = Count()
    while ahead:
        part = _read(work, ahead.popleft())
        ahead.extend(part.left)
        count.objects += part.count.objects
        count.new += part.count.new
        count.changed += part.count.changed
    return count


class _Work(NamedTuple):
    log: Log
    client: StripeClient
    livemode: bool
    newer_reports: NewerReports
    meta: Metadata


# ── On record ───────────────────────────────────────────────────────────────────────────────────


def _unfinished(
    log: Log, account: str | None, since: datetime, now: datetime
) -> tuple[PullStarted | None, list[WindowListed]]:
    """The last pull, if it covers what is asked and was not finished, and its windows."""
    last = log.latest([pulls(account)]).get(pulls(account))
    if last is None or not isinstance(last.event, PullStarted):
        return None, []
    started = last.event
    if started.since > since or started.until < now - RESUMED_FOR:
        return None, []
    found = (each.event for each in log.stream(f"pull/{started.pull_id}"))
    return started, [event for event in found if isinstance(event, WindowListed)]


def _start(
    log: Log, account: str | None, since: datetime, now: datetime, meta: Metadata
) -> PullStarted:
    started = PullStarted(pull_id=uuid4().hex[:12], since=since, until=now, account=account)
    record(log, started, meta)
    return started


def record(log: Log, event: PullStarted | PullRefreshed | PullFinished, meta: Metadata) -> None:
    """Put it on record; of two at a time one raises `VersionTaken`."""
    stream = str(stream_of(event))
    version = log.version(stream) + 1
    log.append([NewEvent(stream, version, event, log.now(), meta)])


def _count_all(report: PullReport, done: Iterable[WindowListed]) -> dict[str, list[Span]]:
    """Count what was read before; the spans of it by kind."""
    spans: dict[str, list[Span]] = {}
    for each in done:
        report.count(each.kind, each.objects, each.new, each.changed)
        span = (int(each.since.timestamp()), int(each.until.timestamp()))
        spans.setdefault(each.kind, []).append(span)
    return spans


def gaps(first: int, last: int, spans: Iterable[Span]) -> Iterator[Span]:
    """What of [`first`, `last`) is in none of the spans, in order."""
    for since, until in sorted(spans):
        if first < since:
            yield first, since
        first = max(first, until)
    if first < last:
        yield first, last


# ── At work ─────────────────────────────────────────────────────────────────────────────────────


def _read_all(
    work: _Work, report: PullReport, windows: list[Window], version: int, progress: Progress
) -> None:
    """Read windows side by side, and record each that was read to its end."""
    whole = (report.until - report.since).total_seconds() or 1
    left = {listing.kind: 0 for listing in LISTINGS}
    for window in windows:
        left[window.listing.kind] += window.until - window.since
    ahead = deque(windows)
    with closing(side_by_side(partial(_read, work), ahead)) as reading:
        for window, future in reading:
            kind = window.listing.kind
            try:
                part = future.result()
            except PermissionMissing as error:
                report.not_permitted[kind] = error.permission
                continue
            except KeyRefused:
                raise
            except StripeRefused as error:
                report.refused[kind] = str(error)
                continue
            version += 1
            _record_window(work, report, part, version)
            ahead.extend(part.left)
            left[kind] -= part.window.until - part.window.since
            progress(kind, report.counts[kind].objects, 1 - left[kind] / whole)


def _record_window(work: _Work, report: PullReport, part: _Part, version: int) -> None:
    window, count = part.window, part.count
    listed = WindowListed(
        pull_id=report.pull_id,
        kind=window.listing.kind,
        since=datetime.fromtimestamp(window.since, UTC),
        until=datetime.fromtimestamp(window.until, UTC),
        objects=count.objects,
        new=count.new,
        changed=count.changed,
    )
    stream = f"pull/{report.pull_id}"
    work.log.append([NewEvent(stream, version, listed, work.log.now(), work.meta)])
    report.count(listed.kind, listed.objects, listed.new, listed.changed)


def _read(work: _Work, window: Window) -> _Part:
    """Read a window from its end on, all of it or as much as makes a part."""
    listing, count = window.listing, Count()
    created = {"gte": window.since, "lt": window.until}
    seconds: Counter[int] = Counter()
    cursor: dict[str, str] = {}
    for pages in itertools.count(1):
        waits.go_on()
        page = work.client.page(listing.path, created=created, **listing.parameters, **cursor)
        heads = _heads(listing, page.bodies)
        objects = [
            _observed(work, listing, head, body, page.answer)
            for head, body in zip(heads, page.bodies, strict=True)
        ]
        outcomes = append_observed(work.log, objects, work.meta, work.newer_reports)
        count.add(outcomes)
        if not page.has_more or not heads:
            break
        oldest = heads[-1].created
        seconds.update(each.created for each in heads if each.created is not None)
        cursor = {"starting_after": heads[-1].id}
        if oldest is None or not window.since < oldest + 1 < window.until:
            continue
        read, left = Window(listing, oldest + 1, window.until), (window.since, oldest + 1)
        density = pages * PAGE / (read.until - read.since)
        parts = list(cut(*left, math.ceil(SPLIT_OBJECTS / density)))
        if len(parts) > 1 or pages >= WINDOW_PAGES:
            count.objects -= seconds[oldest]  # they are read again with the others of their second
            return _Part(read, count, [Window(listing, *each) for each in parts])
    return _Part(window, count, [])


def cut(since: int, until: int, seconds: int) -> Iterator[Span]:
    """A span in parts, from its end on: the last one so many seconds long, each before it twice.

    As many objects are expected in the last one as may stand in one; the farther back, the less is
    known, and most accounts held less.
    """
    while until - since > seconds:
        yield until - seconds, until
        until -= seconds
        seconds *= 2
    yield since, until


def _heads(listing: Listing, bodies: Iterable[bytes]) -> list[_Head]:
    try:
        return [_read_head(storable(each)) for each in bodies]
    except DecodeError as error:
        raise StripeRefused(f"{listing.path} lists something without an id: {error}") from error


def _observed(
    work: _Work, listing: Listing, head: _Head, body: bytes, answer: Answer
) -> StripeObjectObserved:
    return StripeObjectObserved(
        kind=listing.kind,
        object_id=head.id,
        body=body,
        fetched_at=answer.as_of,
        path=listing.path,
        livemode=work.livemode,
        account=work.client.account,
        api_version=answer.api_version,
        rest=_rest(work, body),
    )


def _rest(work: _Work, body: bytes) -> dict[str, tuple[bytes, ...]]:
    """What the object leaves out of its lists; where Stripe does not tell it, they stay cut."""
    try:
        return rest_of(work.client, body)
    except KeyRefused:
        raise
    except StripeRefused:
        return {}
