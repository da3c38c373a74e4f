"""Classifying several transactions at once: what a rule finds in suspense, and carrying that out.

What was previewed is what is done: a preview is known by the position of the log that it was looked
at, and by a digest of what it found. Transactions that were classified since then count as if they
were not, so it may be carried out again, and then changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from hashlib import sha256
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec import Struct

from books.accounts import bare
from ledger.command_handler import CommandHandler
from ledger.domain import posting_rules as rules
from ledger.domain.classification import ClassifyTransaction, check_against
from ledger.domain.classify_rule import ClassifyRule, check_rule, check_words
from ledger.domain.events import Metadata
from ledger.errors import PreviewChanged, Refused
from projections.engine.reads import Reads
from projections.engine.replay import DictCursor, as_of_projections

READS: Final = ("postings", "transactions", "periods")
MOST_ITEMS: Final = 1000
"""So many transactions at most are shown, and classified, at once."""
ACCOUNTS: Final = "select distinct account from account_days"
# What is in suspense, with what was classified after a position left out.
HELD: Final = """
with opening as (
    select (period || '-01')::date as begins
    from openings
    order by version desc
    limit 1
),
held as (
    select p.transaction_id, sum(p.amount_minor)::bigint as held_minor
    from postings as p
    left join classifications as k using (transaction_id)
    where p.account = any(%(accounts)s)
        and (p.part <> 'classified' or k.latest_by <= %(position)s)
        and p.day >= coalesce((select begins from opening), '-infinity')
    group by p.transaction_id
    having sum(p.amount_minor) <> 0
)
select
    t.transaction_id, ledger.business_day(t.created_at) as day,
    coalesce(t.category, t.type) as kind, t.description, t.currency, h.held_minor,
    case when k.latest_by > %(position)s then k.against end as since
from held as h
join transactions as t using (transaction_id)
left join classifications as k using (transaction_id)
where t.seen_position <= %(position)s
    and (%(kind)s::text is null or coalesce(t.category, t.type) = %(kind)s)
    and (%(currency)s::text is null or t.currency = %(currency)s)
order by t.created_at, t.transaction_id
"""

OF_KIND: Final = """
select
from transactions
where coalesce(category, type) = %(kind)s and seen_position <= %(position)s
limit 1
"""

Outcome = Literal["classified", "classified_before", "skipped"]


class Held(NamedTuple):
    """A transaction in suspense, with what of it stands there: minor units, above nothing a debit.

    `since` is the account that it was classified with after the preview, if it was.
    """

    transaction_id: str
    day: date
    kind: str
    description: str | None
    currency: str
    held_minor: int
    since: str | None


class Seen(Struct, frozen=True, kw_only=True):
    """What a preview showed, as known at a `position`; `sha256` is of what it would classify."""

    position: int
    sha256: str


class Asked(NamedTuple):
    """Which preview is carried out, the account that all are booked against, and when."""

    rule: ClassifyRule
    seen: Seen
    against: str
    at: datetime


class Preview(NamedTuple):
    """What a rule finds; `has_more` says that there is more than is classified at once.

    Where it finds nothing and says a kind, `kinds` are those that stand in suspense, and
    `kind_occurs` says whether any transaction is of the one that it says.
    """

    items: list[Held]
    by_currency: dict[str, int]
    seen: Seen
    has_more: bool
    kinds: list[str]
    kind_occurs: bool


class Classified(NamedTuple):
    """What became of a transaction; `detail` says why where it was skipped."""

    held: Held
    outcome: Outcome
    detail: str | None


class Done(NamedTuple):
    """What became of all, and the position from which reads show it."""

    items: list[Classified]
    position: int


def preview(cursor: DictCursor, rule: ClassifyRule) -> Preview:
    """What a rule finds in suspense now, all of it where it says nothing.

    Raises InvalidCommand for what no transaction has.
    """
    check_words(rule)
    position = as_of_projections(cursor, READS).position
    found = _found(cursor, rule, position)
    items = found[:MOST_ITEMS]
    held: Counter[str] = Counter()
    for each in items:
        held[each.currency] += each.held_minor
    seen = Seen(position=position, sha256=_digest(rule, position, items))
    kinds, occurs = ([], True) if items else _kinds(cursor, rule, position)
    return Preview(items, dict(held), seen, len(found) > MOST_ITEMS, kinds, occurs)


def _kinds(cursor: DictCursor, rule: ClassifyRule, position: int) -> tuple[list[str], bool]:
    """The kinds that stand in suspense, and whether any transaction is of the rule's."""
    if rule.kind is None:
        return [], True
    of_any = cursor.execute(OF_KIND, {"kind": rule.kind, "position": position}).fetchone()
    every = _found(cursor, ClassifyRule(), position)
    return sorted({each.kind for each in every}), of_any is not None


def classify(reads: Reads, handler: CommandHandler, asked: Asked, meta: Metadata) -> Done:
    """Book the transactions of a preview against an account, each as if it were classified alone.

    One that was classified otherwise since the preview is left as it is. Raises InvalidCommand for
    what is no account, `PreviewChanged` where the rule does not find just what was seen, and what
    `CommandHandler.execute_all` raises: what was done until then stays, calling again goes on.
    """
    rule, seen, against, at = asked
    check_against(against)
    check_rule(rule)
    head = reads.engine.log.head()
    with reads.snapshot(READS, head, current=True) as cursor:
        items = _found(cursor, rule, seen.position)[:MOST_ITEMS]
    if _digest(rule, seen.position, items) != seen.sha256:
        raise PreviewChanged(
            "The rule does not find what was previewed: something else is known of a transaction."
            " Look at the preview again."
        )
    commands = [
        ClassifyTransaction(transaction_id=each.transaction_id, against=against, at=at)
        for each in items
        if each.since in (None, against)
    ]
    outcomes = {
        command.transaction_id: outcome for command, outcome in handler.execute_all(commands, meta)
    }
    done = [_outcome(each, outcomes.get(each.transaction_id)) for each in items]
    positions = (o.position for o in outcomes.values() if not isinstance(o, Refused))
    return Done(done, max(positions, default=head))


def _outcome(held: Held, outcome: object) -> Classified:
    if outcome is None:
        return Classified(held, "skipped", f"it was classified as {held.since} in the meantime")
    if isinstance(outcome, Refused):
        return Classified(held, "skipped", str(outcome))
    recorded = getattr(outcome, "recorded", ())
    return Classified(held, "classified" if recorded else "classified_before", None)


def _found(cursor: DictCursor, rule: ClassifyRule, position: int) -> list[Held]:
    every = [row["account"] for row in cursor.execute(ACCOUNTS)]
    asked = {
        "accounts": [each for each in every if bare(each) in (rules.SUSPENSE, rules.FEE_REST)],
        "position": position,
        "kind": rule.kind,
        "currency": rule.currency,
    }
    rows = (Held(**row) for row in cursor.execute(HELD, asked))
    return [each for each in rows if rule.fits(each.kind, each.description, each.currency)]


def _digest(rule: ClassifyRule, position: int, items: Sequence[Held]) -> str:
    """SHA-256 of the rule, the position, and what stands in suspense of each transaction."""
    said = [str(rule), position, [(each.transaction_id, each.held_minor) for each in items]]
    return sha256(msgspec.json.encode(said)).hexdigest()
