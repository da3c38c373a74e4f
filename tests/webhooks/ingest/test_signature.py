"""Only what Stripe signed just now with one of our secrets passes, and a refusal says why."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe import WebhookSignature

from ledger.errors import BadSignature
from simulator import sign
from webhooks.ingest.signature import is_signed, verify_signature

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
SECOND = int(NOW.timestamp())
BODY = '{"id":"evt_1","name":"Zoë"}'.encode()
OLD, NEW = "whsec_old", "whsec_new"


def header(*, body: bytes = BODY, secret: str = NEW, at: int = SECOND) -> str:
    return sign(body, secret, at)


V1 = header().split(",")[1]
OTHER_V1 = "v1=" + "0" * 64

ACCEPTED = {
    "just now": header(),
    "the first secret": header(secret=OLD),
    "300 s ago": header(at=SECOND - 300),
    "60 s ahead": header(at=SECOND + 60),
    "a roll, ours last": f"t={SECOND},{OTHER_V1},{V1}",
    "a roll, ours first": f"t={SECOND},{V1},{OTHER_V1}",
    "other schemes beside it": f"t={SECOND},v0={'f' * 64},{V1},v2=x",
    "time last": f"{V1},t={SECOND}",
}

REJECTED = {
    "no header": (None, "no Stripe-Signature"),
    "empty": ("", "no Stripe-Signature"),
    "no time": (V1, "malformed"),
    "no value": (f"t,{V1}", "malformed"),
    "time in words": (f"t=now,{V1}", "malformed"),
    "negative time": (f"t=-1,{V1}", "malformed"),
    "no scheme that we know": (f"t={SECOND},v0={'f' * 64}", "malformed"),
    "not ASCII": (f"t={SECOND},v1=é", "malformed"),
    "digits that are not ASCII": (f"t=١٢٣,{V1}", "malformed"),
    "too long": (f"t={SECOND}" + f",{OTHER_V1}" * 100, "malformed"),
    "commas": (",,,,", "malformed"),
    "301 s ago": (header(at=SECOND - 301), "too old"),
    "1970": (header(at=0), "too old"),
    "61 s ahead": (header(at=SECOND + 61), "future"),
    "milliseconds": (header(at=SECOND * 1000), "future"),
    "beyond any clock": (f"t={'9' * 400},{V1}", "future"),
    "another secret": (header(secret="whsec_other"), "No signature fits"),
    "another body": (header(body=b"{}"), "No signature fits"),
    "another time": (f"t={SECOND - 1},{V1}", "No signature fits"),
    "no signature": (f"t={SECOND},v1=", "No signature fits"),
    "half a signature": (f"t={SECOND},{V1[:-32]}", "No signature fits"),
}


@pytest.mark.parametrize("given_header", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(given_header: str) -> None:
    verify_signature(BODY, given_header, [OLD, NEW], NOW)


@pytest.mark.parametrize(("given_header", "cause"), REJECTED.values(), ids=REJECTED)
def test_rejected(given_header: str | None, cause: str) -> None:
    with pytest.raises(BadSignature, match=cause):
        verify_signature(BODY, given_header, [OLD, NEW], NOW)


def test_a_body_that_is_not_utf8() -> None:
    with pytest.raises(BadSignature, match="UTF-8"):
        verify_signature(b"\xff", header(), [NEW], NOW)


@pytest.mark.parametrize("given_header", ACCEPTED.values(), ids=ACCEPTED)
def test_a_signature_fits_forever(given_header: str) -> None:
    assert is_signed(BODY, given_header, [OLD, NEW])


TOO_OLD = {"301 s ago", "1970", "61 s ahead", "milliseconds"}
NEVER = {name: given for name, (given, _) in REJECTED.items() if name not in TOO_OLD}


@pytest.mark.parametrize("given_header", NEVER.values(), ids=NEVER)
def test_what_never_fitted_does_not_fit_now(given_header: str | None) -> None:
    assert not is_signed(BODY, given_header or "", [OLD, NEW])
    assert not is_signed(b"\xff", header(), [NEW])


@pytest.mark.parametrize("secrets", [[], [""], [" "]])
def test_without_a_secret_nothing_is_signed(secrets: list[str]) -> None:
    with pytest.raises(BadSignature, match="No signature fits"):
        verify_signature(BODY, header(secret=""), secrets, NOW)


def test_each_secret_costs_one_hmac(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[str] = []
    compute = WebhookSignature._compute_signature

    def counting(payload: str, secret: str) -> str:
        computed.append(secret)
        return compute(payload, secret)

    monkeypatch.setattr(WebhookSignature, "_compute_signature", staticmethod(counting))
    verify_signature(BODY, f"t={SECOND},{OTHER_V1},{V1}", [OLD, NEW, "whsec_unused"], NOW)
    assert computed == [OLD, NEW]


@given(
    body=st.binary(max_size=50),
    junk=st.text(st.characters(max_codepoint=255), max_size=80)
    | st.from_regex(r"(t=\d{0,12}|v1=[0-9a-f]{0,8}|v1|t|,|=){1,8}", fullmatch=True),
    seconds=st.integers(-1000, 1000),
)
def test_whatever_comes_is_refused_in_words(body: bytes, junk: str, seconds: int) -> None:
    """Any header and body that Stripe did not sign raises BadSignature, and nothing else."""
    with pytest.raises(BadSignature):
        verify_signature(body, junk, [OLD, NEW], NOW + timedelta(seconds=seconds))
