"""Movements of the simulated Stripe's balance, and the names of their types.

https://docs.stripe.com/api/balance_transactions/object,
https://docs.stripe.com/reports/reporting-categories
"""

from msgspec import Struct

from simulator.fees import Detail

CATEGORIES = {
    "adjustment": "other_adjustment",
    "advance": "advance",
    "advance_funding": "advance_funding",
    "anticipation_repayment": "anticipation_repayment",
    "application_fee": "platform_earning",
    "application_fee_refund": "platform_earning_refund",
    "climate_order_purchase": "climate_order_purchase",
    "climate_order_refund": "climate_order_refund",
    "connect_collection_transfer": "connect_collection_transfer",
    "contribution": "contribution",
    "fee_credit_funding": "fee_credit_funding",
    "connect_reserved_funds": "connect_reserved_funds",
    "currency_conversion": "currency_conversion",
    "financing_paydown": "financing_paydown",
    "financing_payout": "financing_payout",
    "inbound_transfer": "inbound_transfer",
    "inbound_transfer_reversal": "inbound_transfer_reversal",
    "issuing_authorization_hold": "issuing_authorization_hold",
    "issuing_authorization_release": "issuing_authorization_release",
    "issuing_dispute": "issuing_dispute",
    "issuing_transaction": "issuing_transaction",
    "network_cost": "network_cost",
    "obligation_outbound": "obligation_outbound",
    "obligation_reversal_inbound": "obligation_reversal_inbound",
    "partial_capture_reversal": "partial_capture_reversal",
    "payment_network_reserve_hold": "payment_network_reserve_hold",
    "payment_network_reserve_release": "payment_network_reserve_release",
    "payment_unreconciled": "unreconciled_customer_funds",
    "payout_minimum_balance_hold": "payout_minimum_balance_hold",
    "payout_minimum_balance_release": "payout_minimum_balance_release",
    "reserve_hold": "reserve_hold",
    "reserve_release": "reserve_release",
    "reserved_funds": "risk_reserved_funds",
    "stripe_balance_payment_debit": "stripe_balance_payment_debit",
    "stripe_balance_payment_debit_reversal": "stripe_balance_payment_debit_reversal",
    "stripe_fee": "fee",
    "stripe_fx_fee": "fee",
    "tax_fee": "tax",
    "topup": "topup",
    "topup_reversal": "topup_reversal",
    "transfer": "transfer",
    "transfer_refund": "transfer_reversal",
}
"""The reporting category of each type that `move_otherwise` knows; others have their own name."""


class Transaction(Struct, eq=False):
    """Money that came into the balance, or (below 0) left it; the fees come off the amount.

    `available_on` is when it can be paid out. `payout_id` names the automatic payout that it went
    out with, or that it is.
    """

    id: str
    created: int
    available_on: int
    amount_minor: int
    currency: str
    kind: str
    category: str
    source: str | None
    description: str | None
    fees: tuple[Detail, ...] = ()
    exchange_rate: float | None = None
    balance_type: str = "payments"
    payout_id: str | None = None

    @property
    def fee_minor(self) -> int:
        """What Stripe and others take of it."""
        return sum(fee.amount_minor for fee in self.fees)

    @property
    def net_minor(self) -> int:
        """What it does to the balance."""
        return self.amount_minor - self.fee_minor
