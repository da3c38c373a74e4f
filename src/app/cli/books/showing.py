"""How the books are shown in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from app.cli.output import table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from books.accounts import Held
    from books.entries import Entries
    from books.names import Names
    from books.postings import Page
    from books.trial import Balance, Trial
    from ledger.domain.account_names import OwnName

WIDTH: Final = 80
"""So wide are lines of a trial balance, as far as its amounts allow."""


def accounts_table(found: Sequence[Held], called: Names, period: str) -> RenderableType:
    """Accounts with what is in them, and what the shop calls them in a month."""
    from ledger.domain.money import format_money

    rows = [
        (
            _named(each.account, called.of(each.account, period)),
            ", ".join(format_money(m, c) for c, m in each.by_currency.items()),
            each.about,
        )
        for each in found
    ]
    return table(["=account", ">in it", "what for"], rows) if rows else "nothing ever moved"


def trial_lines(
    made: Trial, position: int, wrong: int, since: datetime | None, called: Names
) -> Iterator[str]:
    """A trial balance, a table a currency; `since` says what it lacks (`listed_since`)."""
    from books.accounts import place
    from books.trial import totals
    from ledger.domain.money import format_money

    sums = totals(made)
    suspense = [format_money(s.suspense_minor, c) for c, s in sums.items() if s.suspense_minor]
    entries = "every entry sums to 0"
    if wrong:
        entries = "1 ENTRY does" if wrong == 1 else f"{wrong:,} ENTRIES do"
        entries += " not sum to 0"
    yield (
        f"{made.months} ({made.zone}) as of position {position:,}, {_state(made)}; {entries};"
        f" suspense {', '.join(suspense) or 0}"
    )
    if made.state == "not_begun":
        yield "what it opens with is what accounts hold by now, and changes until it begins"
    if since is not None:
        yield (
            f"transactions before {since:%F} were not listed, and what accounts held then is not in"
            f" this: `ledger stripe pull` lists all, `ledger books begin {made.period}` enters it"
        )
    if made.begins == made.period:
        yield "the books begin here: `ledger books opening` says who entered with what"
    for code, total in sums.items():
        if len(sums) > 1:
            yield f"\n{code.upper()}"
        mine = sorted(
            (b for b in made.balances if b.currency == code), key=lambda b: place(b.account)
        )
        rows = [
            (_named(each.account, called.of(each.account, made.last)), *_amounts(each, code))
            for each in mine
        ]
        heads = ("account", "opening", "debit", "credit", "closing")
        yield from _lined([heads, *rows, ("total", *_amounts(total, code))])
        late = [each for each in mine if each.late_minor]
        if late:
            yield f"late, of closed months: {', '.join(_late(each) for each in late)}"
    if not sums:
        yield "nothing moved"


def _named(account: str, own: OwnName) -> str:
    """An account, and what the shop calls it."""
    told = " ".join(filter(None, (own.kind and f"{own.kind}:", own.label)))
    return f"{account} ({told})" if told else account


def _state(made: Trial) -> str:
    again = f", version {made.version}" if (made.version or 1) > 1 else ""
    return {
        "closed": f"closed{again}",
        "open": "open",
        "not_begun": "which has not begun",
        "before": "before the first month of the books",
    }[made.state]


def _late(each: Balance) -> str:
    from ledger.domain.money import format_money

    return f"{each.account} {format_money(each.late_minor, each.currency)}"


def _amounts(each: Any, currency: str) -> tuple[str, str, str, str]:
    amounts = (each.opening_minor, each.debit_minor, each.credit_minor, each.closing_minor)
    first, second, third, fourth = (_amount(amount, currency) for amount in amounts)
    return first, second, third, fourth


def _amount(amount_minor: int, currency: str) -> str:
    """An amount with its thousands apart, without its currency."""
    from ledger.domain.money import format_money

    text = format_money(amount_minor, currency).partition(" ")[0]
    units, point, rest = text.removeprefix("-").partition(".")
    return f"{'-' if amount_minor < 0 else ''}{int(units):,}{point}{rest}"


def _lined(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines whose first cell is on the left and whose others are on the right, in columns.

    Where one has no room beside its amounts, it stands above them.
    """
    columns = [max(10, *(len(row[n]) for row in rows)) for n in range(1, len(rows[0]))]
    room = max(0, WIDTH - sum(columns) - len(columns))
    wide = min(room, max(len(row[0]) for row in rows))
    for row in rows:
        cells = "".join(f" {cell:>{width}}" for cell, width in zip(row[1:], columns, strict=True))
        if len(row[0]) > wide:
            yield row[0]
        yield f"{row[0] if len(row[0]) <= wide else '':<{wide}}{cells}".rstrip()


