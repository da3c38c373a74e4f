"""What `ledger doctor` examines outside the database: the archive, and where alerts go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from app.alerts import rules
from app.alerts.channels import channels_of
from app.cli.output import counted
from app.wiring import folded_archive
from ledger.archive import sealing
from ledger.archive.segments import Manifest
from ledger.archive.store import Store
from ledger.errors import LedgerError
from ledger.settings import Settings
from projections.engine.build import ProjectionContext
from projections.engine.proofs import LastProof

LAST_DELIVERIES: Final = """
select distinct on (channel) channel, outcome, cause, tried_at
from read_models.alert_deliveries
order by channel, tried_at desc, alert_id desc
"""


class Finding(NamedTuple):
    """What was found; a `note` is no fault, but good to know."""

    verdict: Literal["fine", "note", "wrong"]
    what: str
    found: str


def archive(settings: Settings, engine: ProjectionContext, proof: LastProof | None) -> Finding:
    """Whether the archive is reached, is this log's, and is whole by its names and manifests."""
    try:
        there = folded_archive(settings)
        if there is None:
            return Finding("note", "archive", "off; LEDGER_ARCHIVE turns it on")
        sealed, store = there.everything, Store(there.address)
        with engine.database.connect("reader") as conn:
            gone = sealing.offloaded(conn)
            wrong = [
                *sealing.foreign(conn, sealed),
                *sealing.gaps(sealed, gone),
                *sealing.strange(store, sealed, gone),
                *sealing.absent(store, sealed),
            ]
    except LedgerError as error:
        return Finding("wrong", "archive", str(error))
    if wrong:
        more = f" And {len(wrong) - 1} more: `ledger archive status`." if len(wrong) > 1 else ""
        return Finding(
            "wrong", "archive", f"{store.address}: {wrong[0].name}: {wrong[0].what}{more}"
        )
    return _reaching(settings, store.address, sealed, engine.log.head(), proof)


def _reaching(
    settings: Settings,
    address: str,
    sealed: Sequence[Manifest],
    head: int,
    proof: LastProof | None,
) -> Finding:
    """How far an archive goes that is whole as far as it goes."""
    last = sealed[-1].last if sealed else 0
    if proof and proof.sealed > last:
        found = (
            f"{address} ends at position {last:,}, before {proof.sealed:,}, up to which the last"
        )
        return Finding("wrong", "archive", f"{found} proof compared: is it the right one?")
    full = (head - last) // settings.ledger_archive_segment_events
    found = f"{address}: {counted(len(sealed), 'segment')} up to position {last:,} of {head:,}"
    if full:
        found += f"; {counted(full, 'segment')} can be sealed: `ledger archive seal`"
    return Finding("note" if full else "fine", "archive", found)


def alerts(settings: Settings, engine: ProjectionContext) -> Finding:
    """Which rules tell by which channels, and whether the last alert of each went out."""
    names = [each.name for each in channels_of(settings)]
    if not names:
        found = "told nowhere; LEDGER_ALERTS_SMTP, _SLACK or _WEBHOOK turn them on"
        return Finding("note", "alerts", found)
    found = f"{counted(len(rules.about(settings)), 'rule')}, told by {', '.join(names)}"
    with engine.database.connect("reader") as conn:
        last = [row for row in conn.execute(LAST_DELIVERIES) if row[0] in names]
    failed = [
        f"{channel}: the last one, at {at:%F %T} UTC, did not go out ({cause})"
        for channel, outcome, cause, at in last
        if outcome != "delivered"
    ]
    if failed:
        told = "; ".join([found, *failed, "`ledger alerts test` tries a channel"])
        return Finding("wrong", "alerts", told)
    never = [name for name in names if name not in {row[0] for row in last}]
    if never:
        found += f"; nothing went out by {', '.join(never)} yet: `ledger alerts test` tries it"
    return Finding("note" if never else "fine", "alerts", found)
