"""The catalogue of stored events: their shapes, and the literal topics they are stored under.

A topic never changes and never names a Python path: moving a module must not break a replay.
A changed shape is a new topic, and the old one stays here for as long as a log may hold it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final, Literal, TypeVar

from msgspec import Raw, Struct


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened and is stored; subclasses are registered with `stored`."""

    TOPIC: ClassVar[str]


AnyEvent = TypeVar("AnyEvent", bound=Event)
CATALOGUE: dict[str, type[Event]] = {}


def stored(topic: str) -> Callable[[type[AnyEvent]], type[AnyEvent]]:
    """Register an event class under its topic (`noun.verb.version`)."""

    def register(event: type[AnyEvent]) -> type[AnyEvent]:
        assert topic not in CATALOGUE, f"topic {topic} is taken"
        event.TOPIC = topic
        CATALOGUE[topic] = event
        return event

    return register


SOURCES: Final = ("webhook", "import", "backfill", "pull")
"""How what Stripe says may reach us: events in the first three ways, objects by a pull."""


class Metadata(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who did it, from where, why, and what it belongs to; stored beside every event."""

    actor: str = "system"
    actor_name: str | None = None
    role: str | None = None
    address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    reason: str | None = None
    correlation: str | None = None
    causation: str | None = None


# ── Stripe ──────────────────────────────────────────────────────────────────────────────────────


@stored("stripe.event_received.v1")
class StripeEventReceived(Event, frozen=True, kw_only=True):
    """A Stripe event, verbatim: the exact bytes of its body, and how they reached us.

    `source` is `webhook`, `import` or `backfill`; only a webhook has a signature header, and
    `signed_by`, the fingerprint of the secret that it was signed with. `account` is the connected
    account whose list showed it, where its body does not say whose it is.
    """

    event_id: str
    body: bytes
    received_at: datetime
    source: str
    signature: str | None = None
    signed_by: str | None = None
    account: str | None = None


@stored("stripe.object_observed.v1")
class StripeObjectObserved(Event, frozen=True, kw_only=True):
    """An object of Stripe's as its API showed it, verbatim: the exact bytes within the answer.

    `kind` is what Stripe calls it (`charge`), `path` the call that showed it. `fetched_at` is by
    Stripe's clock and no later than what was shown: the answer's time less what the call took.
    `livemode` is the key's mode, as not all objects say theirs; `account` is None for our own.

    `rest` has what the body leaves out of lists within it, by the path of each (`items`): the
    further elements, each byte for byte, as the list's own pages showed them. A list that is named
    there was read to its end.
    """

    kind: str
    object_id: str
    body: bytes
    fetched_at: datetime
    path: str
    livemode: bool
    account: str | None = None
    api_version: str | None = None
    rest: dict[str, tuple[bytes, ...]] = {}


@stored("stripe.payout_listed.v1")
class StripePayoutListed(Event, frozen=True, kw_only=True):
    """Which balance transactions a payout paid out, its own among them, as Stripe listed them.

    Only this list says so. `complete` says that it was read to its end. `livemode`, `fetched_at`
    and `account` are as in `StripeObjectObserved`.
    """

    payout_id: str
    transaction_ids: tuple[str, ...]
    complete: bool
    fetched_at: datetime
    livemode: bool
    account: str | None = None


@stored("stripe.object_not_told.v1")
class StripeObjectNotTold(Event, frozen=True, kw_only=True):
    """Stripe was asked for an object that others name, by its id, and did not tell it.

    `cause` is `not_found`, the permission that the key lacks (`rak_charge_read`), or `refused`. The
    event's number in its stream is how often it was asked for in vain. `kind`, `path`, `livemode`
    and `account` are as in `StripeObjectObserved`; `asked_at` is by Stripe's clock.
    """

    kind: str
    object_id: str
    path: str
    cause: str
    asked_at: datetime
    livemode: bool
    account: str | None = None


@stored("pull.started.v1")
class PullStarted(Event, frozen=True, kw_only=True):
    """All that an account holds is asked of Stripe: what was made in [`since`, `until`).

    `account` is None for the key's own.
    """

    pull_id: str
    since: datetime
    until: datetime
    account: str | None = None


@stored("pull.window_listed.v1")
class WindowListed(Event, frozen=True, kw_only=True):
    """One of Stripe's lists was read to its end: of a kind, what was made in [`since`, `until`).

    Of `objects` that were shown, `new` were not known, and `changed` were known otherwise.
    """

    pull_id: str
    kind: str
    since: datetime
    until: datetime
    objects: int
    new: int
    changed: int


@stored("pull.refreshed.v1")
class PullRefreshed(Event, frozen=True, kw_only=True):
    """The service read what no event brings: what was made in [`since`, `until`), by kind.

    `new` counts objects that were not known. `account` is None for the key's own.
    """

    since: datetime
    until: datetime
    new: dict[str, int]
    account: str | None = None


@stored("pull.finished.v1")
class PullFinished(Event, frozen=True, kw_only=True):
    """All lists that the key may read were read to their ends.

    `objects` are counted by kind; `not_permitted` names the permission that each other kind needs,
    and `refused` says why Stripe does not list one at all.
    """

    pull_id: str
    objects: dict[str, int]
    not_permitted: dict[str, str] = {}
    refused: dict[str, str] = {}
    account: str | None = None


# ── Stock ───────────────────────────────────────────────────────────────────────────────────────


@stored("stock.product_listed.v1")
class ProductListed(Event, frozen=True, kw_only=True):
    """A product has a name, prices (minor units by currency), and may be sold before it exists."""

    sku: str
    name: str
    prices: dict[str, int]
    preorder: bool = False


@stored("stock.received.v1")
class StockReceived(Event, frozen=True, kw_only=True):
    """Units arrived."""

    sku: str
    quantity: int


@stored("stock.adjusted.v1")
class StockAdjusted(Event, frozen=True, kw_only=True):
    """A count was corrected by `change` units (negative: fewer); the reason is in the meta."""

    sku: str
    change: int


@stored("stock.reserved.v1")
class StockReserved(Event, frozen=True, kw_only=True):
    """Units are held for an order."""

    sku: str
    order_id: str
    quantity: int


@stored("stock.released.v1")
class StockReleased(Event, frozen=True, kw_only=True):
    """Units held for an order are free again."""

    sku: str
    order_id: str
    quantity: int


@stored("stock.sold.v1")
class StockSold(Event, frozen=True, kw_only=True):
    """Units held for an order left with it."""

    sku: str
    order_id: str
    quantity: int


@stored("stock.returned.v1")
class StockReturned(Event, frozen=True, kw_only=True):
    """Units came back from an order and can be sold again."""

    sku: str
    order_id: str
    quantity: int


# ── Orders ──────────────────────────────────────────────────────────────────────────────────────


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of an order; `unit_minor` is in minor units of the order's currency.

    A line without a `line_id` of its own is called by its place (`lines_by_id`).
    """

    sku: str
    name: str
    quantity: int
    unit_minor: int
    line_id: str | None = None


def lines_by_id(lines: Sequence[Line]) -> dict[str, Line]:
    """An order's lines by their ids, in their order; a line that has none is its place, from 1."""
    return {line.line_id or str(place): line for place, line in enumerate(lines, 1)}


class Address(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A postal address."""

    name: str | None = None
    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None


OrderOrigin = Literal["shop", "checkout", "invoice", "payment", "import"]
"""Where an order comes from: placed here, made of what Stripe shows, or written down later."""


@stored("order.placed.v1")
class OrderPlaced(Event, frozen=True, kw_only=True):
    """An order was placed and its stock reserved until `expires_at`; amounts in minor units.

    One of the past reserves nothing (not `reserves_stock`), and whatever becomes of it moves no
    stock.
    """

    order_id: str
    currency: str
    lines: tuple[Line, ...]
    total_minor: int
    expires_at: datetime
    customer_id: str | None = None
    email: str | None = None
    shipping_minor: int = 0
    tax_minor: int = 0
    discount_minor: int = 0
    shipping_address: Address | None = None
    origin: OrderOrigin = "shop"
    reserves_stock: bool = True


@stored("order.canceled.v1")
class OrderCanceled(Event, frozen=True, kw_only=True):
    """The order was called off before it was paid; its stock is released."""

    order_id: str


@stored("order.expired.v1")
class OrderExpired(Event, frozen=True, kw_only=True):
    """The order was not paid in time; its stock is released."""

    order_id: str


@stored("order.reinstated.v1")
class OrderReinstated(Event, frozen=True, kw_only=True):
    """Stripe reported a payment after the order had expired, and there was stock to hold again."""

    order_id: str


@stored("order.allocation_failed.v1")
class OrderAllocationFailed(Event, frozen=True, kw_only=True):
    """A payment arrived after the order had expired, and `missing` units by SKU were not there."""

    order_id: str
    missing: dict[str, int]


@stored("order.fulfilled.v1")
class OrderFulfilled(Event, frozen=True, kw_only=True):
    """The goods left; decided on what was known up to `based_on_position`."""

    order_id: str
    based_on_position: int


class ReturnedLine(Struct, frozen=True, kw_only=True):
    """Units of a line that came back."""

    line_id: str
    sku: str
    quantity: int


@stored("order.lines_returned.v1")
class OrderLinesReturned(Event, frozen=True, kw_only=True):
    """A person took goods back into stock; `quantities` are units by SKU, now (not in total).

    `lines` are the same units by line. It is empty in events that are older than lines' ids: a SKU
    stood in one line then.
    """

    order_id: str
    quantities: dict[str, int]
    lines: tuple[ReturnedLine, ...] = ()


@stored("order.payment_linked.v1")
class PaymentLinked(Event, frozen=True, kw_only=True):
    """The shop says that a payment belongs to an order."""

    order_id: str
    payment_id: str


@stored("order.payment_unlinked.v1")
class PaymentUnlinked(Event, frozen=True, kw_only=True):
    """The shop takes back that a payment belongs to an order."""

    order_id: str
    payment_id: str


@stored("payment.claimed.v1")
class PaymentClaimed(Event, frozen=True, kw_only=True):
    """A payment is linked to an order by the shop, and to no other before it is released."""

    payment_id: str
    order_id: str


@stored("payment.released.v1")
class PaymentReleased(Event, frozen=True, kw_only=True):
    """A payment is not linked any more to the order that claimed it."""

    payment_id: str
    order_id: str


@stored("purchase.ordered.v1")
class PurchaseOrdered(Event, frozen=True, kw_only=True):
    """An order was made of what Stripe shows of a purchase, and no other one will be.

    `kind` is `checkout`, `invoice`, `payment` or `subscription`, `object_id` its id there.
    """

    kind: str
    object_id: str
    order_id: str


@stored("purchase.refused.v1")
class PurchaseRefused(Event, frozen=True, kw_only=True):
    """No order could be made of a purchase, for the reason that `message` says.

    `kind` and `object_id` are those of the object that it should have been made of.
    """

    kind: str
    object_id: str
    message: str


@stored("order.refund_requested.v1")
class RefundRequested(Event, frozen=True, kw_only=True):
    """A person asked for money to go back; that it did is Stripe's to say. Minor units."""

    order_id: str
    amount_minor: int
    currency: str
    based_on_position: int


@stored("refund_request.begun.v1")
class RefundBegun(Event, frozen=True, kw_only=True):
    """Stripe is asked for the refund of a request from now on, so it cannot be withdrawn any more.

    `request_id` is the request's: the order, and the number of the event in its stream.
    """

    request_id: str
    order_id: str


@stored("refund_request.withdrawn.v1")
class RefundWithdrawn(Event, frozen=True, kw_only=True):
    """A person took a request back before Stripe was asked for it, or after Stripe refused it.

    `amount_minor` is what was still open of it, in minor units of its currency, as known up to
    `based_on_position`.
    """

    request_id: str
    order_id: str
    amount_minor: int
    based_on_position: int


@stored("refund_request.refused.v1")
class RefundRefused(Event, frozen=True, kw_only=True):
    """Stripe does not make a refund that was asked for, and would answer the same again.

    `request_id` is the request's. `payment_id` is the payment of which `amount_minor` should have
    gone back; it is None where no payment of the order has money left. `code` is Stripe's word for
    the reason, if it has one, and `message` says it in words.
    """

    request_id: str
    order_id: str
    payment_id: str | None
    amount_minor: int
    currency: str
    code: str | None
    message: str


# ── Books ───────────────────────────────────────────────────────────────────────────────────────


@stored("transaction.classified.v1")
class TransactionClassified(Event, frozen=True, kw_only=True):
    """A person says what a balance transaction is booked against instead of suspense."""

    transaction_id: str
    against: str


class SealedBalance(Struct, frozen=True, kw_only=True):
    """An account in a currency over a period, in minor units; above nothing is a debit.

    `salt` (16 random bytes as hexadecimal digits) keeps neighbours from being guessed by hash.
    """

    salt: str
    account: str
    currency: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int


@stored("books.balances_listed.v1")
class BooksBalancesListed(Event, frozen=True, kw_only=True):
    """What each account came to at the close of a period that follows."""

    period: str
    version: int
    balances: tuple[SealedBalance, ...]


@stored("books.period_closed.v1")
class BooksPeriodClosed(Event, frozen=True, kw_only=True):
    """A month (`2026-09`) was closed as of a position, for the `version`-th time.

    `zone` is the one in which days are cut, `rules_version` that of the posting rules, `root` the
    RFC 6962 root of the balances, in hexadecimal digits.
    """

    period: str
    version: int
    zone: str
    rules_version: int
    position: int
    root: str


@stored("books.period_reopened.v1")
class BooksPeriodReopened(Event, frozen=True, kw_only=True):
    """The month that was closed last is open again; `version` is the close that is void."""

    period: str
    version: int


class OpeningBalance(Struct, frozen=True, kw_only=True):
    """What an account held in a currency before the books, in minor units; above nothing: debit."""

    account: str
    currency: str
    opening_minor: int


@stored("books.opening_entered.v1")
class BooksOpeningEntered(Event, frozen=True, kw_only=True):
    """The books begin with a month (`2026-09`): before its first day accounts held this.

    The balances sum up to 0 in each currency. What was entered last counts (`version`).
    """

    period: str
    version: int
    balances: tuple[OpeningBalance, ...]


@stored("books.account_mapped.v1")
class BooksAccountMapped(Event, frozen=True, kw_only=True):
    """From a month on (`2026-09`), a shop's own chart of accounts has this for an account.

    `kind` is where it stands there, such as `assets`. What is None is as the books have it.
    """

    account: str
    period: str
    code: str | None
    name: str | None
    kind: str | None


@stored("books.category_named.v1")
class BooksCategoryNamed(Event, frozen=True, kw_only=True):
    """From a month on (`2026-09`), sales of a product are of a category, booked by itself.

    `sku` is one, or what SKUs begin with (`MUG-*`); None: this says nothing any more.
    """

    sku: str
    period: str
    category: str | None


# ── Wishlists ───────────────────────────────────────────────────────────────────────────────────


@stored("wishlist.added.v1")
class AddedToWishlist(Event, frozen=True, kw_only=True):
    """A customer would like to have a product, and did not say so before."""

    customer_id: str
    sku: str


@stored("wishlist.removed.v1")
class RemovedFromWishlist(Event, frozen=True, kw_only=True):
    """A customer no longer waits for a product: it is off the wishlist."""

    customer_id: str
    sku: str


# ── Access ──────────────────────────────────────────────────────────────────────────────────────


@stored("access.token_issued.v1")
class TokenIssued(Event, frozen=True, kw_only=True):
    """The holder of the token with this SHA-256 (hex) may act in a role, a customer for himself."""

    token_id: str
    sha256: str
    role: str
    name: str
    customer_id: str | None = None
    expires_at: datetime | None = None


@stored("access.token_revoked.v1")
class TokenRevoked(Event, frozen=True, kw_only=True):
    """A token is worthless from now on; the reason is in the meta."""

    token_id: str


@stored("access.refused.v1")
class AccessRefused(Event, frozen=True, kw_only=True):
    """A known token was used for what it does not open.

    `cause` is `expired`, `revoked`, `role` (its role lacks the permission) or `foreign` (an object
    is another customer's). Of many attempts in a row only the first ones are told.
    """

    token_id: str
    surface: str
    cause: str
    method: str
    path: str


# ── Issues ──────────────────────────────────────────────────────────────────────────────────────


Severity = Literal["high", "medium", "low"]


class Finding(Struct, frozen=True, kw_only=True):
    """What a check found wrong with one object, and the row that shows it as `evidence`.

    `reference` names the object among those of its `kind` (`order`, `payment`, `sku`, …).
    """

    check: str
    kind: str
    reference: str
    severity: Severity
    sentence: str
    evidence: dict[str, Any]

    @property
    def issue_id(self) -> str:
        """The issue that this is about: one a check and object."""
        return f"{self.check}:{self.reference}"


@stored("issue.opened.v1")
class IssueOpened(Event, frozen=True, kw_only=True):
    """A check found something that it had not found before."""

    finding: Finding


@stored("issue.evidence_changed.v1")
class IssueEvidenceChanged(Event, frozen=True, kw_only=True):
    """The issue is open still, but the row that shows it is another one."""

    finding: Finding


@stored("issue.resolved.v1")
class IssueResolved(Event, frozen=True, kw_only=True):
    """The cause is gone (`by_itself`), or a person decided, and says why in the meta."""

    finding: Finding
    by_itself: bool = False


@stored("issue.reopened.v1")
class IssueReopened(Event, frozen=True, kw_only=True):
    """A check found it again (`by_itself`), or a person wants it back; `times` counts both."""

    finding: Finding
    times: int
    by_itself: bool = False


@stored("checks.ran.v1")
class ChecksRan(Event, frozen=True, kw_only=True):
    """All checks were run: how many, which of them crashed, and how many issues are open since."""

    checks: int
    open_issues: int
    crashed: tuple[str, ...] = ()


# ── Commands ────────────────────────────────────────────────────────────────────────────────────


@stored("command.accepted.v1")
class CommandAccepted(Event, frozen=True, kw_only=True):
    """A command with an idempotency key was carried out; a repeat gets the same `result` (JSON)."""

    key: str
    request_sha256: str
    result: Raw


@stored("conflict.found.v1")
class ConflictFound(Event, frozen=True, kw_only=True):
    """A Stripe event came under an id that the log holds with another type, time or data.

    The first content stays, at position `stored_position`. Both are named by the SHA-256 (hex) of
    their bytes, the other one as it came first; `stored_sha256` is None where what is stored cannot
    be read any longer. `event_id` names its account, and `source` is how the other content came:
    `webhook`, `import`, `backfill`, or `pull`: then it names an object that should never change.
    """

    event_id: str
    stored_position: int
    stored_sha256: str | None
    other_sha256: str
    source: str


# ── Evidence ────────────────────────────────────────────────────────────────────────────────────


@stored("evidence.read.v1")
class EvidenceRead(Event, frozen=True, kw_only=True):
    """A person was shown what the events at these positions hold, personal data perhaps.

    `subject` is the object whose history was read (`order/A1`), or the stream of the one event.
    """

    subject: str
    positions: tuple[int, ...]


@stored("export.made.v1")
class ExportMade(Event, frozen=True, kw_only=True):
    """Data was taken out, as a file in a `format`: `rows` of `columns` that fit the `filter`.

    `sha256` (hex) is of the bytes that were sent, of the read models as of `position`, by the
    columns of `contract_version`. Not `complete`: the caller hung up before the end.
    """

    name: str
    format: str
    filter: dict[str, str]
    rows: int
    sha256: str
    position: int
    contract_version: int
    columns: tuple[str, ...]
    complete: bool


# ── Alerts ──────────────────────────────────────────────────────────────────────────────────────


@stored("alert.tried.v1")
class AlertTried(Event, frozen=True, kw_only=True):
    """An alert was sent by a channel, or should have been; the stream is that of one alert there.

    `rule` is what it is about, `subject` of which object (`dispute/dp_1`), `occasion` tells one
    time that it happened from the next. The event's number in its stream is the attempt. A `failed`
    one is tried again from `retry_at` on, one that was `given_up` is not; `cause` says why:
    `http_503`, `timeout`. Neither text nor address nor secret of the channel is kept.
    """

    alert_id: str
    rule: str
    subject: str
    occasion: str
    channel: str
    outcome: Literal["delivered", "failed", "given_up"]
    cause: str | None = None
    retry_at: datetime | None = None


# ── Proofs ──────────────────────────────────────────────────────────────────────────────────────


@stored("proof.started.v1")
class ProofStarted(Event, frozen=True, kw_only=True):
    """A proof of the read models was asked for."""

    proof_id: str


@stored("proof.finished.v1")
class ProofFinished(Event, frozen=True, kw_only=True):
    """What a proof came to: whether all holds, and the SHA-256 (hex) of each table at `position`.

    `differences` has one entry a table that differs: `missing`, `extra` and `changed` rows, and the
    `first` by `table`, `key`, `column`, `live` and `proof`. `halted` are projections of which
    nothing can be said, and why. `faults` says by kind what is wrong with the log itself: the
    `count`, and the first `places`. `signatures` counts what a check of Stripe's said.
    Up to position `sealed`, and in the spans `sealed_beyond` a gap, the log was compared with an
    archive; `not_compared` says what of it was not, and why. Of the folds beside it
    `believed_folds` were taken as they are, and `differing_folds`, of which the first are named,
    were not what their events come to; `not_folded` says why nothing was folded from there,
    where a segment or the place of folds stood in the way.

    Proofs of earlier versions have only the first `difference` of all, and a `log_fault` in words.
    """

    proof_id: str
    holds: bool
    position: int
    tables: dict[str, str]
    difference: dict[str, Any] | None = None
    halted: dict[str, str] = {}
    log_fault: str | None = None
    differences: tuple[dict[str, Any], ...] = ()
    faults: dict[str, Any] = {}
    signatures: dict[str, int] = {}
    sealed: int = 0
    sealed_beyond: tuple[tuple[int, int], ...] = ()
    not_compared: tuple[str, ...] = ()
    believed_folds: int = 0
    differing_folds: tuple[str, ...] = ()
    not_folded: str = ""


@stored("proof.failed.v1")
class ProofFailed(Event, frozen=True, kw_only=True):
    """A proof ended without an answer; `cause` says which error."""

    proof_id: str
    cause: str


# ── Rebuilds ────────────────────────────────────────────────────────────────────────────────────


@stored("rebuild.started.v1")
class RebuildStarted(Event, frozen=True, kw_only=True):
    """A rebuild of these read models, and all connected to them, was asked for.

    No name stands for all of them. With `believe_log` the caller asked to believe the log, be
    it known to be damaged or not.
    """

    rebuild_id: str
    names: tuple[str, ...] = ()
    believe_log: bool = False


@stored("rebuild.finished.v1")
class RebuildFinished(Event, frozen=True, kw_only=True):
    """These read models were rebuilt from the events up to `position`, and are in their place."""

    rebuild_id: str
    names: tuple[str, ...]
    position: int


@stored("rebuild.failed.v1")
class RebuildFailed(Event, frozen=True, kw_only=True):
    """A rebuild ended and changed nothing; `cause` says which error."""

    rebuild_id: str
    cause: str


class UnreadableEvent(Event, frozen=True, kw_only=True):
    """What stands in the log where an event cannot be read; it is never appended.

    Its `topic` is not known to this version, or its bytes (`state`) were changed; `cause` says
    which.
    """

    topic: str
    cause: str
    state: bytes


class NewEvent(Struct, frozen=True):
    """An event on its way into the log: version 1, 2, 3 … of a stream, with its time and meta.

    The two field names are the `eventsourcing` library's: its mapper and store expect them.
    `effective_at` is when it happened in the world: the command's time, or when Stripe's call came.
    """

    originator_id: str
    originator_version: int
    event: Event
    effective_at: datetime
    meta: Metadata


class RecordedEvent(Struct, frozen=True):
    """An event as it stands in the log.

    `position` counts 1, 2, 3 … without a gap over the whole log, `version` within `stream`;
    `recorded_at` is the database's clock and never decreases along positions;
    `effective_at` is the action's own time (for a Stripe event: when we received it; when it
    happened is in its body, and so in its facts' `EventContext`).
    """

    position: int
    stream: str
    version: int
    recorded_at: datetime
    effective_at: datetime
    event: Event
    meta: Metadata

    @property
    def topic(self) -> str:
        """The topic that it is stored under, which this version may not know."""
        event = self.event
        return event.topic if isinstance(event, UnreadableEvent) else event.TOPIC
