"""The books over HTTP: accounts, trial balances, postings, entries, rules; closing, classifying."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Final

from msgspec.structs import asdict
from starlette.requests import Request
from starlette.routing import Route

from api.commands import COMMAND, command_handler_of, execute, fingerprint, key_of
from api.operations import operation
from api.permissions import Permission, identity_of, meta_of
from books import classify
from books import entries as explained
from books.accounts import about, accounts
from books.categories import categories
from books.close import close
from books.names import Names, check_there, names
from books.opening import READS as OPENING
from books.opening import entered, listed_since, opening
from books.postings import READS, postings
from books.ready import readiness
from books.schemas import (
    AccountResponse,
    AccountsResponse,
    BalanceEntry,
    BalanceResponse,
    BeginRequest,
    CategoriesResponse,
    CategoryRequest,
    CategoryResponse,
    ClassifiedAllResponse,
    ClassifiedResponse,
    ClassifyAllRequest,
    ClassifyPage,
    ClassifyPreviewResponse,
    ClassifyRequest,
    ClassifyRuleRequest,
    DecideRequest,
    EntriesResponse,
    EntryPostingResponse,
    EntryResponse,
    FeeResponse,
    HeldOutcome,
    HeldResponse,
    MappedResponse,
    MapRequest,
    MovementResponse,
    OpeningResponse,
    OpeningsResponse,
    OwnResponse,
    PeriodResponse,
    PostingResponse,
    PostingsQuery,
    PostingsResponse,
    ReadinessResponse,
    RuleResponse,
    RulesResponse,
    TellingResponse,
    TotalsResponse,
    TrialQuery,
    TrialResponse,
    UnreadyResponse,
)
from books.trial import Balance, Trial, as_closed, totals, trial
from ledger.domain import posting_rules as rules
from ledger.domain.account_names import OwnName
from ledger.domain.aggregate import Command
from ledger.domain.classification import ClassifyTransaction
from ledger.domain.classify_rule import ClassifyRule
from ledger.domain.events import OpeningBalance
from ledger.domain.period import MapAccount, NameCategory, ReopenPeriod
from ledger.errors import (
    Ambiguous,
    InvalidCommand,
    LedgerError,
    NotFound,
    NotReady,
    PreviewChanged,
    WrongState,
)
from projections.engine.names import named
from projections.engine.replay import as_of_projections
from projections.queries.listing import check_texts
from projections.queries.schemas import READ, One, reads_of

_Errors = tuple[type[LedgerError], ...]
_DECIDED: Final[_Errors] = (*COMMAND, WrongState, *READ)

_see = partial(operation, Permission.SEE_BOOKS, "books")
_change = partial(operation, Permission.CLOSE_BOOKS, "books", idempotent=True)


# ── Looking ─────────────────────────────────────────────────────────────────────────────────────


@_see(errors=READ)
def read_accounts(request: Request, query: One) -> AccountsResponse:
    """List every account that anything ever moved in, with what is in it at the end of today."""
    today = _today(request)
    with reads_of(request).snapshot(READS, query.after, current=True) as cursor:
        stands = as_of_projections(cursor, READS)
        found, called = accounts(cursor, today), names(cursor)
    return AccountsResponse(
        day=today,
        time_zone=stands.time_zone,
        as_of_position=stands.position,
        items=[
            AccountResponse(
                **each._asdict(),
                mapped=[
                    MappedResponse(
                        **{name: getattr(one, name) for name in MappedResponse.model_fields}
                    )
                    for one in called.mapped(each.account)
                ],
            )
            for each in found
        ],
    )


@_see(errors=(InvalidCommand, *READ))
def read_trial_balance(request: Request, query: TrialQuery) -> TrialResponse:
    """Show a month's trial balance: what is closed is what its close says, for good."""
    with reads_of(request).snapshot(OPENING, query.after, current=True) as cursor:
        if query.as_of is None:
            made = trial(cursor, query.period, query.currency)
        else:
            made = as_closed(cursor, query.period, query.as_of, query.currency)
        since = listed_since(cursor, request.state.log, made)
        stands, called = as_of_projections(cursor, READS), names(cursor)
    return _trial_answer(made, stands.position, since, called)


