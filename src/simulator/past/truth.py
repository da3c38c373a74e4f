"""The truth about a shop with a past: plain sums, made where things happen.

Nothing here is read from the simulator's objects or balance, and fees are worked out again, so that
a client's figures and the simulator's own balance can both be held against it.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from msgspec import Struct, field

_DISPUTE_FEE_MINOR = 2000
_SALES, _BALANCE, _PAYING_OUT = "income:sales", "assets:stripe", "assets:stripe:paying_out"
_DISPUTES, _REFUNDS = "assets:disputes", "contra:refunds"
_FX = "income:fx"
_BANK = "assets:bank:in_transit"
_TAX_PERCENT = {"eur": 21, "gbp": 20}
_TENS = {"bhd", "jod", "kwd", "omr", "tnd"}


class Figures(Struct):
    """Sums of one currency, in one month (UTC) or altogether; amounts in minor units.

    Of a payment that Stripe converts, what moved the balance (fees, net, refunded) is in the
    balance's currency, all else in the one that was paid.

    * `gross_minor`, `payments`: captured amounts and number of the charges that stand as succeeded
      and captured, by the time when their balance transaction was made (a capture, the settling of
      a debit). What bounced is not among them.
    * `charged_minor`: the same amounts by `created` of the charge (a hold, the start of a debit).
    * `captured_minor`: all captured amounts, also of what bounced later, by the same time as
      `gross_minor`; `bounced_minor`: what had been booked and went back to the bank, by the time of
      that. Altogether, captured less bounced is gross.
    * `taken_minor`, `taken`: captures less bounces and their number, by when they were taken: a
      hold with its capture, all else with `created` of the charge; a bounce with itself.
    * `kept_minor`: captured amounts of what did not bounce, as lists tell of it: a hold with its
      capture, all else with `created` of the charge.
    * `reversed_minor`: parts of captures that were taken back, by the time of that.
    * `refunds_minor`, `refunds`: refunds that are succeeded or pending, by their `created`.
    * `refunds_pending_minor`: of these, what is pending: it has not left the balance.
    * `refunded_minor`: refunds that left the balance, less those that failed and came back, each by
      the time of its balance transaction.
    * `disputed_minor`: what disputes took out of the balance, less what came back, without fees,
      each by the time of its balance transaction.
    * `disputes`: disputes of which money moved, by `created` (inquiries are none);
      `disputes_lost_minor` and `disputes_open_minor`: the disputed amounts of those that are lost,
      or that need an answer or are under review. Those that were won cost nothing.
    * `fees_minor`: fees and tax on fees of payments, fees of disputes, less those that came back,
      and fees that are booked by themselves, by the time of the transaction that has them.
    * `net_minor`: Stripe's net volume: captured less bounced, reversed, refunded, disputed, fees;
      so a pending refund is not in it, a bounced payment is there with its fee only. It is the sum
      of `net` of all transactions of charges, refunds, disputes and fees.
    * `payouts_paid_minor`, `payouts_paid`: payouts that are paid, by `created`.
    """

    gross_minor: int = 0
    payments: int = 0
    captured_minor: int = 0
    taken_minor: int = 0
    taken: int = 0
    charged_minor: int = 0
    kept_minor: int = 0
    bounced_minor: int = 0
    reversed_minor: int = 0
    refunds_minor: int = 0
    refunds: int = 0
    refunds_pending_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0
    disputes: int = 0
    disputes_lost_minor: int = 0
    disputes_open_minor: int = 0
    fees_minor: int = 0
    net_minor: int = 0
    payouts_paid_minor: int = 0
    payouts_paid: int = 0


class Truth(Struct):
    """What a client should find, at the end of the past.

    * `months`: figures by month (`2026-09`, UTC) and currency; a month without any is left out.
    * `new_customers`: customers by the month of their `created`.
    * `paying_customers`: by currency, distinct customers (an e-mail where there is none) of whom
      money was captured, also where that bounced later; `paying_customers_by_month`: the same
      within each month, by month and currency.
    * `balance_minor`: by currency, available and pending together.
    * `mrr_minor`: by currency, Stripe's monthly recurring revenue: of subscriptions that are active
      or past due, price times units by month (a year's twelfth), less coupons that last forever.
    * `active_subscriptions`: their number, active or past due.
    * `objects`: the number of objects of each kind (Stripe's word in `object`) that lists give.
    * `accounts`: books in double entry: what accounts moved by in each month and currency, above
      nothing is a debit. `assets:stripe` is all that Stripe holds, `assets:disputes` also what of
      disputes is lost, `assets:bank:in_transit` what payouts brought at their arrival.
    """

    months: dict[str, dict[str, Figures]] = field(default_factory=dict[str, dict[str, Figures]])
    new_customers: dict[str, int] = field(default_factory=dict[str, int])
    paying_customers: dict[str, int] = field(default_factory=dict[str, int])
    paying_customers_by_month: dict[str, dict[str, int]] = field(
        default_factory=dict[str, dict[str, int]]
    )
    balance_minor: dict[str, int] = field(default_factory=dict[str, int])
    mrr_minor: dict[str, int] = field(default_factory=dict[str, int])
    active_subscriptions: int = 0
    objects: dict[str, int] = field(default_factory=dict[str, int])
    accounts: dict[str, dict[str, dict[str, int]]] = field(
        default_factory=dict[str, dict[str, dict[str, int]]]
    )

    @property
    def total(self) -> dict[str, Figures]:
        """The figures of all months, by currency."""
        sums: dict[str, Figures] = {}
        for month in self.months.values():
            for currency, figures in month.items():
                total = sums.setdefault(currency, Figures())
                for name in Figures.__struct_fields__:
                    setattr(total, name, getattr(total, name) + getattr(figures, name))
        return sums


class Books:
    """Counts what happens, as it happens; times in seconds since 1970, amounts in minor units."""

    def __init__(self) -> None:
        self.truth = Truth()
        self._mrr: dict[str, tuple[str, int]] = {}
        self._payers: set[tuple[str, str, str]] = set()

    def new_customer(self, at: int) -> None:
        """A customer was made."""
        months = self.truth.new_customers
        months[month_of(at)] = months.get(month_of(at), 0) + 1

    def captured(
        self,
        currency: str,
        amount: int,
        at: int,
        charged_at: int,
        payer: str,
        *,
        held: bool = False,
        settled: tuple[str, int] | None = None,
    ) -> None:
        """A payment came in at a time, of a charge that was made at another one.

        One that was converted `settled` as an amount of the balance's currency.
        """
        taken = self._figures(currency, at if held else charged_at)
        taken.taken_minor += amount
        taken.kept_minor += amount
        taken.taken += 1
        self._payers.add((month_of(at), currency, payer))
        figures = self._figures(currency, at)
        figures.captured_minor += amount
        figures.gross_minor += amount
        figures.payments += 1
        self._figures(currency, charged_at).charged_minor += amount
        code, minor = settled or (currency, amount)
        self._moved(code, minor, at, _SALES, fees_of(code, minor))

    def bounced(
        self, currency: str, amount: int, at: int, captured_at: int, charged_at: int
    ) -> None:
        """A payment that had come in goes back; its fee stays."""
        before = self._figures(currency, captured_at)
        before.gross_minor -= amount
        before.payments -= 1
        charged = self._figures(currency, charged_at)
        charged.charged_minor -= amount
        charged.kept_minor -= amount
        figures = self._figures(currency, at)
        figures.bounced_minor += amount
        figures.taken_minor -= amount
        figures.taken -= 1
        self._moved(currency, -amount, at, _SALES)

    def refunded(
        self,
        currency: str,
        amount: int,
        at: int,
        *,
        pending: bool = False,
        settled: tuple[str, int] | None = None,
        cost: int = 0,
    ) -> None:
        """A refund was made, which may be pending.

        One of a converted payment took `settled` out of the balance, and gives back what had come
        in as `cost`.
        """
        figures = self._figures(currency, at)
        figures.refunds_minor += amount
        figures.refunds += 1
        if pending:
            figures.refunds_pending_minor += amount
        elif settled is not None:
            code, minor = settled
            self._figures(code, at).refunded_minor += minor
            self._moved(code, -minor, at, _REFUNDS)
            self._post(code, at, {_REFUNDS: cost - minor, _FX: minor - cost})
        else:
            figures.refunded_minor += amount
            self._moved(currency, -amount, at, _REFUNDS)

    def refund_settled(self, currency: str, amount: int, at: int, made_at: int) -> None:
        """A pending refund left the balance."""
        self._figures(currency, made_at).refunds_pending_minor -= amount
        self._figures(currency, at).refunded_minor += amount
        self._moved(currency, -amount, at, _REFUNDS)

    def refund_failed(self, currency: str, amount: int, at: int, made_at: int) -> None:
        """A refund that had left the balance came back."""
        figures = self._figures(currency, made_at)
        figures.refunds_minor -= amount
        figures.refunds -= 1
        self._figures(currency, at).refunded_minor -= amount
        self._moved(currency, amount, at, _REFUNDS)

    def disputed(self, currency: str, amount: int, at: int) -> None:
        """A bank took a payment back, for the time being."""
        figures = self._figures(currency, at)
        figures.disputes += 1
        figures.disputes_open_minor += amount
        figures.disputed_minor += amount
        self._moved(currency, -amount, at, _DISPUTES, _DISPUTE_FEE)

    def dispute_ended(
        self, currency: str, amount: int, at: int, opened_at: int, *, won: bool
    ) -> None:
        """A dispute was won, and all came back, or lost."""
        figures = self._figures(currency, opened_at)
        figures.disputes_open_minor -= amount
        if won:
            self._figures(currency, at).disputed_minor -= amount
            back = {account: -minor for account, minor in _DISPUTE_FEE.items()}
            self._moved(currency, amount, at, _DISPUTES, back)
        else:
            figures.disputes_lost_minor += amount

    def paid_out(self, currency: str, amount: int, at: int, arrives_at: int) -> None:
        """A payout left the balance, and should arrive at a time."""
        self._add_to_balance(currency, -amount)
        self._post(currency, at, {_BALANCE: -amount, _PAYING_OUT: amount})
        self._post(currency, arrives_at, {_PAYING_OUT: -amount, _BANK: amount})

    def payout_paid(self, currency: str, amount: int, made_at: int, *, count: int = 1) -> None:
        """A payout arrived, or (with a count of -1) did not after all."""
        figures = self._figures(currency, made_at)
        figures.payouts_paid_minor += count * amount
        figures.payouts_paid += count

    def payout_failed(self, currency: str, amount: int, at: int) -> None:
        """A payout that had arrived came back into the balance."""
        self._add_to_balance(currency, amount)
        self._post(currency, at, {_BALANCE: amount, _BANK: -amount})

    def moved_otherwise(
        self, currency: str, amount: int, at: int, account: str, figure: str | None = None
    ) -> None:
        """The balance moved for another reason; `figure` is what it counts in: fees, reversed."""
        self._add_to_balance(currency, amount)
        self._post(currency, at, {_BALANCE: amount, account: -amount})
        if figure is not None:
            figures = self._figures(currency, at)
            figures.net_minor += amount
            name = f"{figure}_minor"
            setattr(figures, name, getattr(figures, name) - amount)

    def recurring(self, subscription_id: str, currency: str, monthly: int | None) -> None:
        """A subscription is worth so much a month from now on, or (None) counts no longer."""
        if monthly is None:
            self._mrr.pop(subscription_id, None)
        else:
            self._mrr[subscription_id] = currency, monthly

    def close(self, objects: dict[str, int]) -> Truth:
        """The truth, at the end."""
        sums = Counter[str]()
        for currency, monthly in self._mrr.values():
            sums[currency] += monthly
        self.truth.mrr_minor = dict(sums)
        self._count_payers()
        self.truth.active_subscriptions = len(self._mrr)
        self.truth.objects = objects
        return self.truth

    def _count_payers(self) -> None:
        for month, currency, _ in self._payers:
            by_currency = self.truth.paying_customers_by_month.setdefault(month, {})
            by_currency[currency] = by_currency.get(currency, 0) + 1
        ever = {(currency, payer) for _, currency, payer in self._payers}
        self.truth.paying_customers = dict(Counter(currency for currency, _ in ever))

    def _moved(
        self,
        currency: str,
        amount: int,
        at: int,
        account: str,
        fees: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        fee = sum(fees.values())
        self._post(currency, at, {_BALANCE: amount - fee, account: -amount, **fees})
        figures = self._figures(currency, at)
        figures.fees_minor += fee
        figures.net_minor += amount - fee
        self._add_to_balance(currency, amount - fee)

    def _add_to_balance(self, currency: str, amount: int) -> None:
        balance = self.truth.balance_minor
        balance[currency] = balance.get(currency, 0) + amount

    def _post(self, currency: str, at: int, amounts: Mapping[str, int]) -> None:
        by_currency = self.truth.accounts.setdefault(month_of(at), {})
        accounts = by_currency.setdefault(currency, {})
        for account, minor in amounts.items():
            accounts[account] = accounts.get(account, 0) + minor

    def _figures(self, currency: str, at: int) -> Figures:
        month = self.truth.months.setdefault(month_of(at), {})
        return month.setdefault(currency, Figures())


def month_of(at: int) -> str:
    """The month of a time, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m")


_DISPUTE_FEE = {"expenses:stripe:disputes": _DISPUTE_FEE_MINOR}
_MORE = {
    1: "expenses:stripe:network",
    2: "liabilities:sales_tax",
    3: "expenses:platform",
}


def fees_of(currency: str, amount: int) -> dict[str, int]:
    """By account: 1.5 % and 25, tax on that; 2 % more of some amounts.

    Of amounts whose remainder by 7 is 1 to 3, and of those whose remainder by 91 is 4.
    Each part is rounded half up, with three decimals to tens.
    """
    unit = 10 if currency in _TENS else 1
    share = (amount * 15 + 500 * unit) // (1000 * unit) * unit
    fixed = (25 + unit // 2) // unit * unit
    tax = ((share + fixed) * _TAX_PERCENT.get(currency, 0) + 50 * unit) // (100 * unit) * unit
    fees = {"expenses:stripe:processing": share + fixed, "expenses:stripe:tax_on_fees": tax}
    account = "suspense:fee_detail" if amount % 91 == 4 else _MORE.get(amount % 7)
    if account is not None:
        fees[account] = (amount * 2 + 50 * unit) // (100 * unit) * unit
    return fees
