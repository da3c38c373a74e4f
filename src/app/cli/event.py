"""`ledger event`: one event as it is stored, and the bytes that its hash is of."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import Reason, operator, reading, ready
from app.cli.output import print_json, show, table, wants_json

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer()


@app.command(epilog="Example: ledger event 754 --reason 'audit of 2026'")
def event(
    position: Annotated[int, typer.Argument(metavar="POSITION", min=1)],
    *,
    stored_bytes: Annotated[
        bool, typer.Option("--bytes", help="Only the bytes whose SHA-256 is the leaf hash.")
    ] = False,
    reason: Reason = None,
) -> None:
    """Show an event as it is stored, with its hash; this is recorded.

    The body of a Stripe event is verbatim. With --bytes nothing else is printed than the bytes that
    the hash in the log is of: `ledger event 754 --bytes | sha256sum`. Exits 1 where there is none.
    """
    from app.wiring import rechecker
    from ledger.disclosures import DisclosureLog
    from ledger.leaves import hashed
    from projections.queries.history import event_at
    from webhooks.ingest.signature import is_signed

    secrets = list(rechecker(ready()).secrets)
    with reading() as (opened, reads):
        found = event_at(reads, position, partial(is_signed, secrets=secrets))
        stored = opened.log.stored(position)
        assert stored is not None, "an event that was read is there"
        DisclosureLog(opened.log).saw(found["source"], [position], operator(reason))
    if not stored_bytes:
        show(found, lambda: _fields(found))
    elif wants_json():
        given = {name: found[name] for name in ("position", "leaf_hash", "leaf_hash_fits")}
        print_json(given | {"bytes": hashed(stored)})
    else:
        typer.echo(hashed(stored), nl=False)


def _fields(found: dict[str, Any]) -> RenderableType:
    import msgspec

    rows = [
        (
            name,
            value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode(),
        )
        for name, value in found.items()
    ]
    return table(["=field", "value"], rows)
