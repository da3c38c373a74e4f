"""The rules by which a movement of Stripe's balance becomes an entry of the books.

One table that an accountant can read: what each of Stripe's reporting categories is booked against.
The view that makes postings, docs/posting_rules.md and `ledger books rules` are made from it.

An entry has postings in one currency that sum to 0: above nothing is a debit, below a credit.
https://docs.stripe.com/reports/reporting-categories
https://docs.stripe.com/reports/balance-transaction-types
"""

from typing import Final, Literal

from msgspec import Struct

RULES_VERSION: Final = 3
"""Grows with each change of what a rule makes; a closed period names the one it was closed with."""

Shape = Literal["plain", "sale", "refund", "dispute", "payout"]
"""What else a rule does: see `SHAPES`."""

SHAPES: Final[dict[Shape, str]] = {
    "plain": "",
    "sale": "shipping, tax and discount by the linked order, in proportion; goods by category,"
    " where that is named",
    "refund": "tax by the linked order, in proportion, and goods by category, where that is named;"
    " what conversion lost or won: `income:fx`",
    "dispute": "lost: on to `expenses:dispute_losses`; its fees: `expenses:stripe:disputes`",
    "payout": "moves on to `assets:bank:in_transit:…` when it arrives; back from where it stands",
}


class Rule(Struct, frozen=True):
    """What the amount of some reporting categories is booked against."""

    categories: tuple[str, ...]
    """A name that ends in `*` stands for all that begin so."""
    against: str
    shape: Shape = "plain"
    because: str = ""


SUSPENSE: Final = "suspense:unclassified"
FEE_REST: Final = "suspense:fee_detail"
SALES, SHIPPING, FX = "income:sales", "income:shipping", "income:fx"
SALES_TAX: Final = "liabilities:sales_tax"
DISCOUNTS, REFUNDS = "contra:discounts", "contra:refunds"
DISPUTES, DISPUTE_LOSSES = "assets:disputes", "expenses:dispute_losses"
AT_STRIPE: Final = "assets:stripe:"
"""Accounts that hold what Stripe's balance holds, by the net amounts of its transactions."""
PAYING_OUT: Final = "assets:stripe:paying_out"
MINIMUM_HELD: Final = "assets:stripe:minimum_held"
IN_TRANSIT: Final = "assets:bank:in_transit"
RESERVE: Final = "assets:clearing:reserve"
TAX_FUND: Final = "assets:clearing:tax_fund"
OPENING: Final = "equity:opening"

TO_CLASSIFY: Final = (SUSPENSE, RESERVE, TAX_FUND)
"""A person may say what an amount is for that is booked against one of these: what no rule knows,
and what has no other half."""

RULES: Final = (
    Rule(("charge",), SALES, "sale"),
    Rule(
        ("charge_failure", "partial_capture_reversal"),
        SALES,
        "sale",
        "a sale that was none: its lines back, never a refund",
    ),
    Rule(("refund", "refund_failure"), REFUNDS, "refund"),
    Rule(("dispute", "dispute_reversal"), DISPUTES, "dispute"),
    Rule(("fee",), "expenses:stripe:software", because="a fee that is booked by itself"),
    Rule(("network_cost",), "expenses:stripe:network"),
    Rule(("tax",), "expenses:stripe:tax_on_fees"),
    Rule(("payout", "payout_reversal"), PAYING_OUT, "payout"),
    Rule(
        ("payout_minimum_balance_hold", "payout_minimum_balance_release"),
        MINIMUM_HELD,
    ),
    Rule(
        ("topup", "topup_reversal", "inbound_transfer", "inbound_transfer_reversal"),
        f"{IN_TRANSIT}:topups",
    ),
    Rule(
        (
            "risk_reserved_funds",
            "reserve_hold",
            "reserve_release",
            "payment_network_reserve_hold",
            "payment_network_reserve_release",
            "connect_reserved_funds",
        ),
        RESERVE,
        because="two transactions, one a balance: together 0; one alone, a person classifies",
    ),
    Rule(
        ("transfer", "transfer_reversal", "connect_collection_transfer"),
        "assets:connect:transfers",
    ),
    Rule(
        ("platform_earning", "platform_earning_refund", "platform_fee_transfer"),
        "income:platform_fees",
    ),
    Rule(("financing_*", "capital_*"), "liabilities:capital"),
    Rule(("advance", "advance_funding", "anticipation_repayment"), "liabilities:advances"),
    Rule(("contribution", "climate_*"), "expenses:stripe:climate"),
    Rule(
        ("stripe_balance_payment_debit", "stripe_balance_payment_debit_reversal"),
        "expenses:stripe:balance_payments",
    ),
    Rule(("fee_credit_funding", "reward", "revenue_share"), "income:rewards"),
    Rule(("tax_fund",), TAX_FUND),
    Rule(("tax_withholding",), SALES_TAX),
    Rule(("currency_conversion",), "assets:clearing:fx"),
    Rule(("stripe_fx_fee",), "expenses:stripe:fx"),
    Rule(("unreconciled_customer_funds",), "liabilities:customer_funds"),
    Rule(("issuing_*",), "assets:clearing:issuing"),
    Rule(
        ("other_adjustment", "obligation_*"),
        SUSPENSE,
        because="says nothing of what it is for: a person decides",
    ),
)
"""What is not here is booked against `suspense:unclassified`, until a person classifies it."""

