"""Facts of Stripe's balance: its transactions, and which of them a payout paid out."""

from datetime import datetime

from msgspec import Struct

from ledger.domain.accounts import StripeId
from ledger.domain.facts import Fact


class TransactionFee(Struct, frozen=True, kw_only=True):
    """A part of a transaction's fee, in minor units of `currency`; below nothing it is a credit."""

    type: str
    amount_minor: int
    currency: str


class TransactionFact(Fact, frozen=True, kw_only=True):
    """A movement of Stripe's balance, which never changes: `amount_minor` less the fee is net.

    Minor units of the currency in which the balance is kept; above nothing is money that came in.
    `source_id` names what moved it: a charge, refund, dispute or payout as a rule. `category` is
    Stripe's `reporting_category`, `type` the finer word; the sets of both are open. It can be paid
    out from `available_at` on. https://docs.stripe.com/reports/balance-transaction-types
    """

    transaction_id: StripeId
    type: str
    category: str | None
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    created_at: datetime
    available_at: datetime | None = None
    source_id: StripeId | None = None
    balance_type: str | None = None
    description: str | None = None
    fees: tuple[TransactionFee, ...] = ()


class BalanceAmount(Struct, frozen=True, kw_only=True):
    """What of a currency can be used, and what is not available yet, in minor units.

    `kind` is which of the account's balances it is of: `payments`, or another one by the provider's
    word. `pending_minor` is None where the provider does not tell it.
    """

    currency: str
    available_minor: int
    pending_minor: int | None
    kind: str = "payments"


class BalanceFact(Fact, frozen=True, kw_only=True):
    """What an account's balances are at a time, by the provider, each in each currency."""

    asked_at: datetime
    amounts: tuple[BalanceAmount, ...]


class NotToldFact(Fact, frozen=True, kw_only=True):
    """The provider was asked for an object that others name, the `times`-th time in vain.

    `kind` is what the provider calls it, `cause` why it did not tell: see `StripeObjectNotTold`.
    """

    kind: str
    subject_id: StripeId
    cause: str
    times: int
    asked_at: datetime


class PayoutMembersFact(Fact, frozen=True, kw_only=True):
    """The transactions that a payout paid out, its own among them; not all unless `complete`."""

    payout_id: StripeId
    transaction_ids: tuple[StripeId, ...]
    complete: bool
