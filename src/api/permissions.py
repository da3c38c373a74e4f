"""Who may do what: one table, from which checks, documents and tests are made."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import uuid4

from msgspec import Struct
from starlette.requests import Request

from ledger.domain.access import Role
from ledger.domain.events import Metadata

MAX_HEADER: Final = 200


class Permission(StrEnum):
    """What a caller may be allowed to do; every operation names one."""

    PUBLIC = "public"
    WEBHOOK = "webhook"
    SEE_SELF = "see_self"
    SEARCH = "search"
    PLACE_ORDER = "place_order"
    PLACE_PAST_ORDER = "place_past_order"
    SEE_ORDER = "see_order"
    CANCEL_ORDER = "cancel_order"
    SEE_ORDER_HISTORY = "see_order_history"
    MANAGE_ORDER = "manage_order"
    MANAGE_STOCK = "manage_stock"
    MANAGE_WISHLIST = "manage_wishlist"
    SEE_WISHLIST = "see_wishlist"
    SEE_RECORDS = "see_records"
    SEE_FIGURES = "see_figures"
    SEE_BOOKS = "see_books"
    CLOSE_BOOKS = "close_books"
    EXPORT = "export"
    SEE_ISSUES = "see_issues"
    RUN_CHECKS = "run_checks"
    DECIDE_ISSUE = "decide_issue"
    SEE_PAYLOADS = "see_payloads"
    SEE_EVIDENCE = "see_evidence"
    PROVE = "prove"
    REBUILD = "rebuild"
    SEE_STATUS = "see_status"
    MANAGE_TOKENS = "manage_tokens"
    MANAGE_ALERTS = "manage_alerts"


class Scope(StrEnum):
    """On which objects a role has a permission."""

    NO = "no"
    OWN = "own"
    ANY = "any"
    SETTING = "setting"
    """Any where LEDGER_ANALYSTS_SEE_ORDERS is on, else no: for analysts and accountants."""


class Rule(NamedTuple):
    """A row of the table: what the permission is for, and on which objects each role has it."""

    about: str
    customer: Scope
    analyst: Scope
    accountant: Scope
    ops: Scope
    auditor: Scope
    admin: Scope
    migration: Scope = Scope.NO
    """For a program that brings an existing shop's orders, once."""

    def of(self, role: Role) -> Scope:
        """How far the role may go."""
        return getattr(self, role)


_NO, _OWN, _ANY, _SETTING = Scope

