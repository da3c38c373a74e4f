"""Classifying over HTTP: what stands in suspense is booked against an account."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import asdict
from starlette.requests import Request
from starlette.routing import Route

from api.commands import command_handler_of, execute, execute_many
from books import classify
from books import entries as explained
from books.accounts import check_meant
from books.classify_schemas import (
    ClassifiedAllResponse,
    ClassifiedResponse,
    ClassifyAllRequest,
    ClassifyPage,
    ClassifyPreviewResponse,
    ClassifyRequest,
    ClassifyRuleRequest,
    HeldOutcome,
    HeldResponse,
)
from books.operations import DECIDED, change, part, see
from ledger.domain.classification import ClassifyTransaction
from ledger.domain.classify_rule import ClassifyRule
from ledger.domain.events import Metadata
from ledger.errors import Ambiguous, InvalidCommand, NotFound, PreviewChanged
from projections.engine.names import named
from projections.queries.schemas import READ, reads_of


@change(errors=(*DECIDED, NotFound, Ambiguous))
def classify_transaction(request: Request, body: ClassifyRequest) -> ClassifiedResponse:
    """Book what of a transaction stands in suspense against an account; the last word counts."""
    log = request.state.log
    with reads_of(request).snapshot(explained.READS, log.head(), current=True) as cursor:
        name = named(cursor, "transaction", part(request, "transaction_id"))
        explained.check_classifiable(cursor, name)
        check_meant(cursor, body.account, is_new=body.new_account)
    command = ClassifyTransaction(transaction_id=name, against=body.account, at=datetime.now(UTC))
    return ClassifiedResponse(**execute(request, command, body, body.reason).document())


@see(errors=(InvalidCommand, *READ))
def preview_classification(request: Request, body: ClassifyRuleRequest) -> ClassifyPreviewResponse:
    """Show which transactions in suspense a rule finds, before they are classified."""
    log = request.state.log
    with reads_of(request).snapshot(classify.READS, log.head(), current=True) as cursor:
        found = classify.preview(cursor, _rule_of(body))
    return ClassifyPreviewResponse(
        items=[HeldResponse(**_told(each)) for each in found.items],
        by_currency=found.by_currency,
        has_more=found.has_more,
        kinds=found.kinds,
        kind_occurs=found.kind_occurs,
        page=ClassifyPage(**asdict(found.seen)),
    )


@change(errors=(*DECIDED, PreviewChanged))
def classify_transactions(request: Request, body: ClassifyAllRequest) -> ClassifiedAllResponse:
    """Book the transactions of a preview against an account, each as if it were classified alone.

    Where the rule does not find just what was previewed, nothing is classified. What was classified
    since is left as it is, so the same call may be sent again.
    """
    with reads_of(request).snapshot(classify.READS, current=True) as cursor:
        check_meant(cursor, body.account, is_new=body.new_account)

    def carry_out(meta: Metadata) -> ClassifiedAllResponse:
        seen = classify.Seen(**body.page.model_dump())
        wanted = classify.Asked(_rule_of(body), seen, body.account, datetime.now(UTC))
        handler = command_handler_of(request)
        done = classify.classify(reads_of(request), handler, wanted, meta)
        outcomes = [each.outcome for each in done.items]
        return ClassifiedAllResponse(
            position=done.position,
            classified_now=outcomes.count("classified"),
            classified_before=outcomes.count("classified_before"),
            skipped=outcomes.count("skipped"),
            items=[
                HeldOutcome(**_told(each.held), outcome=each.outcome, detail=each.detail)
                for each in done.items
            ],
        )

    return execute_many(request, body, body.reason, ClassifiedAllResponse, carry_out)


routes = [
    Route("/books/classifications/preview", preview_classification, methods=["POST"]),
    Route("/books/classifications", classify_transactions, methods=["POST"]),
    Route("/books/transactions/{transaction_id}/classify", classify_transaction, methods=["POST"]),
]


def _rule_of(body: ClassifyRuleRequest) -> ClassifyRule:
    currency = None if body.currency is None else body.currency.lower()
    return ClassifyRule(kind=body.kind, description=body.description, currency=currency)


def _told(held: classify.Held) -> dict[str, Any]:
    return {name: getattr(held, name) for name in HeldResponse.model_fields}
