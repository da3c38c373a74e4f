"""Nothing is silent: each amount that Stripe tells is in a row, in a figure, or named by an issue.

The events are read here by a plain reading of their own, which knows Stripe's field names and
nothing of facts. Worlds are made ugly first: new words, fields that are missing or of a wrong type,
a second account with the same ids, three currencies with other decimals, equal seconds, and kinds
of money that no figure counts, Stripe's and invented ones.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import msgspec
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from kpi.checks.ask import DEFAULT
from kpi.checks.declare import catalogue
from kpi.checks.run import run_checks
from ledger.domain.events import Metadata, NewEvent, StripeEventReceived
from ledger.log import Log
from ledger.postgres.database import Database
from projections.engine import positions, tables
from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.registry import discover
from projections.engine.tables import LIVE, AnyCursor, trusted
from tests.support.unlinked import unlinked_payments
from tests.support.worlds import World, random_world, worlds
from webhooks.ingest.append import append_events
from webhooks.translate.translator import Translator

Databases = Callable[[], Database]
Json = dict[str, Any]

READER = Translator(mode="test", order_metadata_key="order_id")
law = settings(
    max_examples=3,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

# ── Ugly worlds ─────────────────────────────────────────────────────────────────────────────────

NEW_WORDS = {"status": "levitating", "payment_status": "floating", "duration": "evermore"}
WRONG = {"evidence_details": 5, "billing_details": "none", "failure_code": 7, "reason": ["x"]}
OPTIONAL = (
    "amount_captured",
    "balance_transaction",
    "created",
    "customer",
    "evidence_details",
    "failure_code",
    "metadata",
    "payment_intent",
    "receipt_email",
)
TWIN = "acct_twin"
# Of types of events that no reading knows: the kind of their object, where its amounts are, and the
# currency that stands beside them where it is not the object's.
FOREIGN: dict[str, tuple[str, dict[str, str | None]]] = {
    "credit_note.created": (
        "credit_note",
        {"amount": None, "subtotal": None, "lines.data.amount": None},
    ),
    "application_fee.refunded": ("application_fee", {"amount": None, "amount_refunded": None}),
    "application_fee.refund.updated": ("fee_refund", {"amount": None}),
    "transfer.reversed": ("transfer", {"amount": None, "reached.landed": "jpy"}),
    "topup.succeeded": ("topup", {"amount": None}),
    "issuing_transaction.created": (
        "issuing.transaction",
        {"amount": None, "amount_details.atm_fee": None, "shop.merchant_amount": "kwd"},
    ),
    "charge.levitated": ("levitation", {"lifted_amount": None}),
    "levitation.risen": ("levitation.nest", {"a.b.c.d.grandTotal": None, "a.b.fee.tip": "usd"}),
    "levitation.billed": (
        "levitation.bill",
        {
            "far.fixed_fee": "gbp",
            "far.off.late_fee_days_total": "jpy",
            "far.rate_adjustment_amount": "gbp",
            "far.usage_fee": "gbp",
        },
    ),
    "levitation.settled": (
        "levitation.settlement",
        {"far.amount": "gbp", "far.annual_amount": "gbp", "far.off.monthly_fee": "jpy"},
    ),
    "levitation.odd": ("levitation.odd", {"far.off_ground": "gbp", "far.below.height": "jpy"}),
}
NOISE = {"created": 1_700_000_000, "total_count": 3, "fee_percent": 7, "risen_at": 1_700_000_000}
"""Whole numbers that are no amounts, wherever they stand."""


def ugly(world: World, seed: int) -> list[NewEvent]:
    """The world's entries: Stripe's events spoiled here and there, some told of two accounts."""
    random = Random(f"ugly {seed}")
    entries: list[NewEvent] = []
    for entry in world.entries:
        if not isinstance(entry.event, StripeEventReceived):
            entries.append(entry)
            continue
        document: Json = json.loads(entry.event.body)
        if random.randrange(4) == 0:
            _spoil(document["data"]["object"], random)
        if random.randrange(4) == 0:
            document["created"] -= document["created"] % 60  # many events of one second
        entries.append(_told(entry, document))
        if "account" not in document and random.randrange(3) == 0:
            entries.append(_told(entry, document | {"account": TWIN}))
        if random.randrange(10) == 0:
            entries.append(_told(entry, _foreign(document, random)))
    return entries


def _foreign(document: Json, random: Random) -> Json:
    """An event of a kind that no reading knows, beside one of the world's."""
    type_ = random.choice([*FOREIGN])
    kind, paths = FOREIGN[type_]
    thing: Json = {"object": kind, "id": f"x_{random.randrange(5)}", "status": "levitating"}
    if random.randrange(5):
        thing["currency"] = random.choice(["gbp", "jpy", "kwd"])
    for path, currency in paths.items():
        settled = random.randrange(5) == 0
        minor = random.choice([0, None]) if settled else random.randrange(-(10**6), 10**6)
        _put(thing, path.split("."), minor, currency)
    changes = {"id": f"{document['id']}x", "type": type_, "data": {"object": thing}}
    return document | changes


