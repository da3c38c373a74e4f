"""Linking in bulk: what is previewed happens, and no pair is linked that leaves a doubt."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ledger.command_handler import CommandHandler
from ledger.domain.events import Metadata
from ledger.domain.link_rule import LinkRule, parse_rule
from ledger.domain.order_commands import LinkPayment
from ledger.postgres.database import Database
from projections.queries.linking import Preview, link, preview
from tests.support.linking import OTHER, Shop, linked_by_hand, opened, random_trade

Databases = Callable[[], Database]
META = Metadata(actor="operator", reason="to try it")
RULES = [
    parse_rule(text)
    for text in ("metadata:shop_order", "description:Order {order}", "email-and-amount")
]
law = settings(
    max_examples=4,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
seeds = st.integers(0, 2**32 - 1)


def pages(shop: Shop, rule: LinkRule, limit: int) -> Iterator[Preview]:
    """Every page of a preview, one after the other."""
    page = preview(shop.reads, rule, limit=limit, counts=True)
    yield page
    while page.next is not None:
        page = preview(shop.reads, rule, after=page.next, limit=limit)
        yield page


def proposed(found: Sequence[Preview]) -> dict[str, str]:
    """The pairs that pages propose to link."""
    return {
        each.payment.payment_id: each.verdict.order.order_id
        for page in found
        for each in page.items
        if each.verdict.links and each.verdict.order is not None
    }


@pytest.mark.parametrize("rule", RULES, ids=str)
@law
@given(seed=seeds, limit=st.integers(1, 20))
def test_a_rule_links_what_is_without_doubt_and_as_it_was_previewed(
    fresh_database: Databases, rule: LinkRule, seed: int, limit: int
) -> None:
    trade = random_trade(seed)
    with opened(fresh_database(), trade) as shop:
        found = [*pages(shop, rule, limit)]
        pairs = linked_by_hand(rule, trade)
        assert proposed(found) == pairs
        assert not any(OTHER in payment_id for payment_id in pairs)
        counts = found[0].counts
        assert counts is not None
        assert counts.complete
        assert counts.to_link == len(pairs)
        assert counts.unlinked == sum(each.names is None for each in trade.paid)
        skipped = [each.verdict.reason for page in found for each in page.items]
        assert counts.skipped == {r: skipped.count(r) for r in {*skipped} - {None}}
        for page in found:
            done = link(shop.reads, shop.handler, rule, page.seen, META)
            assert [each.found.payment for each in done.items] == [p.payment for p in page.items]
            outcomes = ["linked" if each.verdict.links else "skipped" for each in page.items]
            assert [each.outcome for each in done.items] == outcomes
            shop.follow()
        assert shop.links() == pairs


@pytest.mark.parametrize("rule", RULES, ids=str)
@law
@given(seed=seeds)
def test_linking_again_changes_nothing(
    fresh_database: Databases, rule: LinkRule, seed: int
) -> None:
    with opened(fresh_database(), random_trade(seed)) as shop:
        page = preview(shop.reads, rule, limit=100)
        link(shop.reads, shop.handler, rule, page.seen, META)
        shop.follow()
        head = shop.engine.log.head()
        again = link(shop.reads, shop.handler, rule, page.seen, META)
        assert {each.outcome for each in again.items} <= {"linked_before", "skipped"}
        assert proposed([preview(shop.reads, rule, limit=100)]) == {}
        assert shop.engine.log.head() == head


class Killed(Exception):
    """The process ended."""


class Dying(CommandHandler):
    """One whose process ends after so many commands."""

    lives = 0

    def execute_all(self, commands: Sequence[Any], meta: Metadata) -> Iterator[Any]:
        yield from super().execute_all(commands[: self.lives], meta)
        raise Killed


@law
@given(seed=seeds, lives=st.integers(0, 10))
def test_a_killed_run_is_finished_by_the_same_call(
    fresh_database: Databases, seed: int, lives: int
) -> None:
    rule, trade = RULES[0], random_trade(seed)
    with opened(fresh_database(), trade) as shop:
        dying = Dying(shop.engine.log, shop.reads.money, shop.reads.payment)
        dying.lives = lives
        page = preview(shop.reads, rule, limit=100)
        with pytest.raises(Killed):
            link(shop.reads, dying, rule, page.seen, META)
        shop.follow()
        done = link(shop.reads, shop.handler, rule, page.seen, META)
        pairs = linked_by_hand(rule, trade)
        before = sum(each.outcome == "linked_before" for each in done.items)
        assert before == min(lives, len(pairs))
        shop.follow()
        assert shop.links() == pairs


@pytest.mark.parametrize("rule", RULES, ids=str)
@law
@given(seed=seeds)
def test_in_bulk_is_the_same_as_one_by_one(
    fresh_database: Databases, rule: LinkRule, seed: int
) -> None:
    trade = random_trade(seed)
    with opened(fresh_database(), trade) as bulk:
        page = preview(bulk.reads, rule, limit=100)
        link(bulk.reads, bulk.handler, rule, page.seen, META)
        in_bulk = bulk.decided()
    with opened(fresh_database(), trade) as single:
        for payment_id, order_id in proposed([page]).items():
            known = single.reads.payment(payment_id)
            command = LinkPayment(
                order_id=order_id, at=datetime.now(UTC), payment_id=payment_id, known=known
            )
            single.handler.execute(command, META)
            single.follow()
        assert single.decided() == in_bulk