TYPES: Final = {
    "adjustment": "other_adjustment",
    "charge": "charge",
    "payment": "charge",
    "payment_failure_refund": "charge_failure",
    "payment_refund": "refund",
    "payment_reversal": "charge_failure",
    "payout": "payout",
    "payout_cancel": "payout_reversal",
    "payout_failure": "payout_reversal",
    "refund": "refund",
    "refund_failure": "refund_failure",
    "stripe_fee": "fee",
    "transfer": "transfer",
    "transfer_cancel": "transfer_reversal",
    "transfer_failure": "transfer_reversal",
}
"""The category of a transaction from before Stripe told one (2019), by its type."""

FINER: Final = {
    "application_fee": "platform_earning",
    "application_fee_refund": "platform_earning_refund",
    "stripe_fx_fee": "stripe_fx_fee",
}
"""The category of a type that says more than its transaction's category does."""

FEES: Final = {
    "stripe_fee": "expenses:stripe:processing",
    "application_fee": "expenses:platform",
    "tax": "expenses:stripe:tax_on_fees",
    "payment_method_passthrough_fee": "expenses:stripe:network",
    "withheld_tax": SALES_TAX,
}
"""What each part of a fee is booked against; one of another type: `suspense:fee_detail`.

Withheld tax is what Stripe pays to an authority for the shop, no expense.
https://docs.stripe.com/api/balance_transactions/object#balance_transaction_object-fee_details
"""
DISPUTE_FEES: Final = "expenses:stripe:disputes"
"""What Stripe's own fee of a dispute is booked against."""

BALANCES: Final = {
    "payments": "payments",
    "issuing": "issuing",
    "refund_and_dispute_prefunding": "prefunding",
    "risk_reserved": "risk_reserved",
}
"""Stripe's balances, and what the books call them; a word that is not here is `other`, none at all
is `payments`."""

ACCOUNTS: Final = {
    "assets:stripe:payments:pending": "at Stripe, not available yet",
    "assets:stripe:payments:available": "at Stripe, to be paid out",
    MINIMUM_HELD: "at Stripe, kept back as the least balance",
    "assets:stripe:paying_out": "left the balance, not at the bank yet",
    "assets:bank:in_transit:…": "should be at the bank, by destination",
    "assets:bank:in_transit:topups": "on its way from the bank to Stripe",
    DISPUTES: "what banks hold until a dispute is decided",
    RESERVE: "between two balances at Stripe; 0 at every cut",
    TAX_FUND: "tax that Stripe passes on; 0 at every cut",
    "assets:clearing:fx": "between two currencies at Stripe",
    "assets:clearing:issuing": "card spending, until it is booked",
    "assets:connect:transfers": "passed on to connected accounts, and back",
    SALES_TAX: "tax of customers, owed to an authority",
    "liabilities:customer_funds": "of customers, not matched to a payment",
    "liabilities:capital": "owed to Stripe Capital",
    "liabilities:advances": "paid out before it was available",
    OPENING: "what accounts held before the books",
    SALES: "sales before discounts, without shipping and tax",
    f"{SALES}:…": "sales of a category of products, where it is named",
    SHIPPING: "shipping",
    "income:platform_fees": "what a platform takes",
    "income:rewards": "rewards and credits of Stripe's",
    FX: "what conversions won, less what they lost",
    DISCOUNTS: "discounts, taken off sales",
    REFUNDS: "refunds, taken off sales",
    f"{REFUNDS}:…": "refunds of sales of a category",
    "expenses:stripe:processing": "Stripe's fees of payments",
    "expenses:stripe:software": "Stripe's fees that are booked by themselves",
    DISPUTE_FEES: "Stripe's fees of disputes",
    "expenses:stripe:network": "fees of card networks and payment methods",
    "expenses:stripe:tax_on_fees": "tax on Stripe's fees",
    "expenses:stripe:fx": "Stripe's fees of conversions",
    "expenses:stripe:climate": "contributions to Stripe Climate",
    "expenses:stripe:balance_payments": "bills of Stripe's paid from the balance",
    "expenses:platform": "fees of platforms",
    DISPUTE_LOSSES: "disputes that were lost",
    SUSPENSE: "what no rule knows, and a person must classify",
    FEE_REST: "what parts of a fee do not explain",
}
"""What each account holds, in the order of a report."""

SLOTS: Final = {
    1: "the balance at Stripe",
    2: "what it is booked against",
    3: "shipping",
    4: "sales tax",
    5: "discount",
    6: "Stripe's fee",
    7: "a platform's fee",
    8: "tax on the fee",
    9: "a network's fee",
    10: "withheld tax",
    11: "the fee's rest",
    12: "gain or loss of a conversion",
    13: "what amount, fee and net leave unexplained",
    14: "goods of a category",
}
"""What a posting of an entry stands for, by its number in the entry; the last is of all above."""
FIRST_CATEGORY: Final = max(SLOTS)


def stands_for(slot: int) -> str:
    """What a posting stands for, by its number in the entry."""
    return SLOTS[min(slot, FIRST_CATEGORY)]


PARTS: Final = {
    "booked": "when Stripe booked it",
    "order": "what the linked order says of it",
    "available": "when it became available",
    "arrived": "when a payout should have arrived",
    "lost": "when a dispute was lost",
    "classified": "what a person classified",
}
"""An entry of a transaction is one of these; each sums to 0."""
