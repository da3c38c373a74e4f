"""What came out of the demo, for people: tables, and where to look next."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.columns import Columns
from rich.console import RenderableType

from app.cli.demo import SIGNER
from app.cli.kpi import cell
from app.cli.output import counted, table
from app.demo.result import Outcome
from ledger.domain.money import format_money

_MAIN_CURRENCY: Final = "gbp"
_FIGURES: Final = {
    "revenue": "revenue",
    "orders": "orders",
    "aov": "aov",
    "refunded": "refunded_amount",
    "refund rate": "refund_rate_orders_pct",
    "customers": "unique_customers",
    "repeat rate": "repeat_rate_pct",
    "MRR": "mrr",
}


def result(outcome: Outcome) -> Iterator[RenderableType]:
    """What was played and what came out, as tables."""
    yield _played(outcome)
    yield from _tables(outcome)
    yield _figures(outcome)


def _played(outcome: Outcome) -> str:
    played = outcome.played
    history = (
        f"Pulled {counted(played['pulled_objects'], 'object')} of the shop's Stripe account: the"
        f" year before it had a ledger.\nImported {counted(played['past_orders'], 'order')} of the"
        " last 90 days."
    )
    if outcome.closed_months:
        history += f"\nClosed {' and '.join(outcome.closed_months)} of the books."
    today = (
        f"Played {counted(played['orders'], 'order')} and {played['deliveries']} deliveries from"
        f" Stripe, {played['duplicates']} of them duplicates and many out of order."
    )
    return f"{history}\n{today}" if played["past_orders"] else today


def _tables(outcome: Outcome) -> Iterator[RenderableType]:
    counts = {
        "orders": outcome.orders,
        "payments": outcome.payments,
        "refunds": outcome.refunds,
        "disputes": outcome.disputes,
        "subscriptions": outcome.subscriptions,
    }
    yield Columns([table([name, ">"], c.items()) for name, c in counts.items()], padding=(0, 4))
    yield table(
        [">received", ">refunded", ">disputed", ">kept"],
        (
            [format_money(amount_minor, currency) for amount_minor in sums.values()]
            for currency, sums in outcome.money.items()
        ),
    )
    names = ("sku", "name", "on_hand", "committed", "reserved", "available")
    yield table(
        ["product", "", ">on hand", ">committed", ">reserved", ">available"],
        ([row[name] for name in names] for row in outcome.stock),
    )


def _figures(outcome: Outcome) -> RenderableType:
    """A line a window, of the currency that most is sold in."""
    columns, names = [f">{name}" for name in _FIGURES], _FIGURES.values()
    rows = [
        [f"{days} days", *(cell(name, values[name]["value"], _MAIN_CURRENCY) for name in names)]
        for days, read in outcome.figures.items()
        for values in [read["currencies"][_MAIN_CURRENCY]]
    ]
    return table([_MAIN_CURRENCY.upper(), *columns], rows)


def where_next(outcome: Outcome, home: Path, url: str | None, program: str) -> Iterator[str]:
    """Commands that show more, and addresses where the service goes on at `url`.

    `program` is how the command line is called.
    """
    looks = {
        f"{program} history order {order_id}": why for why, order_id in outcome.notable.items()
    }
    looks |= {
        f"{program} books trial --period {month}": "the trial balance of a month"
        for month in outcome.closed_months[-1:]
    }
    looks |= {
        f"{program} kpi show --window 30 --compare": "every figure, beside the 30 days before",
        f"{program} export orders --window 30": "the paid orders, for a spreadsheet",
        f"{program} status": "where log and read models stand",
        f"{program} verify": "the proof, again",
    }
    looks |= _served(outcome, url) if url else {f"{program} serve": "the same shop, in a browser"}
    width = max(map(len, looks))
    yield "[bold]Where to look next[/]"
    yield f"  export LEDGER_HOME={home}  [dim]so that these look at the demo's ledger[/]"
    yield f"  export STRIPE_RETIRED_WEBHOOK_SECRETS=$(cat {home / SIGNER})"
    yield from (f"  {look:<{width}}  [dim]{what}[/]" for look, what in looks.items())


def _served(outcome: Outcome, url: str) -> dict[str, str]:
    pages = f"{url}/console"
    return {f"{pages}/orders/{order_id}": why for why, order_id in outcome.notable.items()} | {
        f"{pages}/orders?dispute_state=won": "a list with a filter",
        f"{pages}?window=30": "the figures, beside the 30 days before",
        f"{pages}/issues": "what was looked for, and found",
        f"{url}/openapi.json": "all operations",
    }


def sign_in(url: str | None, tokens: dict[str, str]) -> Iterator[str]:
    """Where the console is, and a token of each role to sign in with."""
    if url is None or not tokens:
        return
    width = max(map(len, tokens))
    yield ""
    yield f"[bold]Console[/]  {url}/console  [dim]sign in with one of these, for a day[/]"
    yield from (f"  {role:<{width}}  {token}" for role, token in tokens.items())
