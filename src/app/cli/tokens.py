"""`ledger token …`: who may use the service, in which role, and for how long."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import Reason, may_make, operator, ready
from app.cli.output import complain, show, show_list, table, wants_json
from ledger.domain.access import Role
from ledger.domain.text import as_of

if TYPE_CHECKING:
    from ledger.tokens import NewToken

app = typer.Typer(name="token", help="Issue and revoke access tokens.", no_args_is_help=True)


@app.command(epilog="Example: ledger token issue ops --name 'Warehouse' --expires-in 90")
def issue(
    role: Annotated[
        Role, typer.Argument(metavar="ROLE", help="What its holder may do; see above.")
    ],
    *,
    name: Annotated[str, typer.Option(help="The holder's name, as the audit log shows it.")],
    customer: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="The customer whose orders it opens; with role customer only.",
        ),
    ] = None,
    expires_in: Annotated[
        int | None,
        typer.Option(
            metavar="DAYS",
            min=1,
            max=3650,
            help="For how many days from now it is valid; without, until revoked.",
        ),
    ] = None,
    reason: Reason = None,
) -> None:
    """Issue an access token, and show it this once.

    From the first one on, every call to the service needs a token. Its role says what it opens.

    customer: places, sees and cancels own orders, and keeps own wishlists.

    analyst: sees figures, books and issues, takes exports, runs the checks.

    accountant: sees what an analyst sees; classifies transactions, closes and reopens months of the
    books.

    ops: works with orders, stock, wishlists and issues; sees payments, figures and exports.

    migration: places orders, those of the past too, and sees them.

    auditor: sees everything, the audit log and what events hold; proves; changes nothing.

    admin: everything, and rebuilds read models, issues, lists and revokes tokens.

    docs/rbac_matrix.md says it call by call.
    """
    from app.wiring import open_log
    from ledger import tokens

    with open_log(ready(), migrates=may_make()) as (_, log):
        issued = tokens.issue(
            log,
            role,
            name,
            operator(reason),
            customer_id=customer,
            lifetime=None if expires_in is None else timedelta(days=expires_in),
        )
    show(issued, lambda: issued.token)
    if not wants_json():
        complain(f"[yellow]Keep it now:[/] {_about(issued)}; it is never shown again.")


@app.command("list", epilog="Example: ledger token list --json")
def list_tokens() -> None:
    """List the tokens that were ever issued, and by whom."""
    from app.wiring import open_log
    from ledger.tokens import listing

    with open_log(ready(), migrates=may_make()) as (_, log):
        position = log.head()  # before they are read: all until then is in
        lines = listing(log)
    heads = ["=id", "role", "name", "customer", "state", "=issued (UTC)", "by", "=expires", "why"]
    show_list(
        lines,
        position,
        f"No token yet, {as_of(position)}. `ledger token issue` makes one.",
        lambda: table(
            heads,
            (
                (
                    line.token_id,
                    line.role,
                    line.name,
                    line.customer_id,
                    line.state,
                    f"{line.issued_at:%F %R}",
                    line.issued_by,
                    line.expires_at and f"{line.expires_at:%F %R}",
                    line.revoked_because,
                )
                for line in lines
            ),
        ),
    )


@app.command(epilog="Example: ledger token revoke 0f3a6c2b9d1e --reason 'laptop was lost'")
def revoke(
    token: Annotated[str, typer.Argument(metavar="ID", help="As `ledger token list` shows it.")],
    reason: Reason = None,
) -> None:
    """Make a token worthless, for good; takes effect in a second."""
    from app.wiring import open_log
    from ledger import tokens

    with open_log(ready(), migrates=may_make()) as (_, log):
        position = tokens.revoke(log, token, operator(reason))
    show(
        {"token_id": token, "position": position},
        lambda: f"revoked: {token}" if position else f"revoked before: {token}",
    )


def _about(issued: NewToken) -> str:
    until = f", valid until {issued.expires_at:%F %R} UTC" if issued.expires_at else ""
    return f"token {issued.token_id}{until}"