def _put(thing: Json, path: list[str], minor: int | None, currency: str | None) -> None:
    """An amount where it belongs, its currency beside it, and noise all the way down."""
    for name in path[:-1]:
        if name == "data":
            thing["data"] = [thing := dict(NOISE)]
        else:
            thing = thing.setdefault(name, dict(NOISE))
    thing[path[-1]] = minor
    if currency is not None:
        thing["currency"] = currency


def _uncounted(thing: Json) -> dict[tuple[str, str], int]:
    """The amounts of an object that no reading knows, by path and currency."""
    found: dict[tuple[str, str], int] = {}
    for path, currency in dict(FOREIGN.values())[thing["object"]].items():
        at: Any = thing
        for name in path.split("."):
            at = at[0].get(name) if isinstance(at, list) else (at or {}).get(name)
        if at:
            found[path, currency or thing.get("currency", "")] = at
    return found


def _spoil(thing: Json, random: Random) -> None:
    match random.randrange(6):
        case 0:
            thing |= {name: word for name, word in NEW_WORDS.items() if name in thing}
        case 1:
            thing |= {name: value for name, value in WRONG.items() if name in thing}
        case 2:
            for name in random.sample(OPTIONAL, 3):
                thing.pop(name, None)
        case 3:
            for name in ("items", "refunds", "charges"):
                if isinstance(thing.get(name), dict) and len(thing[name]["data"]) > 1:
                    thing[name] |= {"data": thing[name]["data"][:-1], "has_more": True}
        case 4:
            for name in random.sample(OPTIONAL, 3):
                if name in thing:
                    thing[name] = None
        case _:
            if "currency" in thing:  # another one than that of what it belongs to
                thing["currency"] = random.choice(["eur", "jpy", "usd"])


def _told(entry: NewEvent, document: Json) -> NewEvent:
    body = json.dumps(document).encode()
    changes = {"event_id": document["id"], "body": body, "signature": None}
    event = msgspec.structs.replace(entry.event, **changes)
    return msgspec.structs.replace(entry, event=event)


# ── A plain reading ─────────────────────────────────────────────────────────────────────────────


class Amount(NamedTuple):
    """An amount of an object, and in which event and where it stands."""

    kind: str
    owner: str
    path: str
    minor: int
    event_id: str

    def __str__(self) -> str:
        return f"{self.minor} at {self.path} of {self.owner}, as event {self.event_id} tells,"


def amounts(document: Json) -> Iterator[Amount]:
    """The amounts of an event's object, by its kind; none that is 0."""
    thing = document["data"]["object"]
    at = f"@{document['account']}" if document.get("account") else ""
    reading = READINGS.get(thing.get("object"))
    if reading is None or document["type"] == "invoice.upcoming":
        return
    for kind, owner, path, minor in reading(thing):
        if type(minor) is int and minor != 0:
            yield Amount(kind, f"{owner}{at}", path, minor, f"{document['id']}{at}")