def page_document(page: Page) -> dict[str, Any]:
    """Postings of an account in a currency, for programs."""
    return {
        "account": page.balance.account,
        "currency": page.balance.currency,
        "period": page.trial.period,
        "time_zone": page.trial.zone,
        "state": page.trial.state,
        "balance": page.balance._asdict(),
        "items": [each._asdict() for each in page.postings],
        "otherwise_minor": page.otherwise_minor,
    }


def postings_lines(name: str, pages: Sequence[Page]) -> Iterator[str]:
    """Postings of an account, a table a currency."""
    from books.accounts import about

    made, what = pages[0].trial, about(name)
    yield f"{name}{f': {what}' if what else ''}"
    for page in pages:
        code = page.balance.currency
        yield f"\n{made.period} ({made.zone}), {_state(made)}, {code.upper()}"
        rows = [("day         transaction", "amount", "balance")]
        rows.append(("            opening", "", _amount(page.balance.opening_minor, code)))
        for each in page.postings:
            mark = (
                f" ({'late' if each.counts_in == made.period else 'counts in ' + each.counts_in})"
            )
            told = f"{each.day}  {each.transaction_id} {each.part}{mark if each.late else ''}"
            rows.append((told, _amount(each.amount_minor, code), _amount(each.running_minor, code)))
        if page.otherwise_minor:
            told = _amount(page.otherwise_minor, code)
            rows.append(("            known otherwise since a close", told, ""))
        if page.otherwise_minor is None:
            rows.append(("            more: a greater --limit shows them", "", ""))
        rows.append(("            closing", "", _amount(page.balance.closing_minor, code)))
        yield from _lined(rows)


def entries_document(found: Entries) -> dict[str, Any]:
    """All entries of a transaction, for programs."""
    from msgspec.structs import asdict

    return {**found._asdict(), "rule": found.rule and asdict(found.rule)}


def entries_view(found: Entries) -> RenderableType:
    """All entries of a transaction, by part."""
    from rich.console import Group

    from ledger.domain import posting_rules
    from ledger.domain.money import format_money

    told = found.transaction
    code = told["currency"]
    sums = (format_money(told[f"{name}_minor"], code) for name in ("amount", "fee", "net"))
    amount, fee, net = sums
    facts = [
        ("description", told["description"]),
        ("what", f"{told['category'] or told['type']} of {told['source_id'] or 'nothing else'}"),
        ("amount", f"{amount}, fee {fee}, net {net}"),
        ("booked (UTC)", f"{told['created_at']:%F %T}"),
        ("payment", told["payment_id"]),
        ("order", told["order_id"]),
        ("classified", told["classified"]),
        ("rule", _said(found)),
    ]
    parts: list[RenderableType] = [
        told["transaction_id"],
        table(["", ""], [(name, value) for name, value in facts if value]),
    ]
    for part, rows in found.parts.items():
        parts += [
            "",
            f"{part}: {posting_rules.PARTS[part]}",
            table(
                ["=day", "=account", f">{code.upper()}", "stands for", "counts in"],
                (
                    (
                        f"{row['day']}",
                        row["account"],
                        _amount(row["amount_minor"], code),
                        row["stands_for"],
                        row["counts_in"],
                    )
                    for row in rows
                ),
            ),
        ]
    return Group(*parts, "", *_events(found))


def _events(found: Entries) -> Iterator[RenderableType]:
    """The events that entries rest on, and how to read them."""
    yield "events that it rests on"
    yield table(
        [">position", "=happened (UTC)", "=event", "=Stripe's event"],
        (
            (
                each["position"],
                f"{each['effective_at']:%F %T}",
                each["kind"],
                each["stripe_event_id"],
            )
            for each in found.rests_on
        ),
    )
    commands = ", ".join(f"`ledger history {kind} {name}`" for kind, name in found.objects)
    yield f"read them: {commands}; the bytes of one: GET /events/POSITION, or the console"


def _said(found: Entries) -> str:
    from ledger.domain import posting_rules

    if found.rule is None:
        return f"none knows it: {posting_rules.SUSPENSE}"
    does = (posting_rules.SHAPES[found.rule.shape], found.rule.because)
    return "; ".join([f"against {found.rule.against}", *filter(None, does)])


def rules_view() -> RenderableType:
    """The rules, and parts of fees."""
    from rich.console import Group

    from ledger.domain import posting_rules as rules

    said = [
        (
            ", ".join(r.categories),
            r.against,
            "; ".join(filter(None, (rules.SHAPES[r.shape], r.because))),
        )
        for r in rules.RULES
    ]
    return Group(
        f"rules of version {rules.RULES_VERSION}; what none knows: {rules.SUSPENSE}",
        table(["reporting category", "=against", "and"], said),
        "",
        f"parts of fees; what they do not explain: {rules.FEE_REST}",
        table(["type", "=against"], rules.FEES.items()),
    )
