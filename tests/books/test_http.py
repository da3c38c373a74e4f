"""The books over HTTP: what is closed stays, what is asked twice is done once, who may do what."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.asgi import create_app
from ledger.domain.access import Role
from ledger.domain.posting_rules import RULES_VERSION
from ledger.settings import Settings
from ledger.tokens import issue
from tests.books.ledger import META, Account, on, quiet_shop
from tests.support.callers import let_in
from tests.support.following import following
from tests.support.judged import JudgedClient

WHY = {"reason": "agrees with the bank"}


class Books:
    """The books as a client sees them, up to all that the log says."""

    def __init__(self, client: TestClient, account: Account) -> None:
        self.client = client
        self.account = account

    def get(self, path: str, status: int = 200, **query: Any) -> dict[str, Any]:
        asked = {"after": self.account.log.head(), **query}
        answer = self.client.get(f"/books/{path}", params=asked)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(
        self, path: str, body: dict[str, Any], status: int = 200, key: str | None = None
    ) -> dict[str, Any]:
        headers = {} if key is None else {"idempotency-key": key}
        answer = self.client.post(f"/books/{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def trial(self, period: str, **query: Any) -> dict[str, Any]:
        return self.get("trial-balance", period=period, **query)

    def closings(self, period: str) -> dict[tuple[str, str], int]:
        return {
            (each["account"], each["currency"]): each["closing_minor"]
            for each in self.trial(period)["balances"]
            if each["closing_minor"]
        }

    def openings(self, period: str) -> dict[tuple[str, str], int]:
        return {
            (each["account"], each["currency"]): each["opening_minor"]
            for each in self.trial(period)["balances"]
            if each["opening_minor"]
        }

    def reasons(self, period: str) -> dict[str, str]:
        """The codes of what stands in the way of a close, and the cures."""
        answer = self.get(f"periods/{period}/readiness")
        assert answer["ready"] == (not answer["reasons"])
        return {each["code"]: each["cure"] for each in answer["reasons"]}

    def events(self, topic: str) -> int:
        read = self.account.log.read(limit=10_000)
        return len([each for each in read if topic == each.event.TOPIC])


@pytest.fixture
def books(account: Account) -> Iterator[Books]:
    """A service on a shop whose August and September are all listed."""
    quiet_shop(account)
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] - pydantic-settings' own argument
        database_url=SecretStr(account.engine.database.admin_conninfo),
    )
    app = create_app(settings, account.engine.database)
    with (
        following(account.engine),
        JudgedClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 50000)) as client,
    ):
        let_in(client)
        yield Books(client, account)


# ── Reading ─────────────────────────────────────────────────────────────────────────────────────


def test_a_trial_balance_foots_in_every_currency(books: Books) -> None:
    answer = books.trial("2024-09")
    assert (answer["state"], answer["version"], answer["time_zone"]) == ("open", None, "UTC")
    assert answer["as_of_position"] == books.account.log.head()
    assert answer["totals"].keys() == {"eur", "gbp"}
    for total in answer["totals"].values():
        assert (total["opening_minor"], total["closing_minor"], total["suspense_minor"]) == (0,) * 3
        assert total["debit_minor"] == total["credit_minor"]
    (refunds,) = [each for each in answer["balances"] if each["account"] == "contra:refunds"]
    assert (refunds["opening_minor"], refunds["debit_minor"]) == (0, 2500)
    assert books.trial("2999-09")["state"] == "not_begun"
    only = books.trial("2024-09", currency="GBP")
    assert {each["currency"] for each in only["balances"]} == {"gbp"}


@pytest.mark.parametrize("period", ["2024-13", "2024-9", "september", "0999-01", "2024-09-01"])
def test_what_is_no_month_is_refused(books: Books, period: str) -> None:
    assert books.get("trial-balance", 422, period=period)["code"] == "invalid_request"
    assert books.get(f"periods/{period}/readiness", 422)["code"] == "invalid_command"
    assert books.post(f"periods/{period}/close", WHY, 422)["code"] == "invalid_command"
    assert books.post(f"periods/{period}/reopen", WHY, 422)["code"] == "invalid_command"


def test_a_currency_that_there_is_not_is_refused_and_one_that_did_not_move_is_empty(
    books: Books,
) -> None:
    rows = "accounts/income:sales/postings"
    for code in ("zzz", "gpb"):
        for path in ("trial-balance", rows):
            refused = books.get(path, 422, period="2024-09", currency=code)
            assert refused["code"] == "invalid_command"
            assert code in refused["detail"]
    for code in ("jpy", "usdc"):
        assert books.trial("2024-09", currency=code)["balances"] == []
        assert books.get(rows, period="2024-09", currency=code)["items"] == []


def test_accounts_say_what_they_are_for_and_what_is_in_them(books: Books) -> None:
    answer = books.get("accounts")
    held = {each["account"]: each for each in answer["items"]}
    assert held["income:sales"]["by_currency"] == {"eur": -35_000, "gbp": -4_000}
    assert held["contra:refunds"]["about"] == "refunds, taken off sales"
    names = [each["account"] for each in answer["items"]]
    assert names.index("assets:stripe:paying_out") < names.index("income:sales")
    assert names.index("income:sales") < names.index("expenses:stripe:processing")


def test_postings_run_from_the_opening_to_the_closing_by_page(books: Books) -> None:
    path = "accounts/assets:stripe:payments:available/postings"
    asked: dict[str, Any] = {"period": "2024-09", "currency": "eur", "limit": 2}
    pages = [books.get(path, **asked)]
    while pages[-1]["next"]:
        assert pages[-1]["otherwise_minor"] is None
        pages.append(books.get(path, cursor=pages[-1]["next"], **asked))
    balance = pages[0]["balance"]
    items = [each for page in pages for each in page["items"]]
    running = balance["opening_minor"]
    for each in items:
        running += each["amount_minor"]
        assert each["running_minor"] == running
        assert (each["late"], each["counts_in"]) == (False, "2024-09")
    assert running == balance["closing_minor"]
    assert pages[-1]["otherwise_minor"] == 0
    assert len(pages) > 1
    whole = books.get(path, **{**asked, "limit": 200})
    assert whole["items"] == items


def test_of_an_account_of_several_currencies_one_must_be_named(books: Books) -> None:
    path = "accounts/income:sales/postings"
    refused = books.get(path, 422, period="2024-09")
    assert "name one of eur, gbp" in refused["detail"]
    assert books.get("accounts/contra:refunds/postings", period="2024-09")["currency"] == "eur"
    assert "ledger books accounts" in books.get("accounts/income:sails/postings", 404)["detail"]
    wrong = books.get("accounts/contra:refunds/postings", 422, cursor="WyJ4Il0=")
    assert "use the `next`" in wrong["detail"]


def test_an_entry_says_by_which_rule_and_whose_word_it_is(books: Books) -> None:
    answer = books.get("entries/txn_3")
    assert answer["transaction"]["net_minor"] == 24_245
    assert answer["rule"]["against"] == "income:sales"
    assert [each["part"] for each in answer["entries"]] == ["booked", "available"]
    for entry in answer["entries"]:
        assert sum(each["amount_minor"] for each in entry["postings"]) == 0
        assert all(each["counts_in"] == "2024-09" for each in entry["postings"])
    slots = {each["slot"]: each["stands_for"] for each in answer["entries"][0]["postings"]}
    assert slots[6] == "Stripe's fee"
    (told,) = answer["rests_on"]
    stored = books.client.get(f"/events/{told['position']}").json()
    assert "txn_3" in str(stored)
    assert "ledger stripe pull" in books.get("entries/txn_none", 404)["detail"]


def test_the_rules_are_told(books: Books) -> None:
    answer = books.client.get("/books/rules").json()
    assert answer["version"] == RULES_VERSION
    by_category = {name: each for each in answer["rules"] for name in each["categories"]}
    assert by_category["refund"]["against"] == "contra:refunds"
    assert answer["fee_types"]["withheld_tax"] == "liabilities:sales_tax"


# ── Closing ─────────────────────────────────────────────────────────────────────────────────────


def test_closing_twice_with_one_key_closes_once(books: Books) -> None:
    first = books.post("periods/2024-08/close", WHY, key="k-1")
    assert first["recorded"] == ["books.balances_listed.v1", "books.period_closed.v1"]
    again = books.post("periods/2024-08/close", WHY, key="k-1")
    assert again == first
    assert books.events("books.period_closed.v1") == 1
    refused = books.post("periods/2024-08/close", WHY, 409)
    assert "reopen 2024-08" in refused["detail"]
    (row,) = books.get("periods")["items"]
    assert (row["period"], row["state"], row["version"]) == ("2024-08", "closed", 1)
    assert row["reason"] == WHY["reason"]
    assert books.get("periods/2024-08")["balances"]


def test_a_closed_trial_balance_stays_byte_for_byte_while_late_facts_come(books: Books) -> None:
    books.post("periods/2024-08/close", WHY)
    books.trial("2024-08")
    asked = {"period": "2024-08", "after": books.account.log.head()}
    closed = books.client.get("/books/trial-balance", params=asked).content
    late = books.account.moved(on(8, 31), -1_000, "refund", source="re_late")
    asked["after"] = books.account.log.head()
    assert books.client.get("/books/trial-balance", params=asked).content == closed
    assert books.openings("2024-09") == books.closings("2024-08")
    september = books.trial("2024-09", currency="eur")["balances"]
    late_minor = {each["account"]: each["late_minor"] for each in september}
    assert late_minor["contra:refunds"] == 1_000
    shown = books.get("accounts/contra:refunds/postings", period="2024-09")
    assert [(each["transaction_id"], each["late"]) for each in shown["items"]] == [
        (late, True),
        ("txn_4", False),
    ]
    assert shown["otherwise_minor"] == 0
    assert shown["items"][-1]["running_minor"] == shown["balance"]["closing_minor"]
    before = books.get("accounts/contra:refunds/postings", period="2024-08")
    ((there, counts, running),) = [
        (each["transaction_id"], each["counts_in"], each["running_minor"])
        for each in before["items"]
    ]
    assert (there, counts, running) == (late, "2024-09", 0)
    books.post("periods/2024-09/close", WHY)
    assert books.client.get("/books/trial-balance", params=asked).content == closed
    assert books.openings("2024-10") == books.closings("2024-09")


def test_of_two_closes_at_once_one_closes(books: Books) -> None:
    books.trial("2024-08")
    ready = Barrier(2)

    def close(_: int) -> int:
        ready.wait()
        return books.client.post("/books/periods/2024-08/close", json=WHY).status_code

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(close, range(2))) == [200, 409]
    assert books.events("books.period_closed.v1") == 1
    assert books.events("books.balances_listed.v1") == 1


def test_the_last_month_is_reopened_and_closed_as_its_next_version(books: Books) -> None:
    books.post("periods/2024-08/close", WHY)
    books.post("periods/2024-09/close", WHY)
    assert "reopen 2024-09 first" in books.post("periods/2024-08/reopen", WHY, 409)["detail"]
    as_closed = books.trial("2024-09")
    assert books.trial("2024-09", as_of=as_closed["as_of_position"]) == as_closed
    books.post("periods/2024-09/reopen", WHY)
    assert books.trial("2024-09")["state"] == "open"
    books.account.moved(on(9, 30), 100)
    books.get("periods")
    books.post("periods/2024-09/close", WHY)
    answer = books.trial("2024-09")
    assert (answer["state"], answer["version"]) == ("closed", 2)
    assert answer["balances"] != as_closed["balances"]


def test_as_of_another_position_the_terminal_is_the_cure(books: Books) -> None:
    books.post("periods/2024-08/close", WHY)
    for period in ("2024-08", "2024-09"):
        told = books.get("trial-balance", 422, period=period, as_of=3)["detail"]
        assert f"ledger books trial --period {period} --as-of 3" in told


def test_several_months_are_one_trial_balance(books: Books) -> None:
    books.post("periods/2024-08/close", WHY)
    whole = books.trial("2024-08", to="2024-09")
    first, last = books.trial("2024-08"), books.trial("2024-09")
    assert (whole["period"], whole["to_period"], whole["state"]) == ("2024-08", "2024-09", "open")
    for code, total in whole["totals"].items():
        of_each = [each["totals"].get(code, {"debit_minor": 0}) for each in (first, last)]
        assert total["debit_minor"] == sum(each["debit_minor"] for each in of_each)
    position = first["as_of_position"]
    for wrong in ({"to": "2024-07"}, {"to": "2034-08"}, {"to": "2024-09", "as_of": position}):
        answer = books.get("trial-balance", 422, period="2024-08", **wrong)
        assert [each["field"] for each in answer["errors"]] == ["to"]


def test_a_reason_is_needed(books: Books) -> None:
    for path in ("periods/2024-08/close", "periods/2024-08/reopen"):
        assert books.post(path, {}, 422)["code"] == "invalid_request"
        for blank in ("   ", "\u200b", "\u00a0\u2003"):
            refused = books.post(path, {"reason": blank}, 422)
            assert (refused["code"], refused["errors"][0]["field"]) == ("invalid_command", "reason")


# ── Ready to be closed ──────────────────────────────────────────────────────────────────────────


def test_a_month_that_is_explained_and_listed_is_ready(books: Books) -> None:
    assert books.reasons("2024-08") == {}
    assert books.reasons("2024-09") == {}


Told = Callable[[Account], Any]
UNREADY: dict[str, tuple[str, str, Told]] = {
    "suspense": (
        "2024-09",
        "ledger books classify txn_7 ",
        lambda a: a.moved(on(9, 9), 500, "quantum_entanglement"),
    ),
    "clearing": (
        "2024-09",
        "ledger stripe pull",
        lambda a: a.moved(on(9, 9), -500, "risk_reserved_funds"),
    ),
    "uneven": (
        "2024-09",
        "ledger books classify txn_7 ",
        lambda a: a.moved(on(9, 9), 500, fee=20, net=479),
    ),
    "fee_details": (
        "2024-09",
        "ledger books classify txn_7 ",
        lambda a: a.moved(on(9, 9), 500, fee=20, details=15),
    ),
    "not_over": ("2999-09", "after that", lambda _: None),
    "pull_behind": ("2024-11", "ledger stripe pull --since 2024-11-01", lambda _: None),
    "never_pulled": (
        "2024-09",
        "ledger stripe pull --account acct_two",
        lambda a: a.moved(on(9, 9), 500, account="acct_two"),
    ),
}


@pytest.mark.parametrize("code", UNREADY)
def test_what_stands_in_the_way_is_named_with_its_cure(books: Books, code: str) -> None:
    period, cure, tell = UNREADY[code]
    tell(books.account)
    found = books.reasons(period)
    assert cure in found[code]
    refused = books.post(f"periods/{period}/close", WHY, 409)
    assert refused["code"] == "not_ready"
    assert found[code] in refused["detail"]
    assert books.events("books.period_closed.v1") == 0


def test_what_has_no_other_half_is_named_and_classified(books: Books) -> None:
    """Named example: a release whose hold lies before all that is known, and a hold that stays."""
    for hour, minor in enumerate((-300, 300, 700, -450)):
        kind = "reserve_release" if minor > 0 else "reserve_hold"
        books.account.moved(on(9, 9, hour), minor, kind)
    told = books.get("periods/2024-09/readiness")["reasons"]
    ((code, named),) = [(each["code"], each["transactions"]) for each in told]
    assert (code, named) == ("clearing", ["txn_9", "txn_10"])
    assert "ledger books classify txn_9 --account assets:reserve" in told[0]["cure"]
    for name, against in (("txn_9", "equity:opening"), ("txn_10", "assets:reserve")):
        body = {"account": against, **WHY}
        books.post(f"transactions/{name}/classify", body)
    assert books.reasons("2024-09") == {}
    closings = books.closings("2024-09")
    assert closings["equity:opening", "eur"] == -700
    assert closings["assets:reserve", "eur"] == 450


# ── Where the books begin ───────────────────────────────────────────────────────────────────────


def test_a_first_close_says_what_it_does_not_know(books: Books) -> None:
    """Named example: an account of which only the last months were pulled."""
    books.account.moved(on(9, 9), 500, account="acct_two")
    books.account.listed((on(9), datetime(2024, 11, 1, tzinfo=UTC)), account="acct_two")
    assert "ledger books begin 2024-10" in books.reasons("2024-10")["partial_opening"]
    assert "--account acct_two" in books.reasons("2024-10")["partial_opening"]
    told = books.trial("2024-10")
    assert (told["listed_since"], told["begins"]) == ("2024-09-01T12:00:00Z", None)
    assert books.post("periods/2024-10/close", WHY, 409)["code"] == "not_ready"
    held = [
        {"account": "acct_two:assets:stripe:payments:available", "currency": "eur"}
        | {"opening_minor": 900},
        {"account": "liabilities:sales_tax", "currency": "EUR", "opening_minor": -120},
    ]
    begun = books.post("periods/2024-10/begin", {"balances": held, **WHY})
    assert begun["recorded"] == ["books.opening_entered.v1"]
    assert books.openings("2024-10") == {
        ("acct_two:assets:stripe:payments:available", "eur"): 900,
        ("acct_two:equity:opening", "eur"): -900,
        ("equity:opening", "eur"): 120,
        ("liabilities:sales_tax", "eur"): -120,
    }
    told = books.trial("2024-10")
    assert (told["listed_since"], told["begins"], told["state"]) == (None, "2024-10", "open")
    assert books.trial("2024-09")["state"] == "before"
    assert "before" in books.reasons("2024-09")
    assert "ledger books close 2024-10" in books.reasons("2024-11")["out_of_order"]
    assert books.reasons("2024-10") == {}
    shown = books.get("opening")["opening"]
    assert (shown["period"], shown["version"], shown["reason"]) == ("2024-10", 1, WHY["reason"])
    assert len(shown["balances"]) == 4
    again = books.post("periods/2024-10/begin", {"balances": held, **WHY})
    assert again["recorded"] == []
    equity = books.get("accounts/equity:opening/postings", period="2024-10")
    assert (equity["balance"]["opening_minor"], equity["otherwise_minor"]) == (120, 0)
    books.post("periods/2024-10/close", WHY)
    late = books.account.moved(on(10, 20), 77)
    before = books.account.moved(on(9, 20), 99)
    assert books.openings("2024-11") == books.closings("2024-10")
    rows = books.get("accounts/income:sales/postings", period="2024-11", currency="eur")
    assert [each["transaction_id"] for each in rows["items"]] == [late]
    assert rows["otherwise_minor"] == 0
    assert before not in str(rows)
    refused = books.post("periods/2024-09/begin", WHY, 409)
    assert "reopen 2024-10" in refused["detail"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("assets:stripe:payment:available", "Stripe keeps nothing in"),
        ("wallet", "there can be no account"),
    ],
)
def test_an_opening_names_accounts_that_there_can_be(books: Books, name: str, told: str) -> None:
    held = {"account": name, "currency": "eur", "opening_minor": 5}
    body = {"balances": [held], **WHY}
    assert told in books.post("periods/2024-10/begin", body, 422)["detail"]
    twice = {"balances": [held | {"account": "assets:disputes"}] * 2, **WHY}
    assert "there twice" in books.post("periods/2024-10/begin", twice, 422)["detail"]
    stripes = books.post("periods/2024-10/begin", {"from_stripe": True, **WHY}, 409)
    assert "ledger stripe pull" in stripes["detail"]


def test_accounts_have_the_names_of_the_shop_from_a_month_on(books: Books) -> None:
    own = {"code": "8400", "name": "Sales 19 %", "kind": None}
    path = "accounts/income:sales/map"
    answer = books.post(path, {"period": "2024-09", **own, **WHY}, key="m-1")
    assert answer["recorded"] == ["books.account_mapped.v1"]
    assert books.post(path, {"period": "2024-09", **own, **WHY}, key="m-1") == answer

    def called(period: str) -> dict[str, Any]:
        rows = books.trial(period, currency="eur")["balances"]
        return next(each["own"] for each in rows if each["account"] == "income:sales")

    nothing = dict.fromkeys(own)
    assert (called("2024-08"), called("2024-09"), called("2024-10")) == (nothing, own, own)
    (sales,) = [each for each in books.get("accounts")["items"] if each["mapped"]]
    assert sales["account"] == "income:sales"
    assert [each["period"] for each in sales["mapped"]] == ["2024-09"]
    shown = books.get("accounts/income:sales/postings", period="2024-09", currency="eur")
    assert shown["balance"]["own"] == own
    books.post("periods/2024-08/close", WHY)
    refused = books.post(path, {"period": "2024-08", **own, **WHY}, 409)
    assert "map the account from 2024-09 on" in refused["detail"]
    assert books.post("accounts/income:sails/map", {"period": "2024-09", **own, **WHY}, 404)
    wrong = {"period": "2024-09", **own, **WHY, "name": "a:b"}
    assert books.post(path, wrong, 422)["code"] == "invalid_command"


def test_categories_of_products_are_named_for_open_months(books: Books) -> None:
    named = {"sku": "MUG-*", "category": "mugs", "period": "2024-09", **WHY}
    answer = books.post("categories", named, key="c-1")
    assert answer["recorded"] == ["books.category_named.v1"]
    assert books.post("categories", named, key="c-1") == answer
    (row,) = books.get("categories")["items"]
    assert (row["sku"], row["category"], row["period"]) == ("MUG-*", "mugs", "2024-09")
    own = {"code": "8401", "period": "2024-09", **WHY}
    assert books.post("accounts/income:sales:mugs/map", own)["recorded"]
    books.post("periods/2024-08/close", WHY)
    refused = books.post("categories", named | {"period": "2024-08"}, 409)
    assert "from 2024-09 on" in refused["detail"]
    wrong = books.post("categories", named | {"category": "a:b"}, 422)
    assert wrong["code"] == "invalid_command"


def test_months_are_closed_in_their_order(books: Books) -> None:
    books.post("periods/2024-08/close", WHY)
    assert "ledger books close 2024-09" in books.reasons("2024-10")["out_of_order"]
    assert "reopen 2024-08" in books.reasons("2024-08")["closed"]
    assert "before" in books.reasons("2024-07")
    assert books.post("periods/2024-10/close", WHY, 409)["code"] == "wrong_state"
    for verb in ("close", "reopen"):
        told = books.post(f"periods/2024-07/{verb}", WHY, 409)["detail"]
        assert "lies before 2024-08, the first month" in told


# ── Classifying ─────────────────────────────────────────────────────────────────────────────────


def test_what_no_rule_knows_is_classified_and_the_month_can_be_closed(books: Books) -> None:
    name = books.account.moved(on(9, 9), 500, "quantum_entanglement")
    assert "suspense" in books.reasons("2024-09")
    assert books.get(f"entries/{name}")["rule"] is None
    body = {"account": "income:entanglement", **WHY}
    first = books.post(f"transactions/{name}/classify", body, key="c-1")
    assert first["recorded"] == ["transaction.classified.v1"]
    assert books.post(f"transactions/{name}/classify", body, key="c-1") == first
    assert books.reasons("2024-09") == {}
    shown = books.get(f"entries/{name}")
    assert shown["classified"] == "income:entanglement"
    assert len(shown["rests_on"]) == 2
    assert books.closings("2024-09")["income:entanglement", "eur"] == -500
    other = books.post(f"transactions/{name}/classify", {"account": "income:tunnels", **WHY})
    assert other["recorded"] == ["transaction.classified.v1"]
    assert books.closings("2024-09")["income:tunnels", "eur"] == -500


def test_several_are_classified_as_they_were_previewed(books: Books) -> None:
    names = [
        books.account.moved(on(9, day), 500, "other_adjustment", description="Bank charge")
        for day in (9, 10)
    ]
    books.account.moved(on(9, 11), 500, "other_adjustment", description="Goodwill")
    rule = {"kind": "other_adjustment", "description": "bank*", "currency": "EUR"}
    books.get("accounts")
    shown = books.post("classifications/preview", rule)
    assert [each["transaction_id"] for each in shown["items"]] == names
    assert (shown["by_currency"], shown["has_more"]) == ({"eur": -1000}, False)
    body = {**rule, "page": shown["page"], "account": "expenses:bank", **WHY}
    done = books.post("classifications", body, key="all-1")
    assert (done["classified_now"], done["classified_before"], done["skipped"]) == (2, 0, 0)
    assert books.post("classifications", body, key="all-1") == done
    books.get("accounts")
    assert books.post("classifications", body)["classified_before"] == 2
    assert books.closings("2024-09")["expenses:bank", "eur"] == -1000
    wrong = {**body, "kind": "charge"}
    assert books.post("classifications", wrong, 409)["code"] == "preview_changed"
    every = books.post("classifications/preview", {})
    assert [each["description"] for each in every["items"]] == ["Goodwill"], "one may look at all"
    ruleless = {"page": every["page"], "account": "expenses:misc", **WHY}
    assert books.post("classifications", ruleless, 422)["code"] == "invalid_command"
    mistyped = {**ruleless, "kind": "other_adjustment", "account": "expenses:banks"}
    (told,) = books.post("classifications", mistyped, 422)["errors"]
    assert "there is expenses:bank;" in told["detail"]
    for kind, occurs in (("zzz", False), ("charge", True)):
        nothing = books.post("classifications/preview", {"kind": kind})
        assert (nothing["kinds"], nothing["kind_occurs"]) == (["other_adjustment"], occurs)


@pytest.mark.parametrize(
    ("name", "against", "status", "told"),
    [
        ("txn_3", "expenses:misc", 409, "Nothing of txn_3 stands in suspense"),
        ("txn_none", "expenses:misc", 404, "ledger stripe pull"),
        ("txn_7", "misc", 422, "expenses:misc"),
        ("txn_7", "assets:stripe:payments:available", 422, "Only what Stripe says moves"),
    ],
)
def test_what_cannot_be_classified_is_refused_with_the_cure(
    books: Books, name: str, against: str, status: int, told: str
) -> None:
    books.account.moved(on(9, 9), 500, "quantum_entanglement")
    books.get("accounts")
    body = {"account": against, **WHY}
    assert told in books.post(f"transactions/{name}/classify", body, status)["detail"]


# ── Roles ───────────────────────────────────────────────────────────────────────────────────────


def test_an_accountant_closes_and_an_analyst_looks(books: Books) -> None:
    tokens = {
        role: issue(books.account.log, role, role.value, META).token
        for role in (Role.ACCOUNTANT, Role.ANALYST, Role.AUDITOR, Role.OPS)
    }

    def status(role: Role, method: str, path: str) -> int:
        bearer = {"authorization": f"Bearer {tokens[role]}"}
        body = None if method == "GET" else WHY
        return books.client.request(method, path, json=body, headers=bearer).status_code

    trial, close = "/books/trial-balance?period=2024-09", "/books/periods/2024-08/close"
    for role in (Role.ANALYST, Role.AUDITOR):
        assert (status(role, "GET", trial), status(role, "POST", close)) == (200, 403)
    assert (status(Role.OPS, "GET", trial), status(Role.OPS, "POST", close)) == (403, 403)
    assert (status(Role.ACCOUNTANT, "GET", trial), status(Role.ACCOUNTANT, "POST", close)) == (
        200,
        200,
    )
    for path in ("/kpi", "/issues", "/exports", "/status"):
        expected = status(Role.ANALYST, "GET", path)
        assert status(Role.ACCOUNTANT, "GET", path) == expected != 403
    assert status(Role.ACCOUNTANT, "GET", "/orders") == 403
    assert status(Role.ACCOUNTANT, "POST", "/orders") == 403
    (row,) = books.get("periods")["items"]
    assert row["actor"].startswith("token/")
    assert row["actor_name"] == "accountant"
    bearer = {"authorization": f"Bearer {tokens[Role.ACCOUNTANT]}"}
    since = {"period": "2024-09", **WHY}
    for path, body in (
        ("periods/2024-08/reopen", WHY),
        ("periods/2024-09/begin", WHY),
        ("accounts/income:sales/map", {"code": "8400", **since}),
        ("categories", {"sku": "MUG", "category": "mugs", **since}),
    ):
        answer = books.client.post(f"/books/{path}", json=body, headers=bearer)
        assert answer.status_code == 200, answer.text
    (mapped,) = [each["mapped"] for each in books.get("accounts")["items"] if each["mapped"]]
    told = [books.get("opening")["opening"], *mapped, *books.get("categories")["items"]]
    assert [each["actor_name"] for each in told] == ["accountant"] * 3