@_see(errors=(InvalidCommand, NotFound, *READ))
def read_postings(request: Request, query: PostingsQuery) -> PostingsResponse:
    """List an account's postings in a month, the earliest first, with the balance after each."""
    name = _part(request, "name")
    period = query.period or f"{_today(request):%Y-%m}"
    with reads_of(request).snapshot(READS, query.after, current=True) as cursor:
        found = postings(
            cursor, name, period, query.currency, limit=query.limit, start=query.cursor
        )
        stands, called = as_of_projections(cursor, READS), names(cursor)
    return PostingsResponse(
        as_of_position=stands.position,
        account=name,
        about=about(name),
        currency=found.balance.currency,
        period=period,
        time_zone=found.trial.zone,
        state=found.trial.state,
        balance=_balance_answer(found.balance, called, period),
        items=[PostingResponse(**each._asdict()) for each in found.postings],
        otherwise_minor=found.otherwise_minor,
        next=found.next,
    )


@_see(errors=(NotFound, Ambiguous, *READ))
def read_entry(request: Request, query: One) -> EntriesResponse:
    """Show what a balance transaction came to in the books, by which rule, and whose word it is."""
    with reads_of(request).snapshot(explained.READS, query.after, current=True) as cursor:
        name = named(cursor, "transaction", _part(request, "transaction_id"))
        found = explained.entries(cursor, name)
        stands = as_of_projections(cursor, explained.READS)
    told = dict(found.transaction)
    beside = {name: told.pop(name) for name in ("payment_id", "order_id", "classified")}
    return EntriesResponse(
        as_of_position=stands.position,
        transaction=MovementResponse(**told),
        fees=[FeeResponse(**each) for each in found.fees],
        rule=None if found.rule is None else rule_answer(found.rule),
        entries=[
            EntryResponse(
                part=part,
                about=rules.PARTS[part],
                postings=[EntryPostingResponse(**each) for each in rows],
            )
            for part, rows in found.parts.items()
        ],
        rests_on=[
            TellingResponse(**{name: each[name] for name in TellingResponse.model_fields})
            for each in found.rests_on
        ],
        **beside,
    )


@_see()
def read_rules(_request: Request) -> RulesResponse:
    """Show the rules by which Stripe's transactions become entries."""
    return RulesResponse(
        version=rules.RULES_VERSION,
        rules=[rule_answer(each) for each in rules.RULES],
        fee_types=rules.FEES,
        types=rules.TYPES | rules.FINER,
        accounts=rules.ACCOUNTS,
        entry_parts=rules.PARTS,
        slots=rules.SLOTS,
        unknown=rules.SUSPENSE,
        unknown_fee=rules.FEE_REST,
    )


@_see(errors=(InvalidCommand, *READ))
def read_readiness(request: Request, query: One) -> ReadinessResponse:
    """Say whether a month can be closed now, and if not, why, each reason with its cure."""
    period: str = request.path_params["period"]
    with reads_of(request).snapshot(READS, query.after, current=True) as cursor:
        found = readiness(cursor, request.state.log, period)
        stands = as_of_projections(cursor, READS)
    return ReadinessResponse(
        period=period,
        as_of_position=stands.position,
        ready=not found.reasons,
        reasons=[UnreadyResponse(**each._asdict()) for each in found.reasons],
    )


@_see(errors=READ)
def read_opening(request: Request, query: One) -> OpeningsResponse:
    """Show what a person entered that accounts held before the first month of the books."""
    with reads_of(request).snapshot(READS, query.after, current=True) as cursor:
        found = entered(cursor)
        stands = as_of_projections(cursor, READS)
    told = None
    if found is not None:
        balances = [BalanceEntry(**asdict(each)) for each in found.balances]
        told = OpeningResponse(
            period=found.period,
            version=found.version,
            actor=found.actor,
            actor_name=found.actor_name,
            reason=found.reason,
            entered_at=found.entered_at,
            balances=balances,
        )
    return OpeningsResponse(as_of_position=stands.position, opening=told)


