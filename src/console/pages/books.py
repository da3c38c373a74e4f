"""Books: a month's trial balance, an account's postings, a transaction's entries, and periods."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from starlette.responses import Response

from console.api import part
from console.forms import Refusal, answer_or_why, sent
from console.page import PageRequest, done, told_of, view

TRIAL: Final = "/console/books"
PERIODS: Final = "/console/books/periods"
CATEGORIES: Final = "/console/books/categories"
TOLD: Final = {
    "close": "The month is closed.",
    "begin": "The books begin with this month.",
    "reopen": "The month is open again.",
    "map": "The account is named.",
    "category": "The category is named.",
    "take-back": "The category is taken back.",
    "classify": "The transaction is classified.",
}
KINDS: Final = ("assets", "liabilities", "equity", "income", "contra", "expenses")
NEEDED: Final = ("period", "reason")


# ── Looking ─────────────────────────────────────────────────────────────────────────────────────


async def trial(request: PageRequest) -> Response:
    """The trial balance of months, by currency; every number leads to what it is made of."""
    period, currency = _period(request), request.query.get("currency", "").strip()
    to = request.query.get("to", "").strip()
    to = "" if to == period else to
    asked = {"period": period, "to": to, "currency": currency}
    made, wrong = await answer_or_why(request.api.get("/books/trial-balance", **asked))
    return request.page(
        "books.html",
        wrong.status if wrong else 200,
        made=made,
        wrong=wrong,
        period=period,
        last=to or period,
        currency=currency,
        neighbours=_neighbours(period) if made and not to else (),
    )


async def accounts(request: PageRequest) -> Response:
    """Every account, what it is for, what is in it, and what the shop calls it."""
    return request.page("books_accounts.html", found=await request.api.get("/books/accounts"))


async def account(request: PageRequest, refusal: Refusal | None = None) -> Response:
    """An account's postings in a month and a currency."""
    name: str = request.path_params["name"]
    period = (refusal and refusal.fields.get("shown")) or _period(request)
    found = await request.api.get(
        f"/books/accounts/{part(name)}/postings",
        period=period,
        currency=(refusal and refusal.fields.get("currency")) or request.query.get("currency"),
        cursor=request.query.get("cursor"),
    )
    return request.form_page(
        "books_account.html",
        refusal,
        found=found,
        period=period,
        neighbours=_neighbours(period),
        kinds=KINDS,
    )


async def entry(request: PageRequest, refusal: Refusal | None = None) -> Response:
    """What a balance transaction came to in the books, by which rule, and whose word it is."""
    found = await request.api.get(f"/books/entries/{part(request.path_params['id'])}")
    booked = [p for each in found["entries"] if each["part"] == "booked" for p in each["postings"]]
    return request.form_page(
        "books_entry.html",
        refusal,
        found=found,
        period=(booked[0]["day"] if booked else found["transaction"]["created_at"])[:7],
        held=any(":suspense:" in f":{each['account']}" for each in booked),
    )


async def periods(request: PageRequest, refusal: Refusal | None = None) -> Response:
    """The months that were closed, and the one that can be closed next."""
    listed = await request.api.get("/books/periods", sort="-period", limit=200)
    opening = (await request.api.get("/books/opening"))["opening"]
    closed = [row["period"] for row in listed["items"] if row["state"] == "closed"]
    asked = request.path_params.get("period") or request.query.get("period", "").strip()
    first = opening["period"] if opening else _neighbours(_this(request))[0]
    following = _neighbours(closed[0])[1] if closed else asked or first
    looked = request.api.get(f"/books/periods/{part(following)}/readiness")
    ready, wrong = await answer_or_why(looked)
    return request.form_page(
        "books_periods.html",
        refusal,
        wrong.status if wrong else 200,
        items=listed["items"],
        following=following,
        last=closed[0] if closed else None,
        opening=opening,
        ready=ready,
        wrong=wrong,
    )


async def categories(request: PageRequest, refusal: Refusal | None = None) -> Response:
    """Of which category sales of products are, from which month on."""
    closed = await request.api.get("/books/periods", state="closed", sort="-period", limit=1)
    last = [row["period"] for row in closed["items"]]
    accounts = await request.api.get("/books/accounts")
    return request.form_page(
        "books_categories.html",
        refusal,
        found=await request.api.get("/books/categories"),
        currencies={row["account"]: list(row["by_currency"]) for row in accounts["items"]},
        first_open=_neighbours(last[0])[1] if last else _this(request),
    )


