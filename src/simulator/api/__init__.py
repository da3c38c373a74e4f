"""The simulated Stripe as an API: what a client of Stripe's asks for, and what it is refused.

app        app(account, keys, …): the application; StripeApi: what its endpoints share
keys       accounts with their two modes; secret and restricted keys
resources  what is listed and retrieved, in one table; shapes writes it down
query, paging   parameters of a list, and its pages
writes     refunds, and idempotency keys
errors     Stripe's errors; faults: requests that go wrong on demand
serving    the application on a port
"""

from simulator.api.app import Call, StripeApi, app
from simulator.api.faults import Fault, at, every
from simulator.api.keys import READING, Account, Key, invented_keys
from simulator.api.serving import listen, served

__all__ = [
    "READING",
    "Account",
    "Call",
    "Fault",
    "Key",
    "StripeApi",
    "app",
    "at",
    "every",
    "invented_keys",
    "listen",
    "served",
]
