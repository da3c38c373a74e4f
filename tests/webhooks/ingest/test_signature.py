"""Only what Stripe signed just now with one of our secrets passes, and a refusal says why."""

import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stripe import SignatureVerificationError, WebhookSignature

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


def signature_of(body: bytes, secret: str = NEW) -> str:
    signed = hmac.new(secret.encode(), b"%d." % SECOND + body, "sha256").hexdigest()
    return f"t={SECOND},v1={signed}"


@given(body=st.binary(max_size=50))
@example(body=b"\xff\xfe")
def test_any_bytes_that_are_signed_pass_and_no_others(body: bytes) -> None:
    """Whatever Stripe signed is stored, also what is no UTF-8."""
    assert verify_signature(body, signature_of(body), [OLD, NEW], NOW) == NEW
    assert is_signed(body, signature_of(body), [NEW])
    with pytest.raises(BadSignature, match="No signature fits"):
        verify_signature(body + b"\xff", signature_of(body), [OLD, NEW], NOW)


@given(body=st.text(max_size=50), secret=st.sampled_from([OLD, NEW]))
def test_of_a_text_it_says_what_stripes_own_check_says(body: str, secret: str) -> None:
    given_header = signature_of(body.encode(), secret)
    assert is_signed(body.encode(), given_header, [NEW]) == (secret == NEW)
    if secret == NEW:
        assert WebhookSignature.verify_header(body, given_header, NEW)
    else:
        with pytest.raises(SignatureVerificationError):
            WebhookSignature.verify_header(body, given_header, NEW)


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
    compute = hmac.digest

    def counting(secret: bytes, *given: Any) -> bytes:
        computed.append(secret.decode())
        return compute(secret, *given)

    given_header = f"t={SECOND},{OTHER_V1},{V1}"
    monkeypatch.setattr(hmac, "digest", counting)
    verify_signature(BODY, given_header, [OLD, NEW, "whsec_unused"], NOW)
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
