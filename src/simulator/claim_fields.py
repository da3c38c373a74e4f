"""The fields of refunds, disputes, their balance transactions and fraud warnings."""

from simulator.versions import Shape, since, until

REFUND: Shape = {
    "id": None,
    "object": "refund",
    "amount": None,
    "balance_transaction": None,
    "charge": None,
    "created": None,
    "currency": None,
    "destination_details": since("2024-04-10"),
    "failure_balance_transaction": since("2020-08-27"),
    "failure_reason": since("2018-09-06"),
    "metadata": {},
    "payment_intent": since("2019-11-05"),
    "reason": None,
    "receipt_number": None,
    "source_transfer_reversal": since("2018-09-06"),
    "status": None,
    "transfer_reversal": since("2018-09-06"),
}

DISPUTE: Shape = {
    "id": None,
    "object": "dispute",
    "amount": None,
    "balance_transaction": until("2020-08-27"),
    "balance_transactions": None,
    "charge": None,
    "created": None,
    "currency": None,
    "evidence": dict.fromkeys(
        (
            "access_activity_log",
            "billing_address",
            "cancellation_policy",
            "customer_communication",
            "customer_email_address",
            "customer_name",
            "customer_purchase_ip",
            "customer_signature",
            "product_description",
            "receipt",
            "refund_policy",
            "service_date",
            "shipping_address",
            "shipping_carrier",
            "shipping_date",
            "shipping_tracking_number",
            "uncategorized_file",
            "uncategorized_text",
        )
    ),
    "evidence_details": None,
    "is_charge_refundable": None,
    "livemode": None,
    "metadata": {},
    "payment_intent": since("2019-11-05"),
    "payment_method_details": since(
        "2024-04-10",
        {"card": {"brand": "visa", "network_reason_code": "10.4"}, "type": "card"},
    ),
    "reason": None,
    "status": None,
}

BALANCE_TRANSACTION: Shape = {
    "id": None,
    "object": "balance_transaction",
    "amount": None,
    "available_on": None,
    "balance_type": since("2025-09-30", "payments"),
    "created": None,
    "currency": None,
    "description": None,
    "exchange_rate": since("2018-09-06"),
    "fee": None,
    "fee_details": None,
    "net": None,
    "reporting_category": since("2019-12-03"),
    "source": None,
    "status": None,
    "type": None,
}

EARLY_FRAUD_WARNING: Shape = {
    "id": None,
    "object": "radar.early_fraud_warning",
    "actionable": True,
    "charge": None,
    "created": None,
    "fraud_type": "made_with_stolen_card",
    "livemode": None,
    "payment_intent": since("2019-11-05"),
}
