"""How what a person settles is shown in a terminal: classifications, openings, closes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from app.cli.books.group import books
from app.cli.output import BAD_ANSWER, show, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from books.classify import Classified, Preview
    from books.opening import Opening
    from ledger.domain.classify_rule import ClassifyRule
    from ledger.domain.events import OpeningBalance


def show_readiness(period: str) -> None:
    """Say whether a month can be closed, with each reason and its cure; exits 1 where not."""
    from books.ready import readiness

    with books() as (opened, cursor):
        reasons = readiness(cursor, opened.log, period).reasons
    show(
        {"period": period, "ready": not reasons, "reasons": [each._asdict() for each in reasons]},
        lambda: "\n".join(
            [f"{period} cannot be closed yet:", *(f"* {r.says} {r.cure}" for r in reasons)]
            if reasons
            else [f"{period} can be closed: `ledger books close {period} --reason WHY`"]
        ),
    )
    if reasons:
        raise typer.Exit(BAD_ANSWER)


def show_classified(
    rule: ClassifyRule,
    found: Preview,
    items: Sequence[Classified],
    against: str,
    *,
    dry_run: bool,
) -> None:
    """Say what a rule found, and what became of each; `found` is what it found last."""
    outcomes = Counter("found" if dry_run else each.outcome for each in items)
    has_more = found.has_more
    document = {
        "rule": str(rule),
        "account": against,
        "outcomes": dict(outcomes),
        "has_more": has_more,
        "kinds": found.kinds,
        "kind_occurs": found.kind_occurs,
        "items": [
            {**each.held._asdict(), "outcome": None if dry_run else each.outcome}
            | {"detail": each.detail}
            for each in items
        ],
    }
    if items:
        show(document, lambda: _classified(items, against, outcomes, has_more=has_more))
    else:
        show(document, lambda: _nothing_found(rule, found))


def _nothing_found(rule: ClassifyRule, found: Preview) -> str:
    said = f"nothing stands in suspense of {rule}"
    if rule.kind is not None and not found.kind_occurs:
        said += f"; no transaction is of a kind {rule.kind}"
    return f"{said}; what stands there is of {', '.join(found.kinds)}" if found.kinds else said


def _classified(
    items: Sequence[Classified], against: str, outcomes: Mapping[str, int], *, has_more: bool
) -> RenderableType:
    from rich.console import Group

    from ledger.domain.money import format_money

    rows = [
        (
            f"{held.day}",
            held.transaction_id,
            held.kind,
            held.description,
            format_money(held.held_minor, held.currency),
            why,
        )
        for held, _, why in items
    ]
    heads = ["=day", "=transaction", "kind", "description", ">in suspense", "why not"]
    said = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in outcomes.items())
    more = ["there are more of them: do the same again"] if has_more else []
    return Group(table(heads, rows), f"{said}, for {against}", *more)


def opening_view(found: Opening | None) -> RenderableType:
    """What accounts held before the books, and who says so."""
    from rich.console import Group

    if found is None:
        return "none was entered: the books begin with the first transaction that is known"
    why = f": {found.reason}" if found.reason else ""
    return Group(
        f"the books begin with {found.period}; entered {found.entered_at:%F %R} (UTC) by"
        f" {found.actor_name or found.actor}{why}",
        balances_table(found.balances),
    )


def balances_table(balances: Sequence[OpeningBalance]) -> RenderableType:
    """What accounts held, a line a currency."""
    from ledger.domain.money import format_money

    rows = [(each.account, format_money(each.opening_minor, each.currency)) for each in balances]
    return table(["=account", ">before the books"], rows) if rows else "accounts held nothing"


def period_row(row: dict[str, Any]) -> tuple[object, ...]:
    """A month that was closed at some time."""
    return (
        row["period"],
        row["state"],
        row["version"],
        row["position"],
        f"{row['changed_at']:%F %R}",
        row["actor_name"] or row["actor"],
        row["reason"],
    )