# ── Deciding ────────────────────────────────────────────────────────────────────────────────────


async def decide(request: PageRequest, action: str) -> Response:
    """Close or reopen a month, or begin with it; the API's refusal is shown at the form."""
    fields, period = await request.form(), part(request.path_params["period"])
    body: dict[str, object] = {"reason": fields.get("reason", "").strip()}
    if action == "begin":
        body["from_stripe"] = fields.get("held") == "stripe"
    form = _Form(action, f"/books/periods/{period}/{action}", body, "/books/periods", PERIODS)
    return await _send(request, fields, form, periods)


async def name_account(request: PageRequest) -> Response:
    """Say what the shop's own chart of accounts has; the API's refusal is shown at the form."""
    fields, name = await request.form(), part(request.path_params["name"])
    body: dict[str, str | None] = {key: fields.get(key, "").strip() for key in NEEDED}
    body |= {key: fields.get(key, "").strip() or None for key in ("code", "name", "kind")}
    path, back = f"/books/accounts/{name}/map", f"{TRIAL}/accounts"
    form = _Form("map", path, body, "/books/accounts", back)
    return await _send(request, fields, form, account)


async def name_category(request: PageRequest, action: str) -> Response:
    """Name the category of a product, or take it back; the API's refusal is shown at the form."""
    fields = await request.form()
    body: dict[str, object] = {key: fields.get(key, "").strip() for key in ("sku", *NEEDED)}
    body["category"] = fields.get("category", "").strip() if action == "category" else None
    form = _Form(action, "/books/categories", body, "/books/categories", CATEGORIES)
    return await _send(request, fields, form, categories)


async def classify(request: PageRequest) -> Response:
    """Say what a transaction in suspense was; the API's refusal is shown at the form."""
    fields, name = await request.form(), part(request.path_params["id"])
    body: dict[str, object] = {n: fields.get(n, "").strip() for n in ("account", "reason")}
    body["new_account"] = "new_account" in fields
    path, seen = f"/books/transactions/{name}/classify", f"/books/entries/{name}"
    form = _Form("classify", path, body, seen, f"{TRIAL}/entries/{name}")
    return await _send(request, fields, form, entry)


class _Form(NamedTuple):
    """Where what a form says is sent, what the API must have seen of it then, where it goes on."""

    action: str
    path: str
    body: Mapping[str, object]
    seen: str
    back: str


async def _send(
    request: PageRequest,
    fields: dict[str, str],
    form: _Form,
    again: Callable[[PageRequest, Refusal], Awaitable[Response]],
) -> Response:
    """Send it to the API; a refusal is shown at the form, on the page `again`."""
    answer, refusal = await sent(
        request.api.post(form.path, form.body, key=fields.get("key")), form.action, fields
    )
    if refusal:
        return await again(request, refusal)
    await request.wait_for(answer["position"], form.seen)
    return done(request, form.back, told_of(answer, TOLD[form.action]))


# ── Months ──────────────────────────────────────────────────────────────────────────────────────


def _period(request: PageRequest) -> str:
    """The month that is asked for; the present one, where none is."""
    return request.query.get("period", "").strip() or _this(request)


def _this(request: PageRequest) -> str:
    return f"{datetime.now(UTC).astimezone(ZoneInfo(request.zone)):%Y-%m}"


def _neighbours(period: str) -> tuple[str, str]:
    """The months before and after one."""
    year, _, number = period.partition("-")
    months = 12 * int(year) + int(number) - 1
    before, after = (f"{each // 12:04d}-{each % 12 + 1:02d}" for each in (months - 1, months + 1))
    return before, after


routes = [
    view(TRIAL, trial, takes=("period", "to", "currency")),
    view(f"{TRIAL}/accounts", accounts),
    view(f"{TRIAL}/accounts/{{name}}/map", name_account, methods=("POST",)),
    view(f"{TRIAL}/accounts/{{name}}", account, takes=("period", "currency", "cursor")),
    view(f"{TRIAL}/entries/{{id}}", entry),
    view(f"{TRIAL}/entries/{{id}}/classify", classify, methods=("POST",)),
    view(CATEGORIES, categories),
    view(CATEGORIES, partial(name_category, action="category"), methods=("POST",)),
    view(f"{CATEGORIES}/take-back", partial(name_category, action="take-back"), methods=("POST",)),
    view(PERIODS, periods, takes=("period",)),
    *(
        view(f"{PERIODS}/{{period}}/{action}", partial(decide, action=action), methods=("POST",))
        for action in ("close", "reopen", "begin")
    ),
]
