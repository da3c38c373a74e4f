"""Rules by which payments that belong to no order are linked to one, and what they decide.

A rule says which order a payment names, or which fits it; only a pair that leaves no doubt is
linked. It is written as `metadata:KEY`, `description:PATTERN` or `email-and-amount`.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

from ledger.domain.limits import check_text, is_id
from ledger.errors import InvalidCommand

RuleKind = Literal["metadata", "description", "email-and-amount"]
MAX_KEY: Final = 40
"""Characters of a key of metadata at Stripe."""
MAX_PATTERN: Final = 100
MAX_RULE: Final = MAX_PATTERN + 20
"""Characters of a rule as it is written."""
PLACE: Final = "{order}"
"""Where an order's id stands in a pattern."""
_RUN: Final = re.compile(r"[A-Za-z0-9._-]*")
NEAR: Final = timedelta(hours=1)
"""So far apart an order and its payment may be, either of them first."""

SkipReason = Literal[
    "other_account",
    "other_currency",
    "several_orders",
    "several_payments",
    "order_has_payment",
    "subscription",
]
REASONS: Final[dict[SkipReason, str]] = {
    "other_account": "it is a connected account's, and the order is the shop's own",
    "other_currency": "the order is in another currency",
    "several_orders": "several orders fit",
    "several_payments": "several payments fit the order",
    "order_has_payment": "the order has another payment",
    "subscription": "it pays a subscription's invoice",
}
"""Why a payment is not linked although an order was found for it."""


# ── Rules ───────────────────────────────────────────────────────────────────────────────────────


class LinkRule(Struct, frozen=True):
    """A rule; `word` is the key of metadata or the pattern of a description, else empty.

    A pattern is text in which `{order}` stands once, where a description has the order's id.
    `email-and-amount`: an order of the same e-mail address, currency and amount that was placed
    within an hour of the payment.
    """

    kind: RuleKind
    word: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.word}" if self.word else self.kind

    @property
    def is_by_name(self) -> bool:
        """Whether a payment itself names its order."""
        return self.kind != "email-and-amount"

    def names(self, said: str | None) -> tuple[str, ...]:
        """The ids of orders that a payment names by what it says: as a rule one, or none."""
        if said is None or not self.is_by_name:
            return ()
        if self.kind == "metadata":
            word = order_word(said)
            return (word,) if is_id(word) else ()
        return _named_in(said, *self.word.split(PLACE))


def rule_of(kind: str, word: str = "") -> LinkRule:
    """A rule of this kind; raises `InvalidCommand` for one that cannot say anything."""
    word = " ".join(word.split())
    if kind == "metadata":
        check_text("rule: the key", word, MAX_KEY, field="rule")
        return LinkRule(kind, word)
    if kind == "description":
        check_text("rule: the pattern", word, MAX_PATTERN, field="rule")
        if word.count(PLACE) != 1:
            raise _wrong(f"must have {PLACE} in one place, as description:Order {PLACE}.")
        return LinkRule(kind, word)
    if kind != "email-and-amount":
        raise _wrong("must be metadata:KEY, description:PATTERN or email-and-amount.")
    if word:
        raise _wrong("takes nothing after email-and-amount.")
    return LinkRule(kind)


def parse_rule(text: str) -> LinkRule:
    """A rule as it is written, and as `str` writes it; raises `InvalidCommand`."""
    kind, _, word = text.partition(":")
    return rule_of(kind.strip(), word)


def _wrong(must: str) -> InvalidCommand:
    return InvalidCommand.of_field("rule", f"it {must}")


def order_word(text: str) -> str:
    """What a text says of an order's id, as people write it: `#1001` is `1001`."""
    return text.strip().removeprefix("#")


def _named_in(line: str, before: str, after: str) -> tuple[str, ...]:
    """What stands between `before` and `after` in a line, wherever it does, each once.

    Nothing before it: it begins the line; nothing after it: all characters that an id may have,
    without a point at the end, which ends a sentence. Neither: it is the whole line.
    """
    if not (before or after):
        return (line,) if is_id(line) else ()
    found: dict[str, None] = {}
    start = line.find(before)
    while start >= 0:
        begin = start + len(before)
        end = line.find(after, begin) if after else _end_of_id(line, begin)
        word = line[begin:end] if end >= 0 else ""
        word = word if after else word.rstrip(".")
        if (start == 0 or not _joins(line[start - 1], before)) and is_id(word):
            found[word] = None
        start = line.find(before, start + 1) if before else -1
    return tuple(found)


def _joins(character: str, before: str) -> bool:
    """Whether the first word of `before` is only the end of a longer one."""
    return character.isalnum() and before[:1].isalnum()


def _end_of_id(line: str, begin: int) -> int:
    found = _RUN.match(line, begin)
    assert found is not None, "it matches no characters, too"
    return found.end()


# ── What they decide ────────────────────────────────────────────────────────────────────────────


class UnlinkedPayment(Struct, frozen=True, kw_only=True):
    """A payment that brought money (minor units) and belongs to no order.

    `names` are the orders that it names by the rule, `for_subscription` says whether it pays a
    subscription's invoice.
    """

    payment_id: str
    currency: str
    received_minor: int
    created_at: datetime
    account: str | None = None
    names: tuple[str, ...] = ()
    for_subscription: bool = False


class FoundOrder(Struct, frozen=True, kw_only=True):
    """An order that a payment names, or that fits it.

    `payments` is how many payments fit it, `has_payment` whether another one than this brought
    money for it.
    """

    order_id: str
    currency: str
    total_minor: int
    placed_at: datetime
    payments: int = 1
    has_payment: bool = False


class Verdict(Struct, frozen=True):
    """Which order a payment is linked to, or why to none; neither: no order was found for it."""

    order: FoundOrder | None = None
    reason: SkipReason | None = None

    @property
    def links(self) -> bool:
        """Whether it is to be linked."""
        return self.order is not None and self.reason is None


def judge(rule: LinkRule, payment: UnlinkedPayment, found: Sequence[FoundOrder]) -> Verdict:
    """What a rule decides of a payment, by the orders that it names or that fit it."""
    if not found:
        return Verdict()
    if len(found) > 1 or len(payment.names) > 1:
        return Verdict(None, "several_orders")
    order, fits = found[0], not rule.is_by_name
    doubts: tuple[tuple[bool, SkipReason], ...] = (
        (payment.account is not None, "other_account"),
        (payment.currency != order.currency, "other_currency"),
        (fits and payment.for_subscription, "subscription"),
        (fits and order.payments != 1, "several_payments"),
        (fits and order.has_payment, "order_has_payment"),
    )
    return Verdict(order, next((reason for doubt, reason in doubts if doubt), None))