# ── Deciding ────────────────────────────────────────────────────────────────────────────────────


@_change(errors=(*_DECIDED, NotReady))
def close_period(request: Request, body: DecideRequest) -> PeriodResponse:
    """Close the next month: its balances are on record, and nothing changes them any more.

    Refused while something must be put right before; the detail names each reason and its cure.
    """
    period: str = request.path_params["period"]
    log = request.state.log
    with reads_of(request).snapshot(READS, log.head(), current=True) as cursor:
        command = close(cursor, log, period, datetime.now(UTC))
    return _done(request, command, body)


@_change(errors=(*_DECIDED, NotFound))
def map_account(request: Request, body: MapRequest) -> PeriodResponse:
    """Say what the shop's own chart of accounts has for an account, from an open month on."""
    name, log = _part(request, "name"), request.state.log
    with reads_of(request).snapshot(READS, log.head(), current=True) as cursor:
        check_there(cursor, name)
    command = MapAccount(
        account=name,
        period=body.period,
        own=OwnName(body.code, body.name, body.kind),
        at=datetime.now(UTC),
    )
    return _done(request, command, body)


@_see(errors=READ)
def read_categories(request: Request, query: One) -> CategoriesResponse:
    """List the categories by which sales are booked: SKU, first month, category."""
    with reads_of(request).snapshot(READS, query.after, current=True) as cursor:
        stands, found = as_of_projections(cursor, READS), categories(cursor)
    return CategoriesResponse(
        as_of_position=stands.position,
        items=[CategoryResponse(**each._asdict()) for each in found],
    )


@_change(errors=_DECIDED)
def name_category(request: Request, body: CategoryRequest) -> PeriodResponse:
    """Book sales of products by category, from an open month on.

    Goods of a linked order are split over `income:sales:…` by its lines, and refunds over
    `contra:refunds:…`.
    """
    command = NameCategory(
        sku=body.sku, category=body.category, period=body.period, at=datetime.now(UTC)
    )
    return _done(request, command, body)


@_change(errors=(*_DECIDED, NotReady))
def begin_books(request: Request, body: BeginRequest) -> PeriodResponse:
    """Begin the books with a month, while none is closed: say what accounts held before it.

    What is known of the time before is no part of the books then. What was entered last counts.
    """
    period, log = request.path_params["period"], request.state.log
    given = [
        OpeningBalance(
            account=each.account, currency=each.currency.lower(), opening_minor=each.opening_minor
        )
        for each in body.balances
    ]
    with reads_of(request).snapshot(OPENING, log.head(), current=True) as cursor:
        command = opening(
            cursor, log, period, given, datetime.now(UTC), from_stripe=body.from_stripe
        )
    return _done(request, command, body)


@_change(errors=(*_DECIDED,))
def reopen_period(request: Request, body: DecideRequest) -> PeriodResponse:
    """Open the month again that was closed last; what its close said stays on record."""
    command = ReopenPeriod(period=request.path_params["period"], at=datetime.now(UTC))
    return _done(request, command, body)


@_change(errors=(*_DECIDED, NotFound, Ambiguous))
def classify_transaction(request: Request, body: ClassifyRequest) -> ClassifiedResponse:
    """Book what of a transaction stands in suspense against an account; the last word counts."""
    log = request.state.log
    with reads_of(request).snapshot(explained.READS, log.head(), current=True) as cursor:
        name = named(cursor, "transaction", _part(request, "transaction_id"))
        explained.check_classifiable(cursor, name)
    command = ClassifyTransaction(transaction_id=name, against=body.account, at=datetime.now(UTC))
    return ClassifiedResponse(**execute(request, command, body, body.reason).document())


@_see(errors=(InvalidCommand, *READ))
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