Told = Iterator[tuple[str, str, str, Any]]
"""Kind and id of an object, the path of an amount, and the amount."""


def _charge(thing: Json) -> Told:
    yield "charge", thing["id"], "amount", thing["amount"]
    if thing.get("captured") and thing.get("paid"):
        yield "charge", thing["id"], "amount_captured", thing.get("amount_captured")
    for refund in _listed(thing.get("refunds")):
        yield from _refund(refund)


def _refund(thing: Json) -> Told:
    if thing.get("reason") != "expired_uncaptured_charge":  # a hold that lapsed: nothing was taken
        yield "refund", thing["id"], "amount", thing["amount"]


def _dispute(thing: Json) -> Told:
    yield "dispute", thing["id"], "amount", thing["amount"]
    for moved in thing.get("balance_transactions") or []:
        yield "movement", f"{thing['id']} {moved['id']}", "amount", moved["amount"]


def _payment_intent(thing: Json) -> Told:
    yield "payment_intent", thing["id"], "amount", thing["amount"]
    yield "payment_intent", thing["id"], "amount_received", thing.get("amount_received")


def _payout(thing: Json) -> Told:
    yield "payout", thing["id"], "amount", thing["amount"]


def _invoice(thing: Json) -> Told:
    for path in ("amount_due", "amount_paid", "amount_remaining"):
        yield "invoice", thing["id"], path, thing.get(path)


def _checkout(thing: Json) -> Told:
    yield "checkout.session", thing["id"], "amount_total", thing.get("amount_total")


def _subscription(thing: Json) -> Told:
    for item in _listed(thing.get("items")):
        price = item.get("price") or item.get("plan") or {}
        if price.get("currency") == thing.get(
            "currency", price.get("currency")
        ):  # else not its own
            minor = price.get("unit_amount", price.get("amount"))
            yield "subscription", thing["id"], "items.unit_amount", minor


READINGS: dict[str | None, Callable[[Json], Told]] = {
    "charge": _charge,
    "refund": _refund,
    "dispute": _dispute,
    "payment_intent": _payment_intent,
    "payout": _payout,
    "invoice": _invoice,
    "checkout.session": _checkout,
    "subscription": _subscription,
}


def _listed(things: Any) -> list[Json]:
    return things["data"] if isinstance(things, dict) else things or []


# ── What the ledger shows ───────────────────────────────────────────────────────────────────────

ROWS: dict[str, tuple[str, dict[str, str]]] = {
    "charge": (
        "select charge_id as id, amount_minor, captured_minor from charges",
        {"amount": "amount_minor", "amount_captured": "captured_minor"},
    ),
    "refund": ("select refund_id as id, amount_minor from refunds", {"amount": "amount_minor"}),
    "dispute": ("select dispute_id as id, amount_minor from disputes", {"amount": "amount_minor"}),
    "movement": (
        """
        select
            case
                when position('@' in dispute_id) = 0 then dispute_id || ' ' || transaction_id
                else split_part(dispute_id, '@', 1) || ' ' || transaction_id
            end as id, amount_minor
        from dispute_movements
        """,
        {"amount": "amount_minor"},
    ),
    "payment_intent": (
        "select payment_id as id, amount_minor, received_minor from payment_reports",
        {"amount": "amount_minor", "amount_received": "received_minor"},
    ),
    "payout": ("select payout_id as id, amount_minor from payouts", {"amount": "amount_minor"}),
    "invoice": (
        "select invoice_id as id, due_minor, paid_minor, remaining_minor from invoices",
        {
            "amount_due": "due_minor",
            "amount_paid": "paid_minor",
            "amount_remaining": "remaining_minor",
        },
    ),
    "checkout.session": (
        "select session_id as id, total_minor from checkouts",
        {"amount_total": "total_minor"},
    ),
}
"""By kind of object: its rows, and the column in which each of its amounts is to be found."""

