"""What each Stripe object says, as facts: as docs/stripe.md explains it.

Every reading takes an object, the event that carries it, and the key under which the shop's order
id stands in metadata. A fact is a function of its event alone.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from ledger.domain.billing_facts import InvoicePaymentFact
from ledger.domain.facts import (
    AmountsNotCounted,
    ChargeFact,
    ChargeState,
    CheckoutFact,
    CustomerFact,
    DisputeFact,
    Fact,
    FundsMovement,
    PartNotUnderstood,
    PaymentFact,
    PaymentState,
    RefundFact,
)
from ledger.domain.limits import MAX_TEXT, is_id, is_text
from ledger.domain.link_rule import MAX_KEY, order_word
from ledger.domain.money import MAX_MINOR
from webhooks.translate.objects import (
    OBSERVED,
    BalanceTransaction,
    Charge,
    CheckoutSession,
    Contact,
    Customer,
    Dispute,
    Envelope,
    PaymentIntent,
    Reference,
    Refund,
    RefundList,
)
from webhooks.translate.states import (
    PAYMENT_STATUSES,
    charge_state,
    checkout_state,
    customer_state,
    dispute_state,
    payment_state,
    refund_state,
    unknown_word,
)
from webhooks.translate.uncounted import amounts_in

_SELLING = frozenset({None, "payment", "subscription"})  # none until modes came
_MODES = frozenset({"payment", "setup", "subscription"})
REQUEST_KEY = "ledger_request"
"""Under which a refund's metadata names the request that it was made for."""
_MAX_LABEL = 200  # characters: Stripe's limit for `client_reference_id`


def payment_facts(intent: PaymentIntent, event: Envelope, metadata_key: str) -> list[Fact]:
    """A payment, and the attempts that events until 2022-11-15 listed with it."""
    charges = intent.charges.data if intent.charges else []
    _check_sum("charges", [charge.amount for charge in charges])
    _check_sum("charges", [charge.amount_captured or 0 for charge in charges])
    state = payment_state(intent, event.type)
    received = intent.amount_received
    if received is None:
        received = intent.amount if state is PaymentState.SUCCEEDED else 0
    payment = PaymentFact(
        state=state,
        word=unknown_word(state, intent.status),
        payment_id=intent.id,
        amount_minor=intent.amount,
        received_minor=received,
        currency=intent.currency.lower(),
        created_at=made_at(intent.created, event),
        order_id=_own_word(intent.metadata, metadata_key),
        customer_id=id_of(intent.customer),
        charge_id=id_of(intent.latest_charge) or (charges[0].id if charges else None),
        email=intent.receipt_email,
        failure_code=intent.last_payment_error.code if intent.last_payment_error else None,
        held_first=intent.capture_method == "manual" or None,
        canceled_at=None if intent.canceled_at is None else at(intent.canceled_at),
        description=_description(intent.description),
        labels=_labels(intent.metadata),
    )
    attempts = [fact for charge in charges for fact in charge_facts(charge, event, metadata_key)]
    paid_by = payment.charge_id if received > 0 else None
    return [payment, *_of_invoice(intent.invoice, intent.id, paid_by), *attempts]


def charge_facts(charge: Charge, event: Envelope, metadata_key: str) -> list[Fact]:
    """A charge, and the refunds that events until 2022-11-15 listed with it.

    Without `amount_captured` (before 2020-08-27) a partial capture looks like a partial refund,
    and nothing tells them apart: the whole amount counts as captured.
    """
    state = charge_state(charge, event.type)
    is_captured = state is ChargeState.CAPTURED or (
        state is ChargeState.UNKNOWN and _has_money(charge)
    )
    captured = charge.amount if charge.amount_captured is None else charge.amount_captured
    created_at = made_at(charge.created, event)
    fact = ChargeFact(
        state=state,
        word=unknown_word(state, charge.status),
        charge_id=charge.id,
        amount_minor=charge.amount,
        captured_minor=captured if is_captured else 0,
        refunded_minor=_refunded_minor(charge) if is_captured else 0,
        currency=charge.currency.lower(),
        created_at=created_at,
        captured_at=_captured_at(event, created_at) if is_captured else None,
        payment_id=id_of(charge.payment_intent),
        order_id=_own_word(charge.metadata, metadata_key),
        customer_id=id_of(charge.customer),
        transaction_id=id_of(charge.balance_transaction),
        email=charge.receipt_email or _email(charge.billing_details),
        failure_code=charge.failure_code,
        description=_description(charge.description),
        labels=_labels(charge.metadata),
    )
    payment_id = fact.payment_id or charge.id
    paid_by = charge.id if is_captured or fact.payment_id is None else None
    facts: list[Fact] = [fact, *_of_invoice(charge.invoice, payment_id, paid_by)]
    if not is_captured:
        return facts
    return [*facts, *[_refund(refund, event, charge) for refund in _customer_refunds(charge)]]