@_change(errors=(*_DECIDED, PreviewChanged))
def classify_transactions(request: Request, body: ClassifyAllRequest) -> ClassifiedAllResponse:
    """Book the transactions of a preview against an account, each as if it were classified alone.

    Where the rule does not find just what was previewed, nothing is classified. What was classified
    since is left as it is, so the same call may be sent again.
    """
    handler, key, asked = command_handler_of(request), key_of(request), ""
    owner = identity_of(request).customer_id
    if key is not None:
        asked = fingerprint(request, body)
        before = handler.answered(key, asked, key_owner=owner)
        if before is not None:
            return ClassifiedAllResponse.model_validate_json(before["report"])
    meta, seen = meta_of(request, body.reason), classify.Seen(**body.page.model_dump())
    wanted = classify.Asked(_rule_of(body), seen, body.account, datetime.now(UTC))
    done = classify.classify(reads_of(request), handler, wanted, meta)
    outcomes = [each.outcome for each in done.items]
    answer = ClassifiedAllResponse(
        position=done.position,
        classified_now=outcomes.count("classified"),
        classified_before=outcomes.count("classified_before"),
        skipped=outcomes.count("skipped"),
        items=[
            HeldOutcome(**_told(each.held), outcome=each.outcome, detail=each.detail)
            for each in done.items
        ],
    )
    if key is not None:
        handler.remember(key, asked, {"report": answer.model_dump_json()}, meta, key_owner=owner)
    return answer


routes = [
    Route("/books/accounts", read_accounts),
    Route("/books/accounts/{name}/postings", read_postings),
    Route("/books/accounts/{name}/map", map_account, methods=["POST"]),
    Route("/books/categories", read_categories),
    Route("/books/categories", name_category, methods=["POST"]),
    Route("/books/trial-balance", read_trial_balance),
    Route("/books/entries/{transaction_id}", read_entry),
    Route("/books/rules", read_rules),
    Route("/books/opening", read_opening),
    Route("/books/periods/{period}/readiness", read_readiness),
    Route("/books/periods/{period}/begin", begin_books, methods=["POST"]),
    Route("/books/periods/{period}/close", close_period, methods=["POST"]),
    Route("/books/periods/{period}/reopen", reopen_period, methods=["POST"]),
    Route("/books/classifications/preview", preview_classification, methods=["POST"]),
    Route("/books/classifications", classify_transactions, methods=["POST"]),
    Route("/books/transactions/{transaction_id}/classify", classify_transaction, methods=["POST"]),
]


def rule_answer(rule: rules.Rule) -> RuleResponse:
    """A rule, as it is told."""
    return RuleResponse(
        categories=list(rule.categories),
        against=rule.against,
        shape=rule.shape,
        does=rules.SHAPES[rule.shape],
        because=rule.because,
    )


def _trial_answer(
    made: Trial, position: int, since: datetime | None, called: Names
) -> TrialResponse:
    return TrialResponse(
        period=made.period,
        time_zone=made.zone,
        state=made.state,
        version=made.version,
        begins=made.begins,
        listed_since=since,
        as_of_position=position if made.position is None else made.position,
        totals={code: TotalsResponse(**each._asdict()) for code, each in totals(made).items()},
        balances=[_balance_answer(each, called, made.period) for each in made.balances],
    )


def _rule_of(body: ClassifyRuleRequest) -> ClassifyRule:
    currency = None if body.currency is None else body.currency.lower()
    return ClassifyRule(kind=body.kind, description=body.description, currency=currency)


def _told(held: classify.Held) -> dict[str, Any]:
    return {name: getattr(held, name) for name in HeldResponse.model_fields}


def _balance_answer(balance: Balance, called: Names, period: str) -> BalanceResponse:
    own = called.of(balance.account, period)
    return BalanceResponse(**balance._asdict(), own=OwnResponse(**asdict(own)))


def _done(
    request: Request,
    command: Command,
    body: DecideRequest | BeginRequest | MapRequest | CategoryRequest,
) -> PeriodResponse:
    return PeriodResponse(**execute(request, command, body, body.reason).document())


def _part(request: Request, name: str) -> str:
    """A name in the path; raises `InvalidRequest` for a text that none in the database can be."""
    value: str = request.path_params[name]
    check_texts([value])
    return value


def _today(request: Request) -> date:
    zone = request.state.settings.ledger_time_zone
    return request.state.log.clocks.earlier().astimezone(zone).date()
