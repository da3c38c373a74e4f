"""What the simulated Stripe refuses, as the classes of Stripe's own library."""

import base64
import http.client
from collections.abc import Callable, Generator
from typing import Any

import pytest
import stripe

from simulator import SimulatedStripe
from simulator.api import READING, Account, Key, app, served
from simulator.api.resources import RESOURCES
from tests.simulator.api.shop import CHARGES_ONLY, LIVE, SECRET, Shop, shop

NAMED = {
    resource.kind: f"'{resource.read[0]}' permission"
    for resource in RESOURCES
    if len(resource.read) == 1
} | {"checkout.session": "'rak_payment_intent_read', 'rak_checkout_session_read' permissions"}


@pytest.fixture(scope="module")
def running() -> Generator[Shop]:
    with shop() as each:
        yield each


def refusal(call: Callable[[], Any], kind: type[stripe.StripeError]) -> stripe.StripeError:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return caught.value


def code_of(error: stripe.StripeError) -> str | None:
    """The code in the body, which the library's classes do not all take over."""
    body: Any = error.json_body
    return body["error"].get("code")


def test_an_unknown_key_is_an_authentication_error(running: Shop) -> None:
    unknown = Key("sk_test_nobodyKnowsThisKey")
    error = refusal(lambda: running.get("/v1/charges", unknown), stripe.AuthenticationError)
    assert (error.http_status, error.user_message) == (
        401,
        "Invalid API Key provided: sk_test_**************sKey",
    )


def test_a_key_may_come_as_a_user_name(running: Shop) -> None:
    def status(authorization: str | None) -> int:
        connection = http.client.HTTPConnection(running.base.removeprefix("http://"), timeout=30)
        headers = {} if authorization is None else {"Authorization": authorization}
        connection.request("GET", "/v1/charges", headers=headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    user = base64.b64encode(f"{SECRET.secret}:".encode()).decode()
    assert status(f"Basic {user}") == 200
    assert [status(each) for each in (None, "Basic !", "Digest x", "Bearer ")] == [401] * 4


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.kind)
def test_a_restricted_key_reads_what_it_may_and_is_told_what_it_lacks(
    running: Shop, resource: Any
) -> None:
    if any(map(CHARGES_ONLY.may, resource.read)):
        assert running.get(resource.path, CHARGES_ONLY)["object"] == "list"
        return
    error = refusal(lambda: running.get(resource.path, CHARGES_ONLY), stripe.PermissionError)
    assert error.http_status == 403
    assert error.user_message == (
        f"The provided key '{CHARGES_ONLY.shown}' does not have the required permissions for this "
        f"endpoint on account 'acct_1Shop'. Having the {NAMED[resource.kind]} would allow this "
        "request to continue."
    )
    body: Any = error.json_body
    assert body["error"]["type"] == "invalid_request_error"


def test_a_reading_key_reads_everything_and_writes_nothing() -> None:
    reading = Key("rk_test_readsAllThereIs", READING)
    assert all(reading.may(each) for resource in RESOURCES for each in resource.read)
    assert reading.may("rak_balance_read")
    assert not reading.may("rak_charge_write")
    assert reading.shown == "rk_test_*********hereIs"
    assert Key("rk_test_x", frozenset({"rak_charge_write"})).may("rak_charge_read")


def test_a_live_key_does_not_see_what_is_of_test_mode(running: Shop) -> None:
    charge = running.get("/v1/charges", limit=1)["data"][0]
    assert charge["livemode"] is False
    assert running.get("/v1/charges", LIVE)["data"] == []
    error = refusal(
        lambda: running.get(f"/v1/charges/{charge['id']}", LIVE), stripe.InvalidRequestError
    )
    assert error.user_message == (
        f"No such charge: '{charge['id']}'; a similar object exists in test mode, but a live mode "
        "key was used to make this request."
    )


def test_a_connected_account_has_its_own_objects(running: Shop) -> None:
    with running.account.lock:
        connected = running.account.connected["acct_1Connected"].modes[False]
        assert connected is not None
        payment, _ = connected.create_payment(3000, "eur")
    client = running.client(SECRET, stripe_account="acct_1Connected")
    answer: Any = client.raw_request("get", "/v1/payment_intents").data
    assert [each["id"] for each in answer["data"]] == [payment.id]
    account: Any = client.raw_request("get", "/v1/account").data
    assert account["id"] == "acct_1Connected"
    stranger = running.client(SECRET, stripe_account="acct_1Stranger")
    error = refusal(lambda: stranger.raw_request("get", "/v1/charges"), stripe.PermissionError)
    assert code_of(error) == "account_invalid"


@pytest.mark.parametrize(
    ("path", "params", "told"),
    [
        ("/v1/charges/ch_gone", {}, (404, "resource_missing", "id")),
        ("/v1/charges", {"starting_after": "ch_gone"}, (400, "resource_missing", "starting_after")),
        ("/v1/charges", {"ending_before": "ch_gone"}, (400, "resource_missing", "ending_before")),
        ("/v1/charges", {"limit": 0}, (400, None, "limit")),
        ("/v1/charges", {"limit": 101}, (400, None, "limit")),
        ("/v1/charges", {"limit": "many"}, (400, "parameter_invalid_integer", "limit")),
        ("/v1/charges", {"colour": "red"}, (400, "parameter_unknown", "colour")),
        ("/v1/charges", {"created": {"since": 5}}, (400, "parameter_unknown", "created[since]")),
        ("/v1/charges/ch_gone", {"limit": 5}, (400, "parameter_unknown", "limit")),
        ("/v1/balance", {"limit": 5}, (400, "parameter_unknown", "limit")),
        ("/v1/balance_transactions", {"payout": "po_gone"}, (400, "resource_missing", "payout")),
        ("/v1/subscription_items", {}, (400, "parameter_missing", "subscription")),
        ("/v1/invoices/in_gone/lines", {}, (404, "resource_missing", "id")),
        ("/v1/teapots", {}, (404, None, None)),
    ],
)
def test_bad_requests_are_told_in_stripes_words(
    running: Shop, path: str, params: dict[str, Any], told: tuple[int, str | None, str | None]
) -> None:
    error: Any = refusal(lambda: running.get(path, **params), stripe.InvalidRequestError)
    assert (error.http_status, error.code, error.param) == told
    assert error.request_id.startswith("req_")


def test_more_than_so_many_requests_in_a_second_are_too_many() -> None:
    now = [100.0]
    with shop(per_second=3, clock=lambda: now[0]) as limited:
        for _ in range(3):
            limited.get("/v1/charges")
        error = refusal(lambda: limited.get("/v1/charges"), stripe.RateLimitError)
        assert (error.http_status, code_of(error)) == (429, "rate_limit")
        headers: Any = error.headers
        assert headers["retry-after"] == "1"
        assert headers["stripe-rate-limited-reason"] == "global-rate"
        now[0] += 1
        limited.get("/v1/charges")


def test_the_clock_may_follow_a_real_one() -> None:
    simulated = SimulatedStripe(1, remembers=True)
    later = simulated.now + 1000
    application = app(Account("acct_1Shop", simulated), [SECRET], follow=lambda: later)
    with served(application) as base:
        client = stripe.StripeClient(SECRET.secret, base_addresses={"api": base})
        client.v1.balance.retrieve()
    assert simulated.now == later
