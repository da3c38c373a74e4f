"""The books over HTTP: accounts, trial balances, postings, entries, rules."""

from __future__ import annotations

from datetime import date, datetime

from msgspec.structs import asdict
from starlette.requests import Request
from starlette.routing import Route

from books import classify_http, periods_http
from books import entries as explained
from books.accounts import about, accounts
from books.months import over
from books.names import Names, names
from books.opening import READS as OPENING
from books.opening import listed_since
from books.operations import part, see
from books.postings import READS, postings
from books.schemas import (
    AccountResponse,
    AccountsResponse,
    BalanceResponse,
    EntriesResponse,
    EntryPostingResponse,
    EntryResponse,
    FeeResponse,
    MappedResponse,
    MovementResponse,
    OwnResponse,
    PostingResponse,
    PostingsQuery,
    PostingsResponse,
    RuleResponse,
    RulesResponse,
    TellingResponse,
    TotalsResponse,
    TrialQuery,
    TrialResponse,
)
from books.trial import Balance, Trial, as_closed, totals
from ledger.domain import posting_rules as rules
from ledger.errors import Ambiguous, InvalidCommand, InvalidRequest, NotFound
from projections.engine.names import named
from projections.engine.replay import as_of_projections
from projections.queries.schemas import READ, One, reads_of


@see(errors=READ)
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


@see(errors=(InvalidCommand, *READ))
def read_trial_balance(request: Request, query: TrialQuery) -> TrialResponse:
    """Show the trial balance of a month, or of all `to` another.

    What is closed is what its close says, for good.
    """
    if query.to is not None and query.as_of is not None:
        told = "leave it out: a close is of one month."
        raise InvalidRequest.of_field("to", told, place="query.")
    with reads_of(request).snapshot(OPENING, query.after, current=True) as cursor:
        if query.as_of is None:
            made = over(cursor, query.period, query.to, query.currency)
        else:
            made = as_closed(cursor, query.period, query.as_of, query.currency)
        since = listed_since(cursor, request.state.log, made)
        stands, called = as_of_projections(cursor, READS), names(cursor)
    return _trial_answer(made, stands.position, since, called)


@see(errors=(InvalidCommand, NotFound, *READ))
def read_postings(request: Request, query: PostingsQuery) -> PostingsResponse:
    """List an account's postings in a month, the earliest first, with the balance after each."""
    name = part(request, "name")
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


@see(errors=(NotFound, Ambiguous, *READ))
def read_entry(request: Request, query: One) -> EntriesResponse:
    """Show what a balance transaction came to in the books, by which rule, and whose word it is."""
    with reads_of(request).snapshot(explained.READS, query.after, current=True) as cursor:
        name = named(cursor, "transaction", part(request, "transaction_id"))
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


@see()
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


routes = [
    Route("/books/accounts", read_accounts),
    Route("/books/accounts/{name}/postings", read_postings),
    Route("/books/trial-balance", read_trial_balance),
    Route("/books/entries/{transaction_id}", read_entry),
    Route("/books/rules", read_rules),
    *classify_http.routes,
    *periods_http.routes,
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
        to_period=made.to_period,
        time_zone=made.zone,
        state=made.state,
        version=made.version,
        begins=made.begins,
        listed_since=since,
        as_of_position=position if made.position is None else made.position,
        totals={code: TotalsResponse(**each._asdict()) for code, each in totals(made).items()},
        balances=[_balance_answer(each, called, made.last) for each in made.balances],
    )


def _balance_answer(balance: Balance, called: Names, period: str) -> BalanceResponse:
    own = called.of(balance.account, period)
    return BalanceResponse(**balance._asdict(), own=OwnResponse(**asdict(own)))


def _today(request: Request) -> date:
    zone = request.state.settings.ledger_time_zone
    return request.state.log.clocks.earlier().astimezone(zone).date()