MONEY_IN_FIGURES = {
    "money that a charge took is received by its payment": """
        select c.charge_id as id, c.captured_minor as minor
        from charges as c
        left join payments as p on p.payment_id = coalesce(c.payment_id, c.charge_id)
        where c.captured_minor > 0 and c.state <> 'failed'
            and (p.currency = c.currency and p.received_minor >= c.captured_minor) is not true
    """,
    "money of a known order in its currency is revenue": """
        select p.payment_id as id, p.received_minor as minor
        from payments as p
        join orders as o on o.order_id = p.order_id
        left join captures as c on c.payment_id = p.payment_id
        where p.received_minor > 0 and p.currency = o.currency and c.payment_id is null
    """,
    "money of no known order is open, or was paid for a subscription": """
        select p.payment_id as id, p.net_minor as minor
        from payments as p
        left join orders as o on o.order_id = p.order_id
        where o.order_id is null and p.net_minor <> 0 and p.net_minor not between 0 and (
            select coalesce(sum(case
                when i.state is null then v.paid_minor
                when i.state = 'paid' then i.paid_minor
            end), 0)
            from invoice_payments as i
            join invoices as v using (invoice_id)
            join subscription_reports as s on s.subscription_id = v.subscription_id
                and not exists (
                    select
                    from subscription_reports
                    where subscription_id = s.subscription_id and version > s.version
                )
            where i.payment_id = p.payment_id or i.charge_id = p.charge_id
                or i.payment_id = p.charge_id
        )
    """,
    "what went back or is about to is taken off a payment": """
        select r.refund_id as id, r.amount_minor as minor
        from refunds as r
        left join charges as c on c.charge_id = r.charge_id
        left join payments as p on p.payment_id = coalesce(c.payment_id, r.charge_id, r.payment_id)
        where p.payment_id is null and r.state not in ('failed', 'canceled')
            or p.currency = r.currency and r.amount_minor >
                p.refunded_minor + p.refund_pending_minor + p.refund_failed_minor
    """,
    "what is disputed is taken off a payment": """
        select d.dispute_id as id, d.amount_minor as minor
        from disputes as d
        left join charges as c on c.charge_id = d.charge_id
        left join payments as p on p.payment_id = coalesce(c.payment_id, d.charge_id, d.payment_id)
        where p.payment_id is null and d.state not in ('inquiry', 'inquiry_closed')
    """,
}
"""Where money would get lost on its way to the figures: what a query finds must have a name."""


class Shown(NamedTuple):
    """What the ledger has: rows by kind and id, and all that any issue or check names."""

    rows: dict[str, dict[str, Json]]
    uncounted: dict[str, dict[tuple[str, str], int]]
    units: dict[str, set[str]]
    unread: dict[str, str]
    named: set[str]
    breaches: list[str]

    def has(self, amount: Amount, reported: set[int]) -> bool:
        """Whether the amount is where it should be: of several reports one, or (taken) more."""
        if amount.event_id in self.unread or amount.owner in self.named:
            return True
        if amount.kind == "subscription":
            return str(amount.minor) in self.units.get(amount.owner, set())
        row = self.rows[amount.kind].get(amount.owner)
        value = None if row is None else row[ROWS[amount.kind][1][amount.path]]
        if amount.path in {"amount_captured", "amount_received"}:
            return value is not None and value >= amount.minor
        return value is not None and (value in reported or value == 0)


