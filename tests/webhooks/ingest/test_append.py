"""Which stream an event belongs to: an id is one event of one account."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
import pytest

from ledger.domain.events import ConflictFound, Metadata, NewEvent, StripeEventReceived
from ledger.log import Log
from ledger.postgres.database import Database
from tests.webhooks.examples import charge, event
from webhooks.ingest.append import Taken, append_events

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


@pytest.fixture
def log(database: Database) -> Iterator[Log]:
    with Log(database.conninfo("app")) as log:
        yield log


def received(**fields: object) -> StripeEventReceived:
    """An event of our own account, with other fields where the case needs them."""
    document = event("charge.succeeded", charge(), **fields)
    body = json.dumps(document).encode()
    return StripeEventReceived(event_id=document["id"], body=body, received_at=NOW, source="import")


OURS, ONE, TWO = received(), received(account="acct_1"), received(account="acct_2")


def test_one_id_in_several_accounts_is_several_events(log: Log) -> None:
    for outcome in ("appended", "duplicate"):
        taken = append_events(log, [OURS, ONE, TWO], Metadata())
        assert taken == [Taken(n, outcome) for n in (1, 2, 3)]
    assert [each.stream for each in log.read()] == [
        "stripe/evt_1",
        "stripe/evt_1@acct_1",
        "stripe/evt_1@acct_2",
    ]


def test_what_was_stored_before_streams_named_accounts_stays_there(log: Log) -> None:
    """Importing a connected account's events again appends none of them."""
    log.append([NewEvent("stripe/evt_1", 1, ONE, NOW, Metadata())])
    taken = append_events(log, [ONE, TWO, OURS], Metadata())
    assert taken == [Taken(1, "duplicate"), Taken(2, "appended"), Taken(1, "duplicate")]


def test_another_content_of_the_same_account_is_a_conflict(log: Log) -> None:
    changed = received(account="acct_1", type="charge.updated")
    assert append_events(log, [ONE, changed], Metadata()) == [
        Taken(1, "appended"),
        Taken(1, "conflict"),
    ]


def test_a_conflict_goes_on_record_once_however_often_it_comes(log: Log) -> None:
    """By the SHA-256 of both contents, in the name of the account; a third content is another."""
    changed = received(account="acct_1", type="charge.updated")
    third = received(account="acct_1", type="charge.failed")
    append_events(log, [ONE], Metadata())
    for _ in range(2):
        assert (
            append_events(log, [changed, changed, ONE], Metadata(actor="cli"))[0].outcome
            == "conflict"
        )
    append_events(log, [third], Metadata())
    _, *records = log.read()
    assert [each.event for each in records] == [found(sha(other)) for other in (changed, third)]
    assert all(each.stream.startswith("conflict/") for each in records)
    assert records[0].meta.actor == "cli"


def test_a_retry_of_a_conflict_is_the_same_content(log: Log) -> None:
    """Stripe counts the deliveries that it still owes; its list may write keys in another order."""
    changed = {"account": "acct_1", "type": "charge.updated"}
    retried = [received(**changed, pending_webhooks=left) for left in (3, 2, 1)]
    reordered = msgspec.structs.replace(
        retried[0],
        body=json.dumps(json.loads(retried[0].body), sort_keys=True, indent=1).encode(),
    )
    append_events(log, [ONE], Metadata())
    for each in (*retried, reordered):
        assert append_events(log, [each], Metadata()) == [Taken(1, "conflict")]
    _, record = log.read()
    assert record.event == found(sha(retried[0]))


def test_equal_contents_of_two_ids_are_two_conflicts(log: Log) -> None:
    for event_id in ("evt_1", "evt_2"):
        about = {"id": event_id, "account": "acct_1"}
        append_events(
            log, [received(**about), received(**about, type="charge.updated")], Metadata()
        )
    assert len(log.read()) == 4


def found(other_sha256: str) -> ConflictFound:
    return ConflictFound(
        event_id="evt_1@acct_1",
        stored_position=1,
        stored_sha256=sha(ONE),
        other_sha256=other_sha256,
        source="import",
    )


def sha(event: StripeEventReceived) -> str:
    return sha256(event.body).hexdigest()


def test_the_longest_id_and_account_fit(log: Log) -> None:
    long = received(id="e" * 255, account="acct_" + "x" * 64)
    assert append_events(log, [long], Metadata()) == [Taken(1, "appended")]