def _of_invoice(
    invoice: Reference, payment_id: str, charge_id: str | None
) -> Iterator[InvoicePaymentFact]:
    """Until 2025-03-31 what pays an invoice names it."""
    invoice_id = id_of(invoice)
    if invoice_id is not None:
        yield InvoicePaymentFact(invoice_id=invoice_id, payment_id=payment_id, charge_id=charge_id)


def refund_facts(refund: Refund, event: Envelope, _metadata_key: str) -> list[Fact]:
    """A refund, unless it only let a hold lapse: where nothing was taken, nothing goes back."""
    if refund.reason == "expired_uncaptured_charge":
        return []
    return [_refund(refund, event)]


def dispute_facts(dispute: Dispute, event: Envelope, _metadata_key: str) -> list[Fact]:
    """A dispute or an inquiry, with the funds that it moved so far."""
    due_by = dispute.evidence_details.due_by if dispute.evidence_details else None
    state = dispute_state(dispute)
    moved = [each.amount for each in dispute.balance_transactions or ()]
    _check_sum("balance_transactions", [amount for amount in moved if amount > 0])
    _check_sum("balance_transactions", [-amount for amount in moved if amount < 0])
    fact = DisputeFact(
        state=state,
        word=unknown_word(state, dispute.status),
        dispute_id=dispute.id,
        amount_minor=dispute.amount,
        currency=dispute.currency.lower(),
        created_at=made_at(dispute.created, event),
        charge_id=id_of(dispute.charge),
        payment_id=id_of(dispute.payment_intent),
        reason=dispute.reason,
        due_at=None if due_by is None else at(due_by),
        movements=tuple(_movement(each, event) for each in dispute.balance_transactions or ()),
        withdrawn=event.type == "charge.dispute.funds_withdrawn",
        reinstated=event.type == "charge.dispute.funds_reinstated",
    )
    return [fact]


def checkout_facts(session: CheckoutSession, event: Envelope, metadata_key: str) -> list[Fact]:
    """A visit to the payment page."""
    state = checkout_state(session, event.type)
    fact = CheckoutFact(
        state=state,
        word=unknown_word(state, session.status),
        session_id=session.id,
        created_at=made_at(session.created, event),
        currency=session.currency.lower() if session.currency else None,
        total_minor=session.amount_total,
        payment_id=id_of(session.payment_intent),
        order_id=_own_word(session.metadata, metadata_key),
        reference=_label(session.client_reference_id),
        customer_id=id_of(session.customer),
        email=_email(session.customer_details) or session.customer_email,
        mode=session.mode,
        invoice_id=id_of(session.invoice),
        subscription_id=id_of(session.subscription),
        discount_minor=session.total_details.amount_discount if session.total_details else None,
        nothing_due=_is_nothing_due(session),
        labels=_labels(session.metadata),
        is_fetched=event.type.endswith(OBSERVED),
    )
    paying = ("payment_status", session.payment_status, PAYMENT_STATUSES)
    mode = ("mode", session.mode, _MODES)
    return [fact, *unknown_words("checkout", session.id, paying, mode)]


def _is_nothing_due(session: CheckoutSession) -> bool:
    """What a page of 0 is called differs by its mode: `no_payment_required` or `paid`.

    Of a mode that sells nothing, or that this version does not know, nothing is settled by it. Nor
    is an amount that is not required yet: it is asked for on another day.
    """
    if session.mode not in _SELLING or session.amount_total:
        return False
    is_for_nothing = session.payment_status == "paid" and session.amount_total == 0
    return is_for_nothing or session.payment_status == "no_payment_required"


def customer_facts(customer: Customer, event: Envelope, _metadata_key: str) -> list[Fact]:
    """A customer, and the balance that his next invoices are settled with."""
    fact = CustomerFact(
        state=customer_state(event.type),
        customer_id=customer.id,
        created_at=None if customer.created is None else at(customer.created),
        email=customer.email,
        name=customer.name,
    )
    return [fact, *_balance(customer, event)]


def _balance(customer: Customer, event: Envelope) -> Iterator[AmountsNotCounted]:
    """What settles the next invoices; 0 says that all was settled, but nothing of a new customer.

    A customer whose balance is 0 may have no currency (any more).
    """
    balance = customer.account_balance if customer.balance is None else customer.balance
    said = {
        "balance": balance,
        "currency": customer.currency,
        "invoice_credit_balance": customer.invoice_credit_balance,
    }
    amounts = amounts_in(said)
    if amounts or (balance is not None and event.type != "customer.created"):
        yield AmountsNotCounted(kind="customer", subject_id=customer.id, amounts=amounts)


def unknown_words(
    kind: str, subject_id: str, *said: tuple[str, str | None, Collection[str]]
) -> Iterator[PartNotUnderstood]:
    """What of an object's parts (name, word, the words that are known) this version does not know.

    States say it themselves.
    """
    for part, word, known in said:
        if word is not None and word not in known:
            yield PartNotUnderstood(kind=kind, part=part, subject_id=subject_id, word=word)