@contextmanager
def shown(database: Database, entries: Sequence[NewEvent]) -> Iterator[Shown]:
    """The ledger after these entries, its checks run a day later."""
    with Log(database.conninfo("app")) as log:
        engine = ProjectionContext(database, log, discover(), READER)
        with database.connect("projector", autocommit=True) as conn:
            positions.prepare(conn.cursor(), engine.registry, engine.reader, head=0)
        _append(log, entries)
        Follower(engine).catch_up()
        now = max(entry.effective_at for entry in entries) + timedelta(days=1)
        report = run_checks(engine, now)
        assert report.crashed == []
        Follower(engine).catch_up()
        with database.connect("reader") as conn, conn.cursor(row_factory=dict_row) as cursor:
            tables.use(cursor, LIVE)
            yield _look(cursor, now)


def _append(log: Log, entries: Sequence[NewEvent]) -> None:
    batch: list[StripeEventReceived] = []
    for entry in entries:
        if isinstance(entry.event, StripeEventReceived):
            batch.append(entry.event)
            if len(batch) == 200:
                append_events(log, batch, Metadata(actor="stripe"))
                batch.clear()
        else:
            log.append([entry])
    append_events(log, batch, Metadata(actor="stripe"))


def _look(cursor: AnyCursor, now: datetime) -> Shown:
    rows = {
        kind: {row["id"]: row for row in cursor.execute(trusted(query))}
        for kind, (query, _) in ROWS.items()
    }
    units: dict[str, set[str]] = defaultdict(set)
    for row in cursor.execute("select subscription_id, items from subscription_reports"):
        units[row["subscription_id"]] |= {str(item["unit_minor"]) for item in row["items"]}
    unread = {
        row["event_id"]: f"{row['type']} {row['cause']}"
        for row in cursor.execute("select * from unreadable_events")
    }
    named = set(_named(cursor, now))
    listed = cursor.execute(
        "select sum((evidence -> 'events')::bigint) as events from issues"
        " where \"check\" = 'unreadable_events' and state = 'open'"
    ).fetchone()
    assert listed is not None
    assert (listed["events"] or 0) == len(unread), (
        "an issue counts every event that nobody can read"
    )
    uncounted = {
        f"{row['kind']} {row['subject_id']}": {
            (each["part"], each["currency"]): each["amount_minor"] for each in row["amounts"]
        }
        for row in cursor.execute("select * from uncounted_amounts")
    }
    listed = cursor.execute(
        "select sum((evidence -> 'amounts')::bigint) as amounts from issues"
        " where \"check\" = 'amounts_not_counted' and state = 'open'"
    ).fetchone()
    assert listed is not None
    assert (listed["amounts"] or 0) == sum(map(len, uncounted.values())), (
        "an issue counts every amount that no figure counts"
    )
    breaches = [
        f"{row['minor']} of {row['id']} is in no figure and named by no issue: {why}"
        for why, query in MONEY_IN_FIGURES.items()
        for row in cursor.execute(trusted(query))
        if row["id"] not in named
    ]
    return Shown(rows, uncounted, units, unread, named, breaches)


def _named(cursor: AnyCursor, now: datetime) -> Iterator[str]:
    """Every id that a check finds something wrong with; its issue may stand for many."""
    for check in catalogue():
        for row in cursor.execute(
            trusted(check.sql), {"now": now, "waits": check.waits, **DEFAULT._asdict()}
        ):
            yield from (value for value in row.values() if isinstance(value, str))
    yield from _unlinked(cursor, now)


def _unlinked(cursor: AnyCursor, now: datetime) -> Iterator[str]:
    """Payments of no order: the issues name some, and count all and their amounts."""
    each = unlinked_payments(cursor, now)
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for one in each:
        total = totals[one.currency]
        total[0] += 1
        total[1 if one.held_minor > 0 else 2] += abs(one.held_minor)
    issues = cursor.execute(
        """
        select
            evidence ->> 'currency' as currency,
            sum((evidence -> 'payments_count')::bigint)::bigint as payments,
            sum((evidence -> 'kept_minor')::bigint)::bigint as kept_minor,
            sum((evidence -> 'given_back_minor')::bigint)::bigint as given_back_minor
        from issues
        where "check" = 'unlinked_payments' and state = 'open'
        group by evidence ->> 'currency'
        """
    )
    told = {row.pop("currency"): list(row.values()) for row in issues}
    assert told == totals, "issues count every payment of no order, and all of its amount"
    yield from (one.payment_id for one in each)


