"""Trouble of one cause is one issue, however many things it has befallen."""

from typing import Any

from psycopg import Connection

from kpi.checks.ask import MANY, Limits
from kpi.checks.declare import Check
from ledger.domain.events import PaymentLinked
from projections.engine.tables import trusted
from tests.kpi.builder import CHECKS, LedgerBuilder
from tests.kpi.checks.scenarios import bare
from tests.webhooks.billing_examples import invoice, invoice_payment, subscription
from tests.webhooks.examples import charge, dispute, intent, refund, transaction


def issues_of(builder: LedgerBuilder, state: str = "open") -> list[dict[str, Any]]:
    return [issue for issue in builder.issues() if issue["state"] == state]


def test_events_that_cannot_be_read_are_one_issue_a_type_and_cause(builder: LedgerBuilder) -> None:
    for _ in range(250):
        builder.stripe("charge.succeeded", charge(amount="ten"))
    for number in range(20):
        builder.stripe("refund.created", refund(amount=-number - 1))
    found = builder.run("unreadable_events")
    assert found.events == {"issue.opened.v1": 2}
    events = {issue["evidence"]["type"]: issue["evidence"]["events"] for issue in builder.issues()}
    assert events == {"charge.succeeded": 250, "refund.created": 20}
    builder.stripe("refund.created", refund(amount=-99))
    builder.stripe("refund.created", refund(amount=-100))
    assert builder.run("unreadable_events").events == {"issue.evidence_changed.v1": 1}
    assert builder.run("unreadable_events").events == {}


def sold(builder: LedgerBuilder, number: int, **fields: Any) -> None:
    """A charge that names no order."""
    account = fields.pop("account", None)
    of: dict[str, Any] = {} if account is None else {"account": account}
    thing = bare(f"ch_{number}", metadata={}, created=int(builder.at.timestamp()), **fields)
    builder.stripe("charge.succeeded", thing, **of)


def evidence_of(builder: LedgerBuilder) -> dict[str, dict[str, Any]]:
    return {i["reference"]: i["evidence"] for i in issues_of(builder) if i["kind"] == "payments"}


def test_payments_without_an_order_are_one_issue_a_currency_account_and_day(
    builder: LedgerBuilder,
) -> None:
    """What was before the first order is no work of a day: a pulled history is a handful."""
    for number in range(8):
        sold(builder, number)
        builder.wait(days=1)
    sold(builder, 8, currency="usd")
    sold(builder, 9, account="acct_x")
    assert builder.run("unlinked_payments").events == {"issue.opened.v1": 3}
    assert {name: e["payments_count"] for name, e in evidence_of(builder).items()} == {
        "gbp before the first order": 8,
        "usd before the first order": 1,
        "gbp acct_x before the first order": 1,
    }
    assert evidence_of(builder)["gbp before the first order"] == {
        "payments_id": "gbp before the first order",
        "currency": "gbp",
        "account": None,
        "day": None,
        "payments_count": 8,
        "kept_minor": 8000,
        "given_back_minor": 0,
        "samples": "ch_0, ch_1, ch_2, ch_3, ch_4",
    }
    builder.place("A1", total_minor=3000)
    for number in (10, 11):
        sold(builder, number)
        sold(builder, number, account="acct_x")
    builder.wait(days=1)
    sold(builder, 12)
    assert builder.run("unlinked_payments").events == {"issue.opened.v1": 3}
    days = {name for name in evidence_of(builder) if "before" not in name}
    assert days == {"gbp 2026-03-09", "gbp acct_x 2026-03-09", "gbp 2026-03-10"}


def test_the_issue_counts_down_as_links_come_and_resolves_with_the_last(
    builder: LedgerBuilder,
) -> None:
    for number in range(2):
        sold(builder, number)
    sold(builder, 2)
    went_back = {"charge": "ch_2", "payment_intent": None}
    builder.stripe("refund.created", refund(amount=600, **went_back))
    lost = dispute(status="lost", balance_transactions=[transaction(amount=-900)], **went_back)
    builder.stripe("charge.dispute.closed", lost)
    builder.run("unlinked_payments")
    (before,) = evidence_of(builder).values()
    assert (before["kept_minor"], before["given_back_minor"]) == (2000, 500)
    builder.place("A1")
    builder.shop(PaymentLinked(order_id="A1", payment_id="ch_0"))
    assert builder.run("unlinked_payments").events == {"issue.evidence_changed.v1": 1}
    assert [e["payments_count"] for e in evidence_of(builder).values()] == [2]
    for number in (1, 2):
        builder.shop(PaymentLinked(order_id="A1", payment_id=f"ch_{number}"))
    assert builder.run("unlinked_payments").events == {"issue.resolved.v1": 1}