@lru_cache(maxsize=4096)
def at(seconds: int) -> datetime:
    """Seconds since 1970 as a time in UTC; cached, because many reports name the same second."""
    return datetime.fromtimestamp(seconds, UTC)


def _refund(refund: Refund, event: Envelope, charge: Charge | None = None) -> RefundFact:
    """One refund, reported by itself or in the list of its charge."""
    state = refund_state(refund, event.type)
    return RefundFact(
        state=state,
        word=unknown_word(state, refund.status),
        refund_id=refund.id,
        amount_minor=refund.amount,
        currency=refund.currency.lower(),
        created_at=made_at(refund.created, event),
        charge_id=id_of(refund.charge) or (charge.id if charge else None),
        payment_id=id_of(refund.payment_intent)
        or (id_of(charge.payment_intent) if charge else None),
        transaction_id=id_of(refund.balance_transaction),
        request_id=_own_word(refund.metadata, REQUEST_KEY),
        reason=refund.reason,
        failure_code=refund.failure_reason,
    )


def _movement(transaction: BalanceTransaction, event: Envelope) -> FundsMovement:
    return FundsMovement(
        transaction_id=transaction.id,
        amount_minor=transaction.amount,
        fee_minor=transaction.fee,
        currency=transaction.currency.lower(),
        created_at=made_at(transaction.created, event),
    )


def _check_sum(part: str, amounts: Sequence[int]) -> None:
    """Each of a list's amounts is within limits; a sum that is not would fit into no book."""
    if sum(amounts) > MAX_MINOR:
        raise ValueError(f"the amounts in `{part}` add up to more than {MAX_MINOR}")


def _has_money(charge: Charge) -> bool:
    """What a charge says beside a status that we do not know."""
    return charge.captured is True and charge.paid is True


def _released_minor(charge: Charge) -> int:
    """The part of a hold that a partial capture let go; it also stands in `amount_refunded`."""
    return 0 if charge.amount_captured is None else max(0, charge.amount - charge.amount_captured)


def _refunded_minor(charge: Charge) -> int:
    """What the customer got back of a captured charge, as the charge itself tells it."""
    return max(0, (charge.amount_refunded or 0) - _released_minor(charge))


def _customer_refunds(charge: Charge) -> list[Refund]:
    """The refunds in a captured charge's list, without the one that released a part of the hold.

    Stripe lists that release as the first refund; one made in the same second may have a lesser
    id. It is the first of its amount, if the list is complete: its live refunds then add up to
    `amount_refunded`, which contains the release.
    """
    refunds = charge.refunds.data if isinstance(charge.refunds, RefundList) else charge.refunds
    if not refunds:
        return []
    _check_sum("refunds", [each.amount for each in refunds])
    released = _released_minor(charge)
    live = [each for each in refunds if each.status not in {"failed", "canceled"}]
    alike = [each for each in live if each.amount == released]
    if not released or not alike or sum(each.amount for each in live) != charge.amount_refunded:
        return refunds
    release = min(alike, key=lambda each: (each.created or 0, each.id))
    return [each for each in refunds if each is not release]


def _captured_at(event: Envelope, created_at: datetime) -> datetime:
    """Only `charge.captured` says when a hold was taken; other charges were taken when made."""
    return at(event.created) if event.type == "charge.captured" else created_at


def made_at(seconds: int | None, event: Envelope) -> datetime:
    """When an object was made; where it does not say, when its event was."""
    return at(event.created if seconds is None else seconds)


def id_of(reference: Reference) -> str | None:
    """The id behind an expandable field."""
    return reference if reference is None or isinstance(reference, str) else reference.id


def _email(contact: Contact | None) -> str | None:
    return contact.email if contact else None


def _own_word(metadata: Any, key: str) -> str | None:
    """What the shop wrote under its key; metadata is the shop's own, so of any shape."""
    return _label(cast("dict[Any, Any]", metadata).get(key)) if isinstance(metadata, dict) else None


def _label(value: Any) -> str | None:
    """A shop's own word, trimmed; one that is no text, or none of a sane length, links nothing."""
    if not isinstance(value, str):
        return None
    word = value.strip()
    return word if 0 < len(word) <= _MAX_LABEL else None


def _labels(metadata: Any) -> dict[str, str] | None:
    """The shop's own words, by their key, that could be an order's id; `#1001` is `1001`.

    Nothing else of metadata is kept: it may be of a person.
    """
    if not isinstance(metadata, dict):
        return None
    said = cast("dict[Any, Any]", metadata).items()
    words = ((key, order_word(value)) for key, value in said if isinstance(value, str))
    found = {key: word for key, word in words if is_text(key, MAX_KEY) and is_id(word)}
    return found or None


def _description(text: Any) -> str | None:
    """One line of text, its spaces single; what is none, or too long for that, says nothing."""
    line = " ".join(text.split()) if isinstance(text, str) else ""
    return line if is_text(line, MAX_TEXT) else None