# ── The law ─────────────────────────────────────────────────────────────────────────────────────


@law
@given(world=worlds(), seed=st.integers(0, 2**32 - 1))
@example(world=random_world(21, 3000), seed=21)
def test_each_amount_is_shown_counted_or_named(fresh_database: Databases, world: World, seed: int):
    entries = ugly(world, seed)
    told = told_in(entries)
    reported: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for amount in told:
        reported[amount.kind, amount.owner, amount.path].add(amount.minor)
    with shown(fresh_database(), entries) as ledger:
        silent = [
            f"{amount} is in no row, and no issue names it"
            for amount in told
            if not ledger.has(amount, reported[amount.kind, amount.owner, amount.path])
        ]
        assert [*silent, *ledger.breaches] == []
        for owner, reports in uncounted_in(entries).items():
            assert ledger.uncounted.get(owner, {}) in reports, owner


def uncounted_in(entries: Sequence[NewEvent]) -> dict[str, list[dict[tuple[str, str], int]]]:
    """For each object that no reading knows, its amounts as its newest reports have them.

    More than one has the second of the newest.
    """
    newest: dict[str, int] = defaultdict(int)
    told: list[tuple[str, int, dict[tuple[str, str], int]]] = []
    for document in documents(entries):
        thing = document["data"]["object"]
        if thing.get("object") in dict(FOREIGN.values()):
            at = f"@{document['account']}" if document.get("account") else ""
            owner = f"{thing['object']} {thing['id']}{at}"
            newest[owner] = max(newest[owner], document["created"])
            told.append((owner, document["created"], _uncounted(thing)))
    found: dict[str, list[dict[tuple[str, str], int]]] = defaultdict(list)
    for owner, created, amounts_ in told:
        if created == newest[owner]:
            found[owner].append(amounts_)
    return found


def test_the_law_is_about_amounts_of_every_kind_and_misses_none_that_is_lost(
    fresh_database: Databases,
):
    """A row that is taken away, or has another amount, is missed."""
    entries = ugly(random_world(21, 1500), 21)
    told = told_in(entries)
    assert {amount.kind for amount in told} >= ROWS.keys() | {"subscription"}
    with shown(fresh_database(), entries) as ledger:
        for kind in ROWS:
            amount = next(
                each
                for each in told
                if each.kind == kind
                and each.owner not in ledger.named
                and each.event_id not in ledger.unread
            )
            row = ledger.rows[kind].pop(amount.owner)
            assert not ledger.has(amount, {amount.minor})
            column = ROWS[kind][1][amount.path]
            ledger.rows[kind][amount.owner] = row | {column: 1}
            assert not ledger.has(amount, {amount.minor})
        reports = uncounted_in(entries)
        assert {owner.split()[0] for owner in reports} == dict(FOREIGN.values()).keys()
        assert any({} not in each for each in reports.values())


def told_in(entries: Sequence[NewEvent]) -> list[Amount]:
    """What Stripe tells of amounts in the events of our mode; what nobody can read is left out."""
    return [amount for document in documents(entries) for amount in _readable(document)]


def documents(entries: Sequence[NewEvent]) -> list[Json]:
    """Stripe's events of our mode that have an object."""
    events = (entry.event for entry in entries)
    found = [json.loads(e.body) for e in events if isinstance(e, StripeEventReceived)]
    return [
        each for each in found if not each["livemode"] and isinstance(each["data"]["object"], dict)
    ]


def _readable(document: Json) -> list[Amount]:
    """The amounts of an object whose own amount, currency, id and status are what they should be.

    What is not, cannot be read by anybody: the event is listed.
    """
    try:
        return list(amounts(document))
    except (KeyError, TypeError, AttributeError):
        return []