def test_more_days_than_people_look_at_are_one_issue_a_currency_that_counts_all(
    builder: LedgerBuilder,
) -> None:
    builder.place("A1")
    for number in range(MANY + 1):
        sold(builder, number)
        builder.wait(days=1)
    sold(builder, 900, currency="usd")
    builder.run("unlinked_payments")
    (many,) = [issue for issue in issues_of(builder) if issue["kind"] == "check"]
    assert (many["reference"], many["severity"]) == ("many in gbp", "medium")
    told = many["evidence"]
    assert (told["findings"], told["payments_count"], told["kept_minor"]) == (
        MANY + 1,
        MANY + 1,
        1000 * (MANY + 1),
    )
    assert [each["currency"] for each in evidence_of(builder).values()] == ["usd"]


def test_orders_are_looked_at_one_by_one(builder: LedgerBuilder) -> None:
    for number in range(MANY + 1):
        builder.place(f"A{number}")
        thing = bare(f"ch_{number}", amount=1500, metadata={"order_id": f"A{number}"})
        builder.stripe("charge.succeeded", thing)
    assert builder.run("overpaid").events == {"issue.opened.v1": MANY + 1}


def test_a_charge_that_names_another_order_than_its_payment(builder: LedgerBuilder) -> None:
    """Both have metadata of their own, and the payment's go first."""
    for order_id in ("A1", "B1"):
        builder.place(order_id)
    builder.stripe("charge.succeeded", charge(metadata={"order_id": "B1"}))
    builder.stripe("payment_intent.succeeded", intent(metadata={"order_id": "A1"}))
    (found,) = builder.run("payment_of_two_orders").findings
    assert found.reference == "pi_1"
    assert found.evidence["other_order_id"] == "B1"
    assert found.evidence["said_by"] == "a charge's metadata"
    builder.stripe("charge.updated", charge(metadata={"order_id": "A1"}))
    assert builder.run("payment_of_two_orders").findings == []


def lists_searched_for_each_row(plan: dict[str, Any], *, each_row: bool = False) -> list[str]:
    """The named queries of a statement that another part reads from start to end for each row."""
    found = [plan["CTE Name"]] if each_row and plan["Node Type"] == "CTE Scan" else []
    for part in plan.get("Plans", ()):
        is_for_each = each_row or part.get("Parent Relationship") == "SubPlan"
        found += lists_searched_for_each_row(part, each_row=is_for_each)
    return found


def test_no_check_takes_time_by_the_square_of_what_it_asks(builder: LedgerBuilder) -> None:
    builder.follow()
    with builder.engine.database.connect("reader") as conn:
        conn.execute("set search_path = read_models, ledger")

        def plan_of(check: Check) -> dict[str, Any]:
            asked = {"now": builder.now, "waits": check.waits, **Limits()._asdict()}
            explained = conn.execute(trusted(f"explain (format json) {check.sql}"), asked)
            ((((plan,),),)) = explained.fetchall()
            return plan["Plan"]

        searched = {name: lists_searched_for_each_row(plan_of(c)) for name, c in CHECKS.items()}
    assert {name: found for name, found in searched.items() if found} == {}


def rows_touched(plan: dict[str, Any]) -> float:
    """How many rows all parts of an executed plan gave or threw away, each time they ran."""
    thrown = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Join Filter", 0)
    own = plan["Actual Loops"] * (plan["Actual Rows"] + thrown)
    return own + sum(map(rows_touched, plan.get("Plans", ())))


def repeat(conn: Connection[Any], table: str, times: int, **ids: str) -> None:
    """Copies of a table's row with other ids, behind the follower's back."""
    kept = [name for (name,) in conn.execute(COLUMNS, [table]) if name not in ids]
    named = ", ".join([*ids, *kept])
    values = ", ".join([*(f"'{prefix}' || n" for prefix in ids.values()), *kept])
    source = f"{table}, generate_series(100, {99 + times}) as n"
    copied = f"insert into {table} ({named}) select {values} from {source}"  # noqa: S608 - of ours
    conn.execute(trusted(copied))


COLUMNS = """
select attname
from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped
"""


def test_payments_without_an_order_are_found_in_time_by_their_number(
    builder: LedgerBuilder,
) -> None:
    """Also where PostgreSQL has no statistics yet, as after a rebuild or a pull."""
    builder.stripe("payment_intent.succeeded", intent(metadata={}))
    builder.stripe("charge.succeeded", charge(metadata={}))
    builder.stripe("customer.subscription.created", subscription())
    builder.stripe("invoice.paid", invoice())
    builder.stripe("invoice_payment.paid", invoice_payment(amount_paid=100))
    builder.follow()
    many, check = 5_000, CHECKS["unlinked_payments"]
    with builder.engine.database.connect("projector") as conn:
        conn.execute("set search_path = read_models, ledger")
        repeat(conn, "payments", many, payment_id="pi_", charge_id="ch_")
        repeat(conn, "invoices", many, invoice_id="in_")
        repeat(
            conn,
            "invoice_payments",
            many,
            invoice_payment_id="inpay_",
            invoice_id="in_",
            payment_id="pi_",
            charge_id="ch_",
        )
        asked = {"now": builder.now, "waits": check.waits}
        explained = conn.execute(trusted(f"explain (analyze, format json) {check.sql}"), asked)
        ((((plan,),),)) = explained.fetchall()
    assert rows_touched(plan["Plan"]) < 100 * many
