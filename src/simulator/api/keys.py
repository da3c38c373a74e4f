"""Accounts and the keys that open them: https://docs.stripe.com/keys."""

from collections.abc import Iterable
from random import Random
from threading import RLock

from msgspec import Struct

from simulator.sender import Ids
from simulator.sent import Events
from simulator.stripe import SimulatedStripe

READING: frozenset[str] = frozenset(
    f"rak_{what}_read"
    for what in (
        "accounts_kyc_basic",
        "balance",
        "balance_transaction_source",
        "charge",
        "checkout_session",
        "coupon",
        "credit_note",
        "customer",
        "dispute",
        "event",
        "invoice",
        "payment_intent",
        "payout",
        "plan",
        "product",
        "promotion_code",
        "subscription",
    )
)
"""All permissions to read. Stripe's names: prices are `plan`, refunds belong to `charge`."""


class Key(Struct, frozen=True):
    """A secret (`sk_…`) or restricted (`rk_…`) key, of test or live mode, as its prefix says.

    `permissions` are those of a restricted one; to write includes to read.
    """

    secret: str
    permissions: frozenset[str] | None = None

    @property
    def livemode(self) -> bool:
        """Whether it opens what is live."""
        return self.secret.split("_")[1] == "live"

    @property
    def shown(self) -> str:
        """The key as error messages name it."""
        kind, mode, rest = self.secret.split("_", 2)
        return f"{kind}_{mode}_{'*' * max(1, len(rest) - 6)}{rest[-6:]}"

    def may(self, permission: str) -> bool:
        """Whether it has a permission."""
        given = self.permissions
        write = permission.removesuffix("_read") + "_write"
        return given is None or permission in given or write in given


def invented_keys(seed: int | str, *, livemode: bool) -> tuple[Key, Key]:
    """A secret key, and a restricted one that may read everything; the same for the same seed."""
    ids = Ids(Random(f"keys {seed} {livemode}"))  # noqa: S311 - keys to what is invented
    mode = "live" if livemode else "test"
    secret, restricted = (f"{kind}_{mode}_{ids.chance(24)}" for kind in ("sk", "rk"))
    return Key(secret), Key(restricted, READING)


class Account:
    """What Stripe keeps for one business: a simulator of test mode, of live mode, or both.

    `connected` are the accounts that this one's keys may name in `Stripe-Account`. Code that lets
    the simulator act while the API serves holds `lock`. `sent` are the events of what was done by
    way of the API, for webhooks.
    """

    def __init__(
        self,
        account_id: str,
        *modes: SimulatedStripe,
        connected: Iterable["Account"] = (),
        currency: str = "eur",
        name: str = "Tea by post",
    ) -> None:
        self.id = account_id
        self.modes = {stripe.layout.livemode: stripe for stripe in modes}
        assert len(self.modes) == len(modes), "a mode is there twice"
        assert all(stripe.memory is not None for stripe in modes), "an API wants one that remembers"
        self.connected = {account.id: account for account in connected}
        self.currency = currency
        self.name = name
        self.lock = RLock()
        self.sent: Events = []