# fmt: off
MATRIX: Final[Mapping[Permission, Rule]] = {
    #                               customer analyst accountant ops auditor admin migration (if any)
    Permission.SEE_SELF: Rule(
        "see whose token this is, and what it opens",
                                      _OWN, _ANY,     _ANY,     _ANY, _ANY,   _ANY, _ANY),
    Permission.SEARCH: Rule(
        "search in what the role may see",
                                      _OWN, _ANY,     _ANY,     _ANY, _ANY,   _ANY),
    Permission.PLACE_ORDER: Rule(
        "place an order",             _OWN, _NO,      _NO,      _ANY, _NO,    _ANY, _ANY),
    Permission.PLACE_PAST_ORDER: Rule(
        "write down an order of the past (`placed_at`), which takes no stock",
                                      _NO,  _NO,      _NO,      _NO,  _NO,    _ANY, _ANY),
    Permission.SEE_ORDER: Rule(
        "see an order",               _OWN, _SETTING, _SETTING, _ANY, _ANY,   _ANY, _ANY),
    Permission.CANCEL_ORDER: Rule(
        "cancel an order",            _OWN, _NO,      _NO,      _ANY, _NO,    _ANY),
    Permission.SEE_ORDER_HISTORY: Rule(
        "see an order's history",     _NO,  _SETTING, _SETTING, _ANY, _ANY,   _ANY),
    Permission.MANAGE_ORDER: Rule(
        "expire, fulfil, return, request a refund or withdraw it, link a payment",
                                      _NO,  _NO,      _NO,      _ANY, _NO,    _ANY),
    Permission.MANAGE_STOCK: Rule(
        "list products, receive and adjust stock",
                                      _NO,  _NO,      _NO,      _ANY, _NO,    _ANY),
    Permission.MANAGE_WISHLIST: Rule(
        "add to a wishlist, remove from it",
                                      _OWN, _NO,      _NO,      _ANY, _NO,    _ANY),
    Permission.SEE_WISHLIST: Rule(
        "see a wishlist",             _OWN, _NO,      _NO,      _ANY, _ANY,   _ANY),
    Permission.SEE_RECORDS: Rule(
        "see payments, charges, refunds, disputes, checkouts, customers, stock",
                                      _NO,  _NO,      _NO,      _ANY, _ANY,   _ANY),
    Permission.SEE_FIGURES: Rule(
        "see KPIs and the dashboard", _NO,  _ANY,     _ANY,     _ANY, _ANY,   _ANY),
    Permission.SEE_BOOKS: Rule(
        "see the books: accounts, postings, trial balances, periods",
                                      _NO,  _ANY,     _ANY,     _NO,  _ANY,   _ANY),
    Permission.CLOSE_BOOKS: Rule(
        "close and reopen a month of the books, classify a transaction",
                                      _NO,  _NO,      _ANY,     _NO,  _NO,    _ANY),
    Permission.EXPORT: Rule(
        "download the exports",       _NO,  _ANY,     _ANY,     _ANY, _ANY,   _ANY),
    Permission.SEE_ISSUES: Rule(
        "see checks and issues",      _NO,  _ANY,     _ANY,     _ANY, _ANY,   _ANY),
    Permission.RUN_CHECKS: Rule(
        "run the checks",             _NO,  _ANY,     _ANY,     _ANY, _NO,    _ANY),
    Permission.DECIDE_ISSUE: Rule(
        "resolve or reopen an issue", _NO,  _NO,      _NO,      _ANY, _NO,    _ANY),
    Permission.SEE_PAYLOADS: Rule(
        "see what the events of a history hold (`?payload=true`)",
                                      _NO,  _NO,      _NO,      _ANY, _ANY,   _ANY),
    Permission.SEE_EVIDENCE: Rule(
        "see the log's events, what they hold, the audit log",
                                      _NO,  _NO,      _NO,      _NO,  _ANY,   _ANY),
    Permission.PROVE: Rule(
        "prove the read models, see the proof",
                                      _NO,  _NO,      _NO,      _NO,  _ANY,   _ANY),
    Permission.REBUILD: Rule(
        "rebuild the read models, see how far it is",
                                      _NO,  _NO,      _NO,      _NO,  _NO,    _ANY),
    Permission.SEE_STATUS: Rule(
        "see where the projections stand",
                                      _NO,  _ANY,     _ANY,     _ANY, _ANY,   _ANY),
    Permission.MANAGE_TOKENS: Rule(
        "issue, list and revoke tokens",
                                      _NO,  _NO,      _NO,      _NO,  _NO,    _ANY),
    Permission.MANAGE_ALERTS: Rule(
        "see alerts and who is told, send one to try",
                                      _NO,  _NO,      _NO,      _NO,  _NO,    _ANY),
}
# fmt: on
"""Every permission but the two that ask for no token."""

OPEN: Final = frozenset({Permission.PUBLIC, Permission.WEBHOOK})
"""Surfaces that ask for no token; the webhook asks for Stripe's signature instead."""


class Identity(Struct, frozen=True):
    """Who calls: `token/<id>`.

    `customer_id` is that of a customer's token, who sees and does only what is his own.
    """

    actor: str
    name: str
    role: Role
    customer_id: str | None = None


def scope_of(permission: Permission, role: Role, *, analysts_see_orders: bool) -> Scope:
    """How far a role may go with this setting: `no`, `own` or `any`."""
    given = MATRIX[permission].of(role)
    if given is not Scope.SETTING:
        return given
    return Scope.ANY if analysts_see_orders else Scope.NO


def identity_of(request: Request) -> Identity:
    """Who calls, as authentication found out."""
    return request.state.identity


def meta_of(request: Request, reason: str | None = None) -> Metadata:
    """Who does something, from where and why: the meta of every event that a call makes."""
    identity = identity_of(request)
    return Metadata(
        actor=identity.actor,
        actor_name=identity.name,
        role=identity.role.value,
        address=request.client.host if request.client else None,
        user_agent=_header(request, "user-agent"),
        request_id=_header(request, "x-request-id") or uuid4().hex,
        reason=reason,
    )


def _header(request: Request, name: str) -> str | None:
    """A header as far as a log may show it."""
    text = "".join(filter(str.isprintable, request.headers.get(name, "")))
    return text[:MAX_HEADER] or None
