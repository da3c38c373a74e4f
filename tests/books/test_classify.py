"""Laws of classifying by a rule: what was previewed is what is done, once."""

from contextlib import closing
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from random import Random

import pytest
from hypothesis import settings

from books.classify import READS, Asked, Done, Preview, classify, preview
from ledger.command_handler import CommandHandler
from ledger.domain.classify_rule import ClassifyRule
from ledger.domain.events import Metadata
from ledger.errors import InvalidCommand, PreviewChanged
from projections.engine.reads import Reads
from tests.books.ledger import Account, on

SEEDS = range(max(4, settings().max_examples // 12))
KINDS = ("quantum_entanglement", "other_adjustment", "obligation_outbound", "charge")
WORDS = ("Bank charge 7", "bank Charge", "Goodwill", "charge of a bank", "50 % off [a]", None)
PATTERNS = ("Bank charge*", "*bank*", "*", "goodwill", "50 % off [a]", "*7")
WHY = Metadata(actor="acc", reason="as the bank says")


class Desk:
    """An accountant who classifies by rules."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.kinds: dict[str, tuple[str, str | None, str]] = {}

    def moved(self, random: Random) -> str:
        kind, description = random.choice(KINDS), random.choice(WORDS)
        currency = random.choice(("eur", "jpy"))
        fee = random.choice((0, 0, 30))
        name = self.account.moved(
            on(9, random.randrange(1, 28)),
            random.randrange(100, 900),
            kind,
            fee=fee,
            details=0 if kind == "charge" else fee,
            currency=currency,
            description=description,
        )
        if kind != "charge" or fee:
            self.kinds[name] = (kind, description, currency)
        return name

    def preview(self, rule: ClassifyRule) -> Preview:
        with self.account.reading():
            pass
        with closing(Reads(self.account.engine)) as reads, reads.snapshot(READS) as cursor:
            return preview(cursor, rule)

    def classify(self, rule: ClassifyRule, shown: Preview, against: str = "expenses:bank") -> Done:
        self.account.follow()
        engine = self.account.engine
        with closing(Reads(engine)) as reads:
            handler = CommandHandler(engine.log, reads.money, reads.payment)
            asked = Asked(rule, shown.seen, against, datetime.now(UTC))
            return classify(reads, handler, asked, WHY)

    def plain(self, rule: ClassifyRule) -> set[str]:
        return {
            name
            for name, (kind, description, currency) in self.kinds.items()
            if rule.kind in {None, kind}
            and rule.currency in {None, currency}
            and (
                rule.description is None
                or fnmatchcase(
                    (description or "").lower(), rule.description.lower().replace("[", "[[]")
                )
            )
        }


def some_rule(random: Random) -> ClassifyRule:
    while True:
        rule = ClassifyRule(
            kind=random.choice((None, *KINDS)),
            description=random.choice((None, *PATTERNS)),
            currency=random.choice((None, "eur", "jpy")),
        )
        if rule != ClassifyRule():
            return rule


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_previewed_is_classified_once(account: Account, seed: int) -> None:
    random, desk = Random(seed), Desk(account)
    for _ in range(25):
        desk.moved(random)
    for _ in range(4):
        rule = some_rule(random)
        shown = desk.preview(rule)
        names = [each.transaction_id for each in shown.items]
        assert set(names) == desk.plain(rule)
        assert len(names) == len(set(names))
        desk.moved(random)  # what is learnt later is no part of what was previewed
        first = desk.classify(rule, shown)
        assert [each.outcome for each in first.items] == ["classified"] * len(names)
        again = desk.classify(rule, shown)
        assert [each.outcome for each in again.items] == ["classified_before"] * len(names)
        for name in names:
            del desk.kinds[name]
        assert {each.transaction_id for each in desk.preview(rule).items} == desk.plain(rule)
        suspense = account_rows(desk)
        assert suspense == set(desk.kinds)


def account_rows(desk: Desk) -> set[str]:
    with desk.account.reading() as cursor:
        rows = cursor.execute(
            "select transaction_id from postings where account like 'suspense:%'"
            " group by transaction_id having sum(amount_minor) <> 0"
        )
        return {row["transaction_id"] for row in rows}


def test_what_changed_since_is_looked_at_again_and_what_others_said_stays(
    account: Account,
) -> None:
    """Of three adjustments, one is classified by another person after the preview."""
    desk = Desk(account)
    one, two, three = (account.moved(on(9, day), 500, "other_adjustment") for day in (1, 2, 3))
    rule = ClassifyRule(kind="other_adjustment")
    shown = desk.preview(rule)
    assert shown.by_currency == {"eur": -1500}
    other = ClassifyRule(currency="eur")
    with pytest.raises(PreviewChanged):
        desk.classify(other, shown)
    alone = desk.preview(other)
    desk.classify(other, alone, against="income:other")
    done = desk.classify(rule, shown)
    assert [(each.held.transaction_id, each.outcome) for each in done.items] == [
        (one, "skipped"),
        (two, "skipped"),
        (three, "skipped"),
    ]
    assert "income:other in the meantime" in (done.items[0].detail or "")


def test_a_rule_says_which_transactions_and_an_account_that_there_can_be(
    account: Account,
) -> None:
    desk = Desk(account)
    account.moved(on(9, 1), 500, "other_adjustment")
    every = desk.preview(ClassifyRule())
    assert [each.kind for each in every.items] == ["other_adjustment"], "one may look at all"
    with pytest.raises(InvalidCommand, match="say a kind"):
        desk.classify(ClassifyRule(), every, against="expenses:misc")
    rule = ClassifyRule(kind="other_adjustment")
    with pytest.raises(InvalidCommand, match="expenses:misc"):
        desk.classify(rule, desk.preview(rule), against="misc")
