"""Accounts in the read models: what Stripe's events of several accounts say, told together."""

from tests.projections.models import Models
from tests.webhooks.billing_examples import coupon, discount, item, price, subscription
from tests.webhooks.examples import TOLD, charge, event, refund

ACCOUNTS = (("acct_1", 10, 2700), ("acct_2", 50, 1500), (None, 20, 2400))


def test_a_coupons_id_is_its_accounts(models: Models):
    """Three accounts chose the same id for coupons of their own, and name all else alike too."""
    for account, percent, _ in ACCOUNTS:
        of = {} if account is None else {"account": account}
        applied = discount(source={"coupon": "LOYAL"}, start=TOLD)
        started = subscription(item(price=price(3000)), discounts=["di_1"])
        models.hear(
            event("coupon.created", coupon(id="LOYAL", percent_off=percent), id="evt_1", **of),
            event("customer.discount.created", applied, id="evt_2", **of),
            event("customer.subscription.created", started, id="evt_3", **of),
        )
    found = models.rows("select account, mrr_minor from subscriptions order by account")
    assert found == [(account, mrr_minor) for account, _, mrr_minor in ACCOUNTS]
    customers = models.rows("select customer_id, kind, amount_minor from mrr_movements order by 1")
    assert customers == [
        ("cus_1", "new", 2400),
        ("cus_1@acct_1", "new", 2700),
        ("cus_1@acct_2", "new", 1500),
    ]


def test_a_refund_takes_from_the_payment_of_its_own_account(models: Models):
    """It names a charge by an id that another account has too."""
    for account in ("acct_1", "acct_2"):
        models.hear(event("charge.succeeded", charge(), account=account))
    models.hear(event("refund.created", refund(), id="evt_2", account="acct_2"))
    assert models.rows("select payment_id, net_minor, order_id from payments order by 1") == [
        ("pi_1@acct_1", 1000, "A1"),
        ("pi_1@acct_2", 600, "A1"),
    ]
