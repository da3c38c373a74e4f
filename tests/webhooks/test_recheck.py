"""Re-checking stored signatures: what fits, what does not, and of what nothing can be said."""

import hmac
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.events import StripeEventReceived
from ledger.domain.signatures import Recheck
from simulator import sign
from webhooks.ingest.signature import verify_signature
from webhooks.recheck import Rechecker, fingerprint

OLD, NEW, FOREIGN = "whsec_old", "whsec_new", "whsec_foreign"
BODY = (
    b'{"id": "evt_1", "object": "event", "type": "x.y", "created": 1, "livemode": false,'
    b' "data": {"object": {}}}'
)
LONG_AGO = 1_600_000_000
KNOWN = Rechecker([NEW, OLD])


def event(secret: str | None = NEW, **given: Any) -> StripeEventReceived:
    made = StripeEventReceived(
        event_id="evt_1",
        body=BODY,
        received_at=datetime.fromtimestamp(LONG_AGO, UTC),
        source="webhook",
        signature=sign(BODY, secret, LONG_AGO) if secret else None,
        signed_by=fingerprint(secret) if secret else None,
    )
    return replace(made, **given)


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_a_signature_is_right_however_old_it_is(secret: str) -> None:
    assert KNOWN(event(secret)) == Recheck("right")
    assert KNOWN(event(secret, signed_by=None)) == Recheck("right")


def test_what_the_webhook_takes_is_right_however_its_time_is_written() -> None:
    mac = hmac.digest(NEW.encode(), b"0%d." % LONG_AGO + BODY, "sha256").hex()
    header = f"t=0{LONG_AGO},v1={mac}"
    assert verify_signature(BODY, header, [NEW], datetime.fromtimestamp(LONG_AGO, UTC)) == NEW
    assert KNOWN(event(signature=header)) == Recheck("right")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"body": BODY.replace(b'"created": 1', b'"created": 2')}, "does not fit"),
        ({"event_id": "evt_2"}, "is that of 'evt_1'"),
        ({"signature": None}, "has no signature"),
        ({"signature": "nonsense"}, "malformed"),
        ({"signature": "t=1,v0=ab"}, "malformed"),
        ({"signature": "t=1,v1=" + "a" * 5000}, "malformed"),
    ],
)
def test_what_was_changed_is_wrong(given: dict[str, Any], said: str) -> None:
    found = KNOWN(event(**given))
    assert found.signature == "wrong"
    assert said in found.detail


@pytest.mark.parametrize("source", ["import", "backfill"])
def test_what_came_without_a_signature_is_counted_as_such(source: str) -> None:
    assert KNOWN(event(None, source=source)) == Recheck("unsigned")


def test_of_a_secret_that_is_not_known_nothing_can_be_said() -> None:
    """Nor of an event from before fingerprints were kept that no known secret fits."""
    assert KNOWN(event(FOREIGN)) == Recheck("unknown_secret", fingerprint(FOREIGN))
    assert KNOWN(event(FOREIGN, signed_by=None)) == Recheck("unknown_secret")


def test_a_fingerprint_does_not_hold_the_secret() -> None:
    assert fingerprint(NEW) != fingerprint(OLD)
    assert "new" not in fingerprint(NEW)
    assert len(fingerprint(NEW)) == 12
