"""How an API version writes Stripe's objects down: the simulator's memory → JSON-able dicts."""

from simulator import claim_fields, payment_fields
from simulator.objects import PAGE_SECONDS, Charge, Customer, Dispute, Payment, Refund, Session
from simulator.transactions import Transaction
from simulator.versions import Shape, filled, of_version, shortened

API_VERSIONS = (
    "2016-07-06",
    "2019-02-19",
    "2020-08-27",
    "2022-11-15",
    "2024-04-10",
    "2025-03-31.basil",
    "2026-10-28.endive",
)


class Layout:
    """The objects as one API version shows them, in one mode (live or test)."""

    def __init__(self, api_version: str, *, livemode: bool) -> None:
        self.api_version = api_version
        self.livemode = livemode
        self.has_intents = api_version >= "2018-09-06"
        self.has_refund_events = api_version >= "2018-09-06"
        self.has_refund_failed = api_version >= "2024-10-28"
        self.has_request_object = api_version >= "2017-05-25"
        self.has_sessions_with_intents = self.has_intents and api_version < "2022-11-15"
        self.books_later = api_version >= "2024-04-10"
        self._customer = self._template(payment_fields.CUSTOMER)
        self._intent = self._template(payment_fields.PAYMENT_INTENT)
        self._charge = self._template(payment_fields.CHARGE)
        self._refund = self._template(claim_fields.REFUND)
        self._dispute = self._template(claim_fields.DISPUTE)
        self._transaction = self._template(claim_fields.BALANCE_TRANSACTION)
        self._session = self._template(payment_fields.CHECKOUT_SESSION)
        self._warning = self._template(claim_fields.EARLY_FRAUD_WARNING)

    def customer(self, customer: Customer) -> Shape:
        """A customer."""
        return filled(self._customer, customer, metadata={}, name=customer.name)

    def payment_intent(self, payment: Payment) -> Shape:
        """A payment intent, with its charges as a list (before 2022-11-15) or the latest's id."""
        assert payment.intent_id is not None, "this payment is a bare charge"
        held = payment.amount_minor if payment.status == "requires_capture" else 0
        return filled(
            self._intent,
            payment,
            id=payment.intent_id,
            amount=payment.amount_minor,
            amount_capturable=held,
            amount_received=_received(payment),
            capture_method="manual" if payment.manual_capture else "automatic",
            charges=self._charges(payment) if "charges" in self._intent else None,
            client_secret=f"{payment.intent_id}_secret_{payment.intent_id[-16:]}",
            customer=_id(payment.customer),
            last_payment_error=_last_error(payment),
            latest_charge=payment.charge.id if payment.charges else None,
            payment_method_types=["card", "bacs_debit"],
            receipt_email=payment.email,
            status=payment.status,
        )

    def charge(self, charge: Charge) -> Shape:
        """A charge, with its refunds embedded before 2022-11-15."""
        payment = charge.payment
        failed = charge.status == "failed"
        return filled(
            self._charge,
            charge,
            amount=payment.amount_minor,
            amount_captured=charge.captured_minor,
            amount_refunded=charge.refunded_minor,
            balance_transaction=charge.transaction_id,
            currency=payment.currency,
            customer=_id(payment.customer),
            description=payment.description,
            dispute=_id(charge.dispute),
            disputed=charge.dispute is not None,
            failure_balance_transaction=charge.failure_transaction_id,
            failure_message="The payment was declined." if failed else None,
            metadata=payment.metadata,
            outcome=payment_fields.DECLINED if failed else payment_fields.APPROVED,
            paid=charge.status == "succeeded",
            payment_intent=payment.intent_id,
            payment_method=f"pm_{charge.id[3:]}",
            payment_method_details=(
                payment_fields.DEBIT_DETAILS if charge.bank_debit else payment_fields.CARD_DETAILS
            ),
            receipt_email=payment.email,
            receipt_url=f"https://pay.stripe.com/receipts/payment/{charge.id}",
            refunded=charge.refunded_minor == payment.amount_minor,
            refunds=self._refunds(charge) if "refunds" in self._charge else None,
            status=charge.status,
        )

    def refund(self, refund: Refund) -> Shape:
        """A refund."""
        payment = refund.charge.payment
        return filled(
            self._refund,
            refund,
            amount=refund.amount_minor,
            balance_transaction=refund.transaction_id,
            charge=refund.charge.id,
            currency=payment.currency,
            destination_details={"card": {"type": "refund"}, "type": "card"},
            failure_balance_transaction=refund.failure_transaction_id,
            payment_intent=payment.intent_id,
            status=refund.status,
        )

    def dispute(self, dispute: Dispute, now: int = 0) -> Shape:
        """A dispute, with the money that it moved."""
        movements = dispute.movements
        return filled(
            self._dispute,
            dispute,
            amount=dispute.amount_minor,
            balance_transaction=movements[0].id if movements else None,
            balance_transactions=[self.transaction(each, now) for each in movements],
            charge=dispute.charge.id,
            currency=dispute.charge.payment.currency,
            evidence_details={
                "due_by": dispute.due_by,
                "has_evidence": dispute.answered,
                "past_due": False,
                "submission_count": int(dispute.answered),
            },
            is_charge_refundable=not movements,
            payment_intent=dispute.charge.payment.intent_id,
            status=dispute.status,
        )

    def session(self, session: Session) -> Shape:
        """A checkout session; from 2022-11-15 on it has a payment intent only once completed."""
        off = {"amount_discount": session.discount_minor, "amount_shipping": 0, "amount_tax": 0}
        return filled(
            self._session,
            session,
            amount_subtotal=session.amount_minor,
            amount_total=session.total_minor,
            client_reference_id=session.reference,
            customer=_id(session.customer),
            customer_details={"email": session.email, "name": None, "phone": None},
            customer_email=session.email,
            expires_at=session.created + PAGE_SECONDS,
            payment_intent=session.payment and session.payment.intent_id,
            payment_method_types=["card", "bacs_debit"],
            total_details=off,
            url=(
                f"https://checkout.stripe.com/c/pay/{session.id}"
                if session.status == "open"
                else None
            ),
        )

    def early_fraud_warning(self, warning_id: str, created: int, charge: Charge) -> Shape:
        """A card network's early warning about a charge."""
        return filled(
            self._warning,
            None,
            id=warning_id,
            charge=charge.id,
            created=created,
            payment_intent=charge.payment.intent_id,
        )

    def transaction(self, transaction: Transaction, now: int = 0) -> Shape:
        """A balance transaction; it is pending until its time has come."""
        return filled(
            self._transaction,
            transaction,
            amount=transaction.amount_minor,
            fee=transaction.fee_minor,
            fee_details=[
                {
                    "amount": fee.amount_minor,
                    "application": None,
                    "currency": transaction.currency,
                    "description": fee.description,
                    "type": fee.kind,
                }
                for fee in transaction.fees
            ],
            net=transaction.net_minor,
            reporting_category=transaction.category,
            status="available" if transaction.available_on <= now else "pending",
            type=transaction.kind,
        )

    def _template(self, of: Shape) -> Shape:
        template = of_version(of, self.api_version)
        return template | {"livemode": self.livemode} if "livemode" in template else template

    def _charges(self, payment: Payment) -> Shape:
        url = f"/v1/charges?payment_intent={payment.intent_id}"
        return shortened([self.charge(charge) for charge in reversed(payment.charges)], url)

    def _refunds(self, charge: Charge) -> Shape:
        url = f"/v1/charges/{charge.id}/refunds"
        return shortened([self.refund(refund) for refund in reversed(charge.refunds)], url)


def _id(thing: Customer | Dispute | None) -> str | None:
    return thing and thing.id


def _received(payment: Payment) -> int:
    return sum(c.captured_minor for c in payment.charges if c.status == "succeeded")


def _last_error(payment: Payment) -> Shape | None:
    if not payment.charges or payment.charge.failure_code is None:
        return None
    charge = payment.charge
    return {
        "charge": charge.id,
        "code": charge.failure_code,
        "message": "The payment was declined.",
        "type": "card_error",
    }
