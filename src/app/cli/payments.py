"""`ledger payments …`: linking payments to their orders, many at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import Reason, catch_up, handler_of, operator, reading
from app.cli.output import (
    NOTHING_CHANGED,
    console,
    counted,
    print_json,
    progress,
    table,
    wants_json,
)

if TYPE_CHECKING:
    from ledger.domain.link_rule import LinkRule
    from projections.queries.linking import Counts, Linked

app = typer.Typer(name="payments", help="Payments at Stripe.", no_args_is_help=True)


@app.command(epilog="Example: ledger payments link --by 'description:Order {order}' --dry-run")
def link(
    *,
    by: Annotated[
        str,
        typer.Option(
            metavar="RULE",
            help="metadata:KEY, 'description:PATTERN' with {order} where the order's id stands,"
            " or email-and-amount.",
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would become of each; link none.")
    ] = False,
    reason: Reason = None,
) -> None:
    """Link payments without an order to the orders that a rule finds.

    email-and-amount: an order of the same e-mail address, currency and amount that was placed
    within an hour of the payment, where nothing else fits either of them. Each is linked as by
    `ledger order link`. Those that an order was found for and that are not linked are named, with
    the reason. Running it again goes on where it was ended, and links nothing twice.
    """
    from projections.queries.linking import Linked, link_all, preview_all, reason_of

    rule = _rule(by)
    meta = operator(reason_of(rule, reason))
    report = _Report(rule, dry=dry_run)
    kept = NOTHING_CHANGED if dry_run else "links that were made stay, and the next run goes on"
    with reading() as (engine, reads), progress("linking", kept) as advance:
        if dry_run:
            for page in preview_all(reads, rule):
                report.add(page.counts, (Linked(each, "skipped", each.why) for each in page.items))
        else:
            handler = handler_of(reads)
            for page, done in link_all(reads, handler, rule, meta, lambda: catch_up(engine)):
                report.add(page.counts, done.items)
                advance(*report.progress)
    report.close()


def _rule(text: str) -> LinkRule:
    from ledger.domain.link_rule import parse_rule
    from ledger.errors import InvalidCommand

    try:
        return parse_rule(text)
    except InvalidCommand as error:
        raise typer.BadParameter(str(error), param_hint="--by") from None


class _Report:
    """Says what became of payments that an order was found for: of each, or of those not linked."""

    def __init__(self, rule: LinkRule, *, dry: bool) -> None:
        self._rule = rule
        self._dry = dry
        self._counts: Counts | None = None
        self._outcomes = Counter[str]()
        self._whys = Counter[str]()
        self._items: list[dict[str, Any]] = []

    @property
    def progress(self) -> tuple[int, int]:
        """How many are done, of how many."""
        known = self._counts
        found = known.to_link + sum(known.skipped.values()) if known else 0
        done = self._outcomes.total()
        return done, max(found, done)

    def add(self, counts: Counts | None, items: Iterable[Linked]) -> None:
        """A page of them; the first one says how many there are."""
        self._counts = counts or self._counts
        told: list[Linked] = []
        for each in items:
            outcome = self._outcome(each)
            self._outcomes[outcome] += 1
            if outcome == "skipped" and each.detail:
                self._whys[each.detail if each.found.verdict.reason else "refused"] += 1
            if self._dry or outcome == "skipped":
                told.append(each)
        if wants_json():
            self._items += map(self._document, told)
        elif told:
            heads = ["=payment", ">received", "order", "placed (UTC)", "why not"]
            console().print(table(heads, map(self._row, told)))
            console().print()

    def close(self) -> None:
        """The sum of it."""
        found = self._counts
        assert found is not None, "there is a first page"
        if wants_json():
            named = {name: self._outcomes[name] for name in self._names()}
            unlinked = {"unlinked": found.unlinked, "complete": found.complete}
            print_json(
                {"rule": str(self._rule), **unlinked, **named, "why_not": dict(self._whys),
                 "unknown_orders": found.unknown_orders, "items": self._items}
            )  # fmt: skip
        else:
            typer.echo("\n".join(self._sentences(found)))

    def _sentences(self, found: Counts) -> Iterator[str]:
        are = "belongs" if found.unlinked == 1 else "belong"
        those = counted(found.unlinked, "payment")
        first = "" if found.complete else "The first "
        yield f"{first}{those} {are} to no order, by {self._rule}:"
        for name in self._names():
            yield f"{self._outcomes[name]:>9,} {name.replace('_', ' ')}"
        for why, times in self._whys.most_common():
            yield f"{times:>13,} {why}"
        yield f"{found.unknown_orders:>9,} name an order that is not here"
        for payment_id, order_id in found.samples[:2]:
            yield f"             {order_id}, by {payment_id}"
        others = found.unlinked - found.unknown_orders - found.to_link
        yield f"{others - sum(found.skipped.values()):>9,} no order was found for"

    def _names(self) -> tuple[str, ...]:
        return ("to_link", "skipped") if self._dry else ("linked", "linked_before", "skipped")

    def _outcome(self, each: Linked) -> str:
        return "to_link" if self._dry and each.found.verdict.links else each.outcome

    def _row(self, each: Linked) -> tuple[object, ...]:
        from ledger.domain.money import format_money

        payment, order = each.found.payment, each.found.verdict.order
        return (
            payment.payment_id,
            format_money(payment.received_minor, payment.currency),
            order and order.order_id,
            order and f"{order.placed_at:%F %R}",
            each.detail,
        )

    def _document(self, each: Linked) -> dict[str, Any]:
        order = each.found.verdict.order
        return {
            "payment_id": each.found.payment.payment_id,
            "order_id": order and order.order_id,
            "outcome": self._outcome(each),
            "reason": each.found.verdict.reason,
            "detail": each.detail,
        }
