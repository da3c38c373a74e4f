"""Requests that go wrong on demand: which, and how a client of Stripe's hears of it."""

import pytest
import stripe

from simulator.api import Fault, at, every
from simulator.api import faults as plans
from tests.simulator.api.shop import SECRET, shop


def test_plans_name_requests_by_their_number() -> None:
    assert [plans.none(number) for number in range(1, 4)] == [None] * 3
    single = at({2: Fault.CUT})
    assert [single(number) for number in range(1, 4)] == [None, Fault.CUT, None]
    regular = every({Fault.ERROR: 2, Fault.LIMITED: 3})
    assert [regular(number) for number in range(1, 7)] == [
        None,
        Fault.ERROR,
        Fault.LIMITED,
        Fault.ERROR,
        None,
        Fault.ERROR,
    ]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.ERROR, stripe.APIError),
        (Fault.LIMITED, stripe.RateLimitError),
        (Fault.CUT, stripe.APIConnectionError),
        (Fault.LOST, stripe.APIConnectionError),
    ],
)
def test_a_request_goes_wrong_and_the_next_one_does_not(
    fault: Fault, error: type[stripe.StripeError]
) -> None:
    with shop(plan=at({1: fault})) as running:
        with pytest.raises(error):
            running.get("/v1/charges", limit=3)
        assert len(running.get("/v1/charges", limit=3)["data"]) == 3
        first, second = running.api.calls
        assert (first.fault, second.fault) == (fault, None)
        assert (second.method, second.path, second.query) == ("GET", "/v1/charges", "limit=3")
        assert second.status == 200


def test_a_slow_answer_comes() -> None:
    with shop(plan=at({1: Fault.SLOW}), slow_seconds=0.01) as running:
        assert running.get("/v1/charges")["object"] == "list"


def test_a_client_that_tries_again_gets_through() -> None:
    plan = at({1: Fault.ERROR})
    with shop(plan=plan) as running:
        client = stripe.StripeClient(
            SECRET.secret, base_addresses={"api": running.base}, max_network_retries=2
        )
        assert len(client.v1.charges.list({"limit": 3}).data) == 3
        assert [call.fault for call in running.api.calls] == [Fault.ERROR, None]
