"""The console's pages over a busy shop's ninety days: how long each takes, how much home loads."""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from gzip import decompress
from http.client import HTTPConnection
from typing import Final, NamedTuple
from urllib.parse import urlencode

from benchmarks.checks import prepare, run_all
from benchmarks.load import Load, fire, request
from benchmarks.logs import stripe_log
from benchmarks.measuring import Figure, Goal
from benchmarks.processes import HOST, Service, in_child, reading
from benchmarks.rebuild import fill
from benchmarks.server import Server, settle
from benchmarks.trading import trading_log
from ledger.domain.events import NewEvent

LIMIT_MS: Final = 150
SEARCH_LIMIT_MS: Final = 50
FIRST_KB: Final = 300
AFTER_KB: Final = 40
STRIPE_EVENTS_AN_ORDER: Final = 2
PAGES: Final = {
    "home, 90 days": "?window=90",
    "orders": "/orders",
    "an order": "/orders/T250",
    "stock": "/stock",
    "a product": "/stock/SKU-1",
    "customers": "/customers",
    "payments": "/payments",
    "refunds": "/refunds",
    "disputes": "/disputes",
    "issues": "/issues",
    "events": "/events",
    "an event": "/events/2500",
    "projections": "/projections",
    "figures": "/figures",
    "a figure, 90 days": "/figures/revenue?window=90",
    "exports": "/exports",
}
"""What is looked at, below `/console`; the order and the event are in the smallest log too."""
SEARCHES: Final = {
    "the beginning of e-mail addresses": "c",
    "the beginning of ids": "pi_3",
    "an amount of a third of the orders": "23.95",
    "the same in a currency of which there is nothing": "23.95 usd",
}
"""What is searched for; of each more than one is found, or nothing, so that none opens it."""


class Scale(NamedTuple):
    """How much is measured: so many looks at each page in a round."""

    rounds: int
    orders: int
    requests: int


FULL = Scale(rounds=3, orders=100_000, requests=100)
QUICK = Scale(rounds=1, orders=500, requests=10)


def measure(server: Server, scale: Scale) -> list[Figure]:
    """One visitor, who looks at one page after the other."""
    database = server.database()
    count = fill(database, _log_of(scale.orders))
    in_child(prepare, database)
    in_child(run_all, database)
    settle(database)
    with reading(server, database) as service:
        cookie = _sign_in(service)
        found = {
            name: [_look(service, cookie, address, scale.requests) for _ in range(scale.rounds)]
            for name, address in PAGES.items()
        }
        searched = {
            name: [
                _look(service, cookie, _search(text), scale.requests) for _ in range(scale.rounds)
            ]
            for name, text in SEARCHES.items()
        }
        first_kb, after_kb = _weight(service, cookie)
    return [
        *(_figure(name, loads, LIMIT_MS) for name, loads in found.items()),
        *(_figure(f"search: {name}", loads, SEARCH_LIMIT_MS) for name, loads in searched.items()),
        _kilobytes("home at the first visit, compressed", first_kb, FIRST_KB),
        _kilobytes("home afterwards, compressed", after_kb, AFTER_KB),
        Figure(what=f"events of {scale.orders:,} orders", unit="", samples=(count,)),
    ]


def _log_of(orders: int) -> Iterator[NewEvent]:
    """A shop's orders, and payments for others: of these are customers, disputes and issues."""
    yield from trading_log(orders)
    yield from stripe_log("console", STRIPE_EVENTS_AN_ORDER * orders)


def _sign_in(service: Service) -> str:
    """What a browser sends along once its user signed in with a token."""
    here = f"http://{HOST}:{service.port}"
    with closing(HTTPConnection(HOST, service.port, timeout=30)) as browser:
        browser.request("GET", "/console/sign-in")
        page = browser.getresponse().read().decode()
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)
        form = urlencode({**dict(hidden), "token": service.token})
        headers = {"Origin": here, "Content-Type": "application/x-www-form-urlencoded"}
        browser.request("POST", "/console/sign-in", form, headers)
        answer = browser.getresponse()
        assert answer.status == 303, answer.read()
        return answer.headers["set-cookie"].partition(";")[0]


def _weight(service: Service, cookie: str) -> tuple[float, float]:
    """Kilobytes of home with all files that it loads, and of the page alone, as they are sent."""
    with closing(HTTPConnection(HOST, service.port, timeout=30)) as browser:
        sent = {"Cookie": cookie, "Accept-Encoding": "gzip"}

        def fetched(address: str) -> bytes:
            browser.request("GET", address, headers=sent)
            return browser.getresponse().read()

        home = fetched("/console?window=90")
        page = decompress(home).decode()
        names = set(re.findall(r'"(/console/static/[^"#]+)[#"]', page))
        files = sum(len(fetched(name)) for name in names)
    return (len(home) + files) / 1000, len(home) / 1000


def _kilobytes(what: str, kilobytes: float, most: int) -> Figure:
    return Figure(what=what, unit="kB", samples=(kilobytes,), goals=(Goal("<", most),))


def _look(service: Service, cookie: str, address: str, requests: int) -> Load:
    asked = request("GET", f"/console{address}", b"", Cookie=cookie)
    load = fire(service.port, [asked] * requests, connections=1)
    assert load.answers == {"200": requests}, f"{address} answers {load.answers}"
    return load


def _search(text: str) -> str:
    return f"/search?{urlencode({'q': text})}"


def _figure(name: str, loads: Sequence[Load], limit_ms: int) -> Figure:
    return Figure(
        what=f"{name}, p95",
        unit="ms",
        samples=tuple(load.p95_ms for load in loads),
        goals=(Goal("<", limit_ms),),
    )
