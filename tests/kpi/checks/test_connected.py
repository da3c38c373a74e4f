"""Orders that connected accounts' payments pay: the buyer has paid, the money is the account's."""

from typing import Any

from ledger.domain.events import PaymentLinked
from tests.kpi.builder import LedgerBuilder
from tests.kpi.checks.scenarios import bare
from tests.webhooks.examples import charge, intent, session

CHECK = "paid_on_connected_account"


def test_what_connected_accounts_took_is_named_an_account_and_currency(
    builder: LedgerBuilder,
) -> None:
    """Orders are paid on whichever account; our own one is no issue."""
    for order_id, account in (("A1", "acct_x"), ("A2", "acct_x"), ("A3", "acct_y"), ("A4", None)):
        builder.place(order_id, sku=order_id)
        of: dict[str, Any] = {} if account is None else {"account": account}
        thing = bare(f"ch_{order_id}", metadata={"order_id": order_id})
        builder.stripe("charge.succeeded", thing, **of)
    found = {each.reference: each.evidence for each in builder.run(CHECK).findings}
    assert {name: (told["orders"], told["net_minor"]) for name, told in found.items()} == {
        "acct_x gbp": (2, 2000),
        "acct_y gbp": (1, 1000),
    }
    assert found["acct_x gbp"]["samples"] == "A1, A2"
    with builder.engine.database.connect("reader") as conn:
        states = conn.execute("select distinct state from read_models.orders").fetchall()
    assert states == [("paid",)]


def test_an_order_that_a_connected_account_settled_for_nothing_is_named(
    builder: LedgerBuilder,
) -> None:
    builder.place()
    free = session(payment_intent=None, payment_status="no_payment_required", amount_total=0)
    builder.stripe("checkout.session.completed", free, account="acct_x")
    (found,) = builder.run(CHECK).findings
    told = found.evidence
    assert (told["holder_id"], told["net_minor"], told["samples"]) == ("acct_x gbp", 0, "A1")


def test_what_the_shop_linked_itself_is_no_issue(builder: LedgerBuilder) -> None:
    builder.place()
    builder.stripe("charge.succeeded", bare(metadata={}), account="acct_x")
    builder.shop(PaymentLinked(order_id="A1", payment_id="ch_1@acct_x"))
    assert builder.run(CHECK).findings == []


def test_a_payment_whose_pages_name_other_orders_is_named(builder: LedgerBuilder) -> None:
    """By metadata or by the reference that the shop passed, on whichever of its pages."""
    for order_id in ("A1", "A2", "A3"):
        builder.place(order_id, sku=order_id)
    builder.stripe("payment_intent.succeeded", intent())
    builder.stripe("charge.succeeded", charge())
    for number, reference in enumerate(("A2", "A3")):
        of = {"id": f"cs_{number}", "metadata": {}, "client_reference_id": reference}
        builder.stripe("checkout.session.completed", session(**of))
    (found,) = builder.run("payment_of_two_orders").findings
    assert (found.evidence["order_id"], found.evidence["other_order_id"]) == ("A1", "A2, A3")
