"""Entries: everything that a balance transaction came to in the books, and why."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from books.accounts import about, bare
from books.postings import SEEN, closes, counts_in
from books.trial import begins_on
from ledger.domain import posting_rules as rules
from ledger.errors import NotFound, WrongState
from projections.audit import LINES
from projections.engine.replay import DictCursor
from projections.engine.tables import trusted
from projections.postings import CATEGORY, RULE_OF

READS: Final = (
    "postings", "transactions", "periods", "charges", "refunds", "payments", "disputes", "links",
    "audit",
)  # fmt: skip
MOST_EVENTS: Final = 200

TRANSACTION: Final = """
select
    t.transaction_id, t.type, t.category, t.source_id, t.amount_minor, t.fee_minor, t.net_minor,
    t.currency, t.balance_type, t.description, t.account, t.created_at, t.available_at,
    t.seen_position,
    {category} as rule_category,
    p.payment_id, p.order_id,
    k.against as classified
from transactions as t
left join dispute_reports as d on d.dispute_id = t.source_id
left join disputes as f on f.dispute_id = t.source_id
left join charges as c on c.charge_id = t.source_id
left join refunds as x on x.refund_id = t.source_id
left join charges as xc on xc.charge_id = x.charge_id
left join payments as p on p.payment_id = coalesce(
    c.payment_id, c.charge_id, xc.payment_id, xc.charge_id, x.payment_id, f.payment_id
)
left join classifications as k on k.transaction_id = t.transaction_id
where t.transaction_id = %(id)s
""".replace("{category}", CATEGORY)
FEES: Final = """
select type, amount_minor, currency
from transaction_fees
where transaction_id = %(id)s
order by number
"""
POSTINGS: Final = """
select p.part, p.slot, p.day, p.at, p.account, p.amount_minor, {seen} as seen_position
from postings as p
join transactions as t using (transaction_id)
left join classifications as k using (transaction_id)
where p.transaction_id = %(id)s
order by p.at, array_position(%(parts)s::text[], p.part), p.slot
""".replace("{seen}", SEEN)
EVENTS: Final = """
select position
from links
where id = any(%(ids)s) and kind = any(%(kinds)s)
group by position
order by position
limit %(most)s
"""
OBJECTS: Final = """
select distinct kind, id, array_position(%(kinds)s, kind) as place
from links
where id = any(%(ids)s) and kind = any(%(kinds)s)
order by place
"""
SOURCES: Final = ("transaction", "charge", "refund", "dispute", "payout", "order")
"""Kinds of objects whose events an entry rests on."""


class Entries(NamedTuple):
    """A transaction, its rule (None: no rule knows it), its postings by part, its events.

    Events are those of the `objects`: the transaction, what moved the money, and the order. Each
    says the `stripe_event_id` that it came as; None where it came otherwise.
    """

    transaction: dict[str, Any]
    fees: list[dict[str, Any]]
    rule: rules.Rule | None
    parts: dict[str, list[dict[str, Any]]]
    objects: list[tuple[str, str]]
    rests_on: list[dict[str, Any]]


def entries(cursor: DictCursor, transaction_id: str) -> Entries:
    """All entries of a transaction, by their part; raises `NotFound`.

    Each posting says what its slot stands for (`stands_for`), what its account is `about`, and the
    month in which it counts (`counts_in`).
    """
    asked = {"id": transaction_id}
    transaction = cursor.execute(trusted(TRANSACTION), asked).fetchone()
    if transaction is None:
        raise NotFound(
            f"No balance transaction {transaction_id[:100]!r} is known; `ledger stripe pull` brings"
            " those that Stripe has."
        )
    closed, begins = closes(cursor), begins_on(cursor)
    parts: dict[str, list[dict[str, Any]]] = {}
    for row in cursor.execute(POSTINGS, {**asked, "parts": list(rules.PARTS)}):
        row["stands_for"] = rules.stands_for(row["slot"])
        row["about"] = about(row["account"])
        row["counts_in"] = counts_in(closed, begins, row["day"], row.pop("seen_position"))
        parts.setdefault(row.pop("part"), []).append(row)
    fees = cursor.execute(FEES, asked).fetchall()
    ids = [transaction[name] for name in ("transaction_id", "source_id", "order_id")]
    named = {"ids": [*filter(None, ids)], "kinds": list(SOURCES), "most": MOST_EVENTS}
    positions = [row["position"] for row in cursor.execute(EVENTS, named)]
    events = cursor.execute(LINES, {"positions": positions}).fetchall()
    for event in events:
        event["stripe_event_id"] = _stripe_event_id(event["source"])
    objects = [(row["kind"], row["id"]) for row in cursor.execute(OBJECTS, named)]
    rule = RULE_OF.get(transaction.pop("rule_category") or "")
    return Entries(transaction, fees, rule, parts, objects, events)


def _stripe_event_id(source: str) -> str | None:
    kind, _, name = source.partition("/")
    return name.partition("@")[0] if kind == "stripe" else None


def check_classifiable(cursor: DictCursor, transaction_id: str) -> None:
    """Raise WrongState where nothing of a transaction is for a person to say, and `NotFound`.

    What a person classified before may be classified otherwise.
    """
    booked = entries(cursor, transaction_id).parts.get("booked", [])
    if not any(bare(each["account"]) in (*rules.TO_CLASSIFY, rules.FEE_REST) for each in booked):
        raise WrongState(
            f"Nothing of {transaction_id} stands in suspense: its rule says what it is;"
            f" `ledger books explain {transaction_id}` shows it."
        )
